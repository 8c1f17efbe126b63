"""Nearest neighbours by scikit-learn: trees, and any of its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from neuraleig._shard import Shard
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity._neighbors_exact import Found, Neighbors
from neuraleig.affinity._units import unit_rows

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors


def tree_neighbors(
    X: Array,
    n_neighbors: int,
    metric: str,
    groups: IntArray | None,
    n_jobs: int | None,
    shard: Shard,
) -> Neighbors:
    """Exact neighbours by scikit-learn, with trees or by brute force."""
    # Imported late: it takes longer than this whole package.
    from sklearn.neighbors import NearestNeighbors

    if metric == "cosine":
        X, metric = unit_rows(X), "euclidean"
    search = NearestNeighbors(n_neighbors=n_neighbors, metric=metric, n_jobs=n_jobs)
    search.fit(X)
    queries = np.arange(X.shape[0])[shard.part(X.shape[0])]
    if groups is None:
        distances, indices = _others(search, X, queries, n_neighbors)
    else:
        distances, indices = _across(search, X, queries, n_neighbors, groups)
    found = Found(torch.from_numpy(distances), torch.from_numpy(indices))
    found = found.gathered(shard)
    return Neighbors(found.distances.numpy(), found.indices.numpy(), 1.0)


def _others(
    search: NearestNeighbors, X: Array, queries: IntArray, n_neighbors: int
) -> tuple[FloatArray, IntArray]:
    """Neighbours among all other rows."""
    distances, indices = search.kneighbors(X[queries], n_neighbors + 1)
    # Without the row itself; if it is not among its duplicates, without the last.
    others = indices != queries[:, None]
    others[others.all(axis=1), -1] = False
    shape = (len(queries), n_neighbors)
    return (
        distances[others].reshape(shape).astype(np.float64),
        indices[others].reshape(shape).astype(np.int64),
    )


def _across(
    search: NearestNeighbors,
    X: Array,
    queries: IntArray,
    n_neighbors: int,
    groups: IntArray,
) -> tuple[FloatArray, IntArray]:
    """Neighbours among the rows of other groups.

    The number of rows that are searched doubles until each query has enough rows of
    other groups among them.
    """
    distances = np.empty((len(queries), n_neighbors))
    indices = np.empty((len(queries), n_neighbors), dtype=np.int64)
    waiting = np.arange(len(queries))
    n_met = min(2 * n_neighbors, len(X))
    while waiting.size:
        rows = queries[waiting]
        apart, met = search.kneighbors(X[rows], n_met)
        others = groups[met] != groups[rows][:, None]
        done = others.sum(axis=1) >= n_neighbors
        # Stable: rows of other groups first, the nearest before the others.
        order = np.argsort(~others[done], axis=1, kind="stable")[:, :n_neighbors]
        distances[waiting[done]] = np.take_along_axis(apart[done], order, axis=1)
        indices[waiting[done]] = np.take_along_axis(met[done], order, axis=1)
        waiting = waiting[~done]
        n_met = min(2 * n_met, len(X))
    return distances, indices
