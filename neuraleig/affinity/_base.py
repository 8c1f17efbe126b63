"""Base class of affinities, and the graph that they build."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from sklearn.base import clone

from neuraleig._batch import Edges
from neuraleig._components import Component
from neuraleig._shard import ALONE, Shard
from neuraleig._sklearn import Interval
from neuraleig._sparse import clear_diagonal
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig._validation import check_affinity_matrix
from neuraleig.affinity._copies import in_lowest_terms

# Weight of an edge that one end alone chose, in a thinned graph, as a share of its own.
# Chosen with LEAST_GAIN of _fit/_thinned.py, on the same sets.
ONE_SIDED_SHARE = 0.1


class GraphWarning(UserWarning):
    """The graph of the data will not give the clusters that were asked for."""


@dataclass(frozen=True)
class Graph:
    """A stored graph whose nodes are some or all rows of the data.

    Parameters
    ----------
    weights : csr_array of shape (n_nodes, n_nodes)
        Symmetric and non-negative. The diagonal is empty, but for edges among the
        copies of a row.
    index : ndarray of shape (n_nodes,), int64
        Row of the data that each node is, the first of identical ones. Outliers may
        have none.
    uniform : float, default=0.0
        Weight that every pair of nodes has in addition (the regularisation by a
        share of random pairs); it is never stored as a matrix.
    neighbor_recall : float, default=1.0
        Share of the nearest neighbours that the search found, on a sample; 1 where it
        was exact, or where there was none.
    copies : ndarray of shape (n_nodes,), int64, or None, default=None
        Number of identical rows that each node stands for; ``None``: one each.
    one_sided : csr_array of shape (n_nodes, n_nodes) or None, default=None
        The weights of the edges between nodes of which only one is among the nearest
        neighbours of the other; ``None``: unknown.
    """

    weights: sp.csr_array
    index: IntArray
    uniform: float = 0.0
    neighbor_recall: float = 1.0
    copies: IntArray | None = None
    one_sided: sp.csr_array | None = None

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.weights.shape[0])

    @property
    def n_edges(self) -> int:
        """Number of pairs of nodes that stored edges join."""
        return int(self.weights.nnz - np.count_nonzero(self.weights.diagonal())) // 2

    @property
    def counts(self) -> IntArray:
        """Number of identical rows that each node stands for."""
        if self.copies is None:
            return np.ones(self.n_nodes, dtype=np.int64)
        return self.copies

    @cached_property
    def relative_counts(self) -> IntArray | None:
        """Counts in lowest terms; ``None`` if all nodes count alike."""
        return None if self.copies is None else in_lowest_terms(self.copies)

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
        """Keep some nodes and the edges among them.

        Parameters
        ----------
        nodes : ndarray of shape (n_kept,), int64
            Nodes to keep, in the order wanted.

        Returns
        -------
        graph : Graph
            With the same ``uniform`` weight.
        """
        copies, one_sided = self.copies, self.one_sided
        return replace(
            self,
            weights=sp.csr_array(self.weights[nodes][:, nodes]),
            index=self.index[nodes],
            copies=None if copies is None else copies[nodes],
            one_sided=None if one_sided is None else one_sided[nodes][:, nodes],
        )

    def thinned(self) -> Graph | None:
        """Reduce the weight of one-sided edges to a tenth.

        Rows at the rim of a cluster have neighbours in the next one, whose own
        neighbours are nearer. Such edges join clusters that stand close together or
        wind around each other; they also hold together clusters of many dimensions.

        Returns
        -------
        graph : Graph or None
            With the same nodes and edges; ``None`` if no edge is known to be one-sided.
        """
        one_sided = self.one_sided
        if one_sided is None or one_sided.nnz == 0:
            return None
        weights = sp.csr_array(self.weights - (1.0 - ONE_SIDED_SHARE) * one_sided)
        # Random pairs keep their share.
        uniform = self.uniform * float(weights.sum() / self.weights.sum())
        return replace(self, weights=weights, uniform=uniform, one_sided=None)

    def regularized(self, share: float) -> Graph:
        """Add a share of random pairs: the same weight for every pair of nodes.

        Parameters
        ----------
        share : float
            Degree that every node gains, in mean degrees of the stored edges; 0 adds
            nothing.

        Returns
        -------
        graph : Graph
            With the same stored edges, and another ``uniform`` weight.
        """
        if share == 0.0:
            return self
        mean_degree = float(self.weights.sum()) / self.n_nodes
        return replace(self, uniform=share * mean_degree / self.n_nodes)


class Affinity(Component, ABC):
    """Base class of affinities: a graph of the rows, and weights within a batch.

    Affinities are scikit-learn estimators without ``fit``: they have ``get_params``,
    ``set_params`` and ``clone``, and their ``__init__`` only assigns.

    Attributes
    ----------
    samples_edges : bool
        Whether the stored graph covers the data, so that training can draw its
        edges. Otherwise the graph has landmarks only, and training draws rows and
        computes the affinity among them.
    takes_matrix, needs_matrix : bool
        Whether :meth:`build` takes a ``matrix``, and whether it needs one.
    takes_groups : bool
        Whether :meth:`build` takes ``groups``.
    regularization : float
        Share of random pairs, see :meth:`Graph.regularized`. The stored graph has
        them; to what :meth:`among` returns, training adds them.
    """

    samples_edges: bool = True
    takes_matrix: bool = False
    needs_matrix: bool = False
    regularization: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "regularization": [Interval(Real, 0, None, closed="left")],
    }

    @property
    def takes_groups(self) -> bool:
        """Whether :meth:`build` takes ``groups``."""
        return False

    @abstractmethod
    def build(
        self,
        X: Array,
        *,
        seed: int = 0,
        matrix: sp.csr_array | None = None,
        groups: IntArray | None = None,
        device: torch.device | None = None,
        n_jobs: int | None = None,
        shard: Shard = ALONE,
    ) -> Graph:
        """Build the stored graph of the rows of ``X``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        seed : int, default=0
            Seed of all random draws.
        matrix : csr_array of shape (n_samples, n_samples) or None, default=None
            Given weights or distances, see :meth:`check_matrix`.
        groups : ndarray of shape (n_samples,), int64, or None, default=None
            Group of every row, from 0.
        device : torch.device or None, default=None
            Device of the neighbour search; ``None``: the CPU.
        n_jobs : int or None, default=None
            Processes of scikit-learn's neighbour search, where that is used.
        shard : Shard, default=ALONE
            Share of the work of this process. Every process is given all rows and
            returns the whole graph.

        Returns
        -------
        graph : Graph
            Its nodes are rows of ``X``.
        """

    @abstractmethod
    def among(
        self,
        rows: Array,
        index: IntArray,
        *,
        matrix: sp.csr_array | None = None,
        groups: IntArray | None = None,
    ) -> Edges:
        """Affinity among the rows of a batch.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Rows of the batch, in the units of the data.
        index : ndarray of shape (n_rows,), int64
            Their positions in the data.
        matrix, groups
            Of all rows of the data, as for :meth:`build`.

        Returns
        -------
        edges : Edges
            Weighted pairs of rows of the batch.
        """

    def as_fitted(self) -> Self:
        """Copy that builds graphs of other rows with what this one has learned.

        Returns
        -------
        affinity : Affinity
            Not yet built. Values that :meth:`build` chose are its parameters.
        """
        copied: Self = clone(self)
        return copied

    def check_matrix(self, matrix: Any, n_samples: int) -> sp.csr_array:  # noqa: ANN401
        """Check the ``affinity_matrix`` that was passed to ``fit``.

        Parameters
        ----------
        matrix : array-like or sparse of shape (n_samples, n_samples)
            As passed.
        n_samples : int
            Number of rows of the data.

        Returns
        -------
        matrix : csr_array of shape (n_samples, n_samples), float64
            As :meth:`build` takes it: symmetric and non-negative.

        Raises
        ------
        ValueError
            If the matrix is unusable.
        """
        return check_affinity_matrix(matrix, n_samples)


def symmetrized(weights: sp.csr_array) -> sp.csr_array:
    """Mean of a matrix and its transpose, with an empty diagonal."""
    weights = sp.csr_array((weights + weights.T) * 0.5)
    clear_diagonal(weights)
    weights.sort_indices()
    return weights
