"""Nearest neighbours by scikit-learn: trees, and any of its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.base import clone

from neuraleig._shard import Shard
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity._neighbors_exact import Found, Neighbors
from neuraleig.affinity._units import unit_rows

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors

# Rows of any group that are searched first, per neighbour of another group. Not tuned:
# groups that mix take the first or the second, others have a tree each.
MET_PER_NEIGHBOR = (2, 4, 8)
# Queries that are searched at once.
SLICE_ROWS = 65_536


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

    Where groups mix, they are among a few times as many rows of any group. The
    remaining queries are searched group by group, in a tree of all other groups.
    """
    distances = np.empty((len(queries), n_neighbors))
    indices = np.empty((len(queries), n_neighbors), dtype=np.int64)
    waiting = np.arange(len(queries))
    for factor in MET_PER_NEIGHBOR:
        n_met, left = min(factor * n_neighbors, len(X)), []
        for part in _slices(waiting):
            rows = queries[part]
            apart, met = search.kneighbors(X[rows], n_met)
            others = groups[met] != groups[rows][:, None]
            done = others.sum(axis=1) >= n_neighbors
            # Stable: rows of other groups first, the nearest before the others.
            order = np.argsort(~others[done], axis=1, kind="stable")[:, :n_neighbors]
            distances[part[done]] = np.take_along_axis(apart[done], order, axis=1)
            indices[part[done]] = np.take_along_axis(met[done], order, axis=1)
            left.append(part[~done])
        waiting = np.concatenate(left) if left else waiting
    of_waiting = groups[queries[waiting]]
    for group in np.unique(of_waiting):
        others = np.flatnonzero(groups != group)
        own, among = waiting[of_waiting == group], clone(search).fit(X[others])
        distances[own], met = among.kneighbors(X[queries[own]], n_neighbors)
        indices[own] = others[met]
    return distances, indices


def _slices(rows: IntArray) -> Iterator[IntArray]:
    """Rows in parts, whose results are in memory one at a time."""
    for start in range(0, len(rows), SLICE_ROWS):
        yield rows[start : start + SLICE_ROWS]
