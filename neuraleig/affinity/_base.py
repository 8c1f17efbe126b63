"""What an affinity is: a graph of the data, and weights among a batch of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from neuraleig._batch import Edges
from neuraleig._shard import ALONE, Shard
from neuraleig._sparse import clear_diagonal
from neuraleig._typing import Array, FloatArray, IntArray


class GraphWarning(UserWarning):
    """The graph of the data will not give the clusters that were asked for."""


@dataclass(frozen=True)
class Graph:
    """A stored graph whose nodes are some or all rows of the data.

    Parameters
    ----------
    weights : csr_array of shape (n_nodes, n_nodes)
        Symmetric and non-negative, with an empty diagonal.
    index : ndarray of shape (n_nodes,), int64
        Row of the data that each node is. Duplicate rows and outliers may have
        none.
    uniform : float, default=0.0
        Weight that every pair of nodes has in addition (the regularisation by a
        share of random pairs); it is never stored as a matrix.
    neighbor_recall : float, default=1.0
        Share of the nearest neighbours that the search found, on a sample; 1 where it
        was exact, or where there was none.
    """

    weights: sp.csr_array
    index: IntArray
    uniform: float = 0.0
    neighbor_recall: float = 1.0

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.weights.shape[0])

    @cached_property
    def degrees(self) -> FloatArray:
        """Degree of every node, the uniform weight included."""
        stored = np.asarray(self.weights.sum(axis=1), dtype=np.float64).ravel()
        return stored + self.uniform * self.n_nodes

    @cached_property
    def component_labels(self) -> IntArray:
        """Connected component of every node by its stored edges, from 0."""
        _, labels = connected_components(self.weights, directed=False)
        return np.asarray(labels, dtype=np.int64)

    @property
    def n_connected_components(self) -> int:
        """Number of connected components by the stored edges."""
        return int(self.component_labels.max()) + 1

    def subgraph(self, nodes: IntArray) -> Graph:
        """Keep some nodes and the edges among them."""
        weights = sp.csr_array(self.weights[nodes][:, nodes])
        return replace(self, weights=weights, index=self.index[nodes])

    def regularized(self, share: float) -> Graph:
        """Add a share of random pairs: ``share`` times the mean degree per node."""
        if share == 0.0:
            return self
        mean_degree = float(self.weights.sum()) / self.n_nodes
        return replace(self, uniform=share * mean_degree / self.n_nodes)


class Affinity(ABC):
    """How alike rows are, as a stored graph and within a batch.

    Attributes
    ----------
    samples_edges : bool
        Whether the stored graph covers the data, so that training can draw its
        edges. Otherwise the graph only has landmarks, and training draws rows and
        computes the affinity among them.
    regularization : float
        Share of random pairs, see :meth:`Graph.regularized`. The stored graph has
        them; to what :meth:`among` returns, training adds them.
    """

    samples_edges: bool = True
    regularization: float = 0.0

    @abstractmethod
    def build(self, X: Array, *, seed: int, shard: Shard = ALONE) -> Graph:
        """Build the stored graph of the rows of ``X``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        seed : int
            Seed of whatever is drawn.
        shard : Shard, default=ALONE
            Rows whose part of the work this process does; all are given all rows,
            and get the whole graph.

        Returns
        -------
        graph : Graph
            Nodes are rows of ``X``.
        """

    @abstractmethod
    def among(self, rows: Array, index: IntArray) -> Edges:
        """Affinity among the rows of a batch.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Rows of the batch, in the units of the data.
        index : ndarray of shape (n_rows,), int64
            Which rows of the data they are.

        Returns
        -------
        edges : Edges
            Weighted pairs of rows of the batch.
        """


def symmetrized(weights: sp.csr_array) -> sp.csr_array:
    """Mean of a matrix and its transpose, with an empty diagonal."""
    weights = sp.csr_array((weights + weights.T) * 0.5)
    clear_diagonal(weights)
    weights.sort_indices()
    return weights
