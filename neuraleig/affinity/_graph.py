"""Affinities that are sparse graphs: nearest neighbours and precomputed ones."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from neuraleig._batch import Edges
from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig._warnings import warn_user
from neuraleig.affinity._base import Affinity, Graph, GraphWarning, symmetrized
from neuraleig.affinity._neighbors import (
    NeighborBackend,
    Neighbors,
    nearest_neighbors,
)
from neuraleig.affinity._units import of_common_size

EdgeWeights = Literal["self_tuning", "heat", "binary"]
EDGE_WEIGHTS: tuple[str, ...] = get_args(EdgeWeights)

# The scale of a point is the distance to this neighbour (Zelnik-Manor & Perona).
LOCAL_SCALE_NEIGHBOR = 7
# An edge that exists never weighs less than exp(-10): thinner bridges between groups
# would leave eigenvalues that no solver tells apart from a cut.
# Not tuned: next to nothing in a cut, and far above the tolerance of solvers.
MAX_EXPONENT = 10.0


def edge_weights(distances: FloatArray, indices: IntArray, kind: str) -> FloatArray:
    r"""Weights of the edges from every row to its neighbours.

    ``"self_tuning"``: :math:`\exp(-d_{ij}^2 / (s_i s_j))` with :math:`s_i` the
    distance to the 7th neighbour; ``"heat"``: the same with one scale, their median;
    ``"binary"``: 1.

    Parameters
    ----------
    distances, indices : ndarray of shape (n_samples, n_neighbors)
        Neighbours in ascending order of distance.
    kind : {"self_tuning", "heat", "binary"}
        Which weights.

    Returns
    -------
    weights : ndarray of shape (n_samples, n_neighbors)
        Between 0 and 1.

    References
    ----------
    .. [1] L. Zelnik-Manor and P. Perona, "Self-tuning spectral clustering", NeurIPS,
       2004.
    """
    if kind == "binary" or distances.shape[1] == 0:
        return np.ones_like(distances)
    # Weights know no unit, but squares have limits.
    distances = of_common_size(distances)
    scale = distances[:, min(LOCAL_SCALE_NEIGHBOR, distances.shape[1]) - 1]
    if kind == "heat":
        scale = np.full_like(scale, np.median(scale))
    # Rows among their own duplicates have no scale: duplicates are as near as can be,
    # and all others far.
    product = scale[:, None] * scale[indices]
    far = np.where(distances > 0, MAX_EXPONENT, 0.0)
    ratio = np.divide(distances**2, product, out=far, where=product > 0)
    return np.exp(-np.minimum(ratio, MAX_EXPONENT))


def neighbor_graph(distances: FloatArray, indices: IntArray, kind: str) -> sp.csr_array:
    """Symmetric graph of weighted edges to nearest neighbours."""
    n_samples, n_neighbors = indices.shape
    weights = edge_weights(distances, indices, kind)
    offsets = np.arange(n_samples + 1, dtype=np.int64) * n_neighbors
    shape = (n_samples, n_samples)
    directed = sp.csr_array((weights.ravel(), indices.ravel(), offsets), shape=shape)
    return symmetrized(directed)


def distinct_rows(X: Array) -> IntArray:
    """Index of the first of each group of identical rows, ascending.

    Only rows that share a hash are compared, so that data without duplicates cost
    one pass and no copy.
    """
    _, inverse, counts = np.unique(
        _row_hashes(X), return_inverse=True, return_counts=True
    )
    doubtful = np.flatnonzero(counts[inverse] > 1)
    rows = _without_signed_zeros(X[doubtful])
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * X.shape[1])))
    _, first = np.unique(as_bytes.ravel(), return_index=True)
    kept = np.ones(X.shape[0], dtype=bool)
    kept[doubtful] = False
    kept[doubtful[first]] = True
    return np.flatnonzero(kept).astype(np.int64)


def _row_hashes(X: Array) -> NDArray[np.uint64]:
    """One integer per row, equal for equal rows."""
    generator = np.random.default_rng(0)
    multipliers = generator.integers(2**64, size=X.shape[1], dtype=np.uint64)
    hashes = np.empty(X.shape[0], dtype=np.uint64)
    step = max(1, SLICE_ELEMENTS // X.shape[1])
    for start in range(0, X.shape[0], step):
        part = _without_signed_zeros(X[start : start + step])
        bits = part.view(f"u{part.itemsize}").astype(np.uint64)
        # Round numbers end in zeros, which products would keep: fold the rest in.
        bits ^= bits >> np.uint64(32)
        hashes[start : start + step] = bits @ multipliers
    return hashes


def _without_signed_zeros(X: Array) -> Array:
    """Contiguous copy in which equal values have equal bytes."""
    copy: Array = np.ascontiguousarray(X) + 0.0  # -0.0 and 0.0 are the same value
    return copy


class NeighborAffinity(Affinity):
    """Graph of the nearest neighbours of every row.

    Identical rows are one node: they would otherwise be each other's only
    neighbours and cut their place off from the rest of the graph.

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours per row.
    metric : str, default="euclidean"
        Distance, one of scikit-learn's names.
    weights : {"self_tuning", "heat", "binary"}, default="self_tuning"
        Weights of the edges, see :func:`edge_weights`.
    regularization : float, default=0.0
        Share of random pairs, see :meth:`Graph.regularized`.
    n_jobs : int or None, default=None
        Processes of scikit-learn's search, where that is used.
    backend, device, approximate
        As in :func:`nearest_neighbors`, for the graph of all rows.
    """

    def __init__(
        self,
        n_neighbors: int = 10,
        metric: str = "euclidean",
        weights: EdgeWeights = "self_tuning",
        regularization: float = 0.0,
        n_jobs: int | None = None,
        *,
        backend: NeighborBackend = "auto",
        device: torch.device | None = None,
        approximate: bool | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.weights = weights
        self.regularization = regularization
        self.n_jobs = n_jobs
        self.backend = backend
        self.device = device
        self.approximate = approximate

    def build(self, X: Array, *, seed: int, shard: Shard = ALONE) -> Graph:
        """Build the graph over the distinct rows of ``X``.

        Time and memory are those of
        :func:`~neuraleig.affinity.nearest_neighbors`.
        """
        # By the rows themselves: a search by brute force finds identical rows at
        # distances of the size of its rounding.
        index = distinct_rows(X)
        rows = X if index.size == X.shape[0] else X[index]
        distances, indices, recall = self._search(rows, seed, shard)
        weights = neighbor_graph(distances, indices, self.weights)
        graph = Graph(weights, index, neighbor_recall=recall)
        return graph.regularized(self.regularization)

    def _search(self, X: Array, seed: int, shard: Shard) -> Neighbors:
        n_samples = X.shape[0]
        if self.n_neighbors >= n_samples:
            warn_user(
                f"n_neighbors={self.n_neighbors} is not below the number of distinct "
                f"rows ({n_samples}); {n_samples - 1} neighbours are used instead.",
                GraphWarning,
            )
        if n_samples == 1:
            return Neighbors(np.zeros((1, 0)), np.zeros((1, 0), dtype=np.int64), 1.0)
        return nearest_neighbors(
            X,
            min(self.n_neighbors, n_samples - 1),
            metric=self.metric,
            backend=self.backend,
            device=self.device,
            approximate=self.approximate,
            n_jobs=self.n_jobs,
            seed=seed,
            shard=shard,
        )

    def among(self, rows: Array, index: IntArray) -> Edges:
        """Graph of the neighbours within the batch (the published recipe)."""
        n_neighbors = min(self.n_neighbors, len(rows) - 1)
        found = nearest_neighbors(rows, n_neighbors, metric=self.metric)
        return _edges(neighbor_graph(found.distances, found.indices, self.weights))


class PrecomputedAffinity(Affinity):
    """A given symmetric affinity matrix over all rows.

    Parameters
    ----------
    matrix : csr_array of shape (n_samples, n_samples)
        Symmetric and non-negative; its diagonal is ignored.
    regularization : float, default=0.0
        Share of random pairs, see :meth:`Graph.regularized`.
    """

    def __init__(self, matrix: sp.csr_array, regularization: float = 0.0) -> None:
        self.matrix = matrix
        self.regularization = regularization

    def build(self, X: Array, *, seed: int, shard: Shard = ALONE) -> Graph:
        """Wrap the given matrix; nothing else is looked at."""
        index = np.arange(self.matrix.shape[0], dtype=np.int64)
        graph = Graph(symmetrized(self.matrix), index)
        return graph.regularized(self.regularization)

    def among(self, rows: Array, index: IntArray) -> Edges:
        """Given affinity among the rows of the batch."""
        return _edges(symmetrized(self.matrix[index][:, index]))


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


def _edges(weights: sp.csr_array) -> Edges:
    """Each pair of a symmetric matrix once."""
    upper = sp.coo_array(sp.triu(weights, k=1))
    row, column = upper.row, upper.col
    return Edges(
        torch.from_numpy(row.astype(np.int64)),
        torch.from_numpy(column.astype(np.int64)),
        torch.from_numpy(of_common_size(upper.data).astype(np.float32)),
        weights.shape[0],
    )
