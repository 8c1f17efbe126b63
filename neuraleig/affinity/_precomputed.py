"""Affinities whose weights, or distances to neighbours, are given."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from neuraleig._batch import Edges
from neuraleig._sklearn import Interval, StrOptions
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig._validation import check_neighbors_matrix
from neuraleig.affinity._base import Affinity, Graph, symmetrized
from neuraleig.affinity._neighbor_edges import (
    EDGE_WEIGHTS,
    EdgeWeights,
    neighbor_graph,
    upper_edges,
)


class PrecomputedAffinity(Affinity):
    """Symmetric affinity matrix over all rows, passed to ``fit``.

    Parameters
    ----------
    regularization : float, default=0.0
        Share of random pairs, see :meth:`Graph.regularized`.

    Notes
    -----
    ``fit(X, affinity_matrix=W)`` takes weights of shape (n_samples, n_samples),
    dense or sparse, symmetric and non-negative. The diagonal is ignored. Features
    are needed all the same: the network predicts from them.
    """

    takes_matrix = True
    needs_matrix = True

    def __init__(self, *, regularization: float = 0.0) -> None:
        self.regularization = regularization

    def build(
        self,
        X: Array,
        *,
        matrix: sp.csr_array | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Graph:
        """Graph of the given weights; see :meth:`Affinity.build`."""
        weights = symmetrized(_given(matrix))
        index = np.arange(weights.shape[0], dtype=np.int64)
        return Graph(weights, index).regularized(self.regularization)

    def among(
        self,
        rows: Array,
        index: IntArray,
        *,
        matrix: sp.csr_array | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Edges:
        """Given affinity among the rows of the batch; see :meth:`Affinity.among`."""
        return upper_edges(symmetrized(_given(matrix)[index][:, index]))


class PrecomputedNeighborAffinity(PrecomputedAffinity):
    """Graph of neighbours whose distances are passed to ``fit``.

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours per row that are kept; every row must have as many.
    weights : {"self_tuning", "heat", "binary"}, default="self_tuning"
        Weights of the edges, see :func:`edge_weights`.
    regularization : float, default=0.0
        Share of random pairs, see :meth:`Graph.regularized`.

    Notes
    -----
    ``fit(X, affinity_matrix=D)`` takes a sparse matrix of distances, as from
    :class:`sklearn.neighbors.KNeighborsTransformer`. Its graph is never thinned, see
    :meth:`Graph.thinned`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Affinity._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "weights": [StrOptions(set(EDGE_WEIGHTS))],
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        weights: EdgeWeights = "self_tuning",
        regularization: float = 0.0,
    ) -> None:
        super().__init__(regularization=regularization)
        self.n_neighbors = n_neighbors
        self.weights = weights

    def check_matrix(self, matrix: Any, n_samples: int) -> sp.csr_array:  # noqa: ANN401
        """Check distances, and return the weights of the graph of neighbours.

        See :meth:`Affinity.check_matrix`.
        """
        distances = check_neighbors_matrix(matrix, n_samples, self.n_neighbors)
        found = neighbors_of_matrix(distances, self.n_neighbors)
        return neighbor_graph(*found, self.weights)


def neighbors_of_matrix(
    distances: sp.csr_array, n_neighbors: int
) -> tuple[FloatArray, IntArray]:
    """Nearest neighbours in a sparse graph of distances, as scikit-learn writes it.

    Parameters
    ----------
    distances : csr_array of shape (n_samples, n_samples)
        Stored entries are distances; each row has at least ``n_neighbors`` besides
        its own.
    n_neighbors : int
        How many to keep.

    Returns
    -------
    distances : ndarray of shape (n_samples, n_neighbors)
        Ascending.
    indices : ndarray of shape (n_samples, n_neighbors), int64
        Never the row itself.
    """
    n_samples = distances.shape[0]
    rows = np.repeat(np.arange(n_samples), np.diff(distances.indptr))
    others = rows != distances.indices
    rows, columns = rows[others], distances.indices[others].astype(np.int64)
    values = distances.data[others].astype(np.float64)
    order = np.lexsort((values, rows))
    starts = np.searchsorted(rows[order], np.arange(n_samples))
    picked = order[starts[:, None] + np.arange(n_neighbors)]
    return values[picked], columns[picked]


def _given(matrix: sp.csr_array | None) -> sp.csr_array:
    if matrix is None:
        raise ValueError("matrix is missing: pass the weights of all rows.")
    return matrix
