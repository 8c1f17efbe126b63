"""Exact nearest neighbours, by chunks, without an n x n array."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, FloatArray, IntArray

# Distances to all rows that one chunk of queries may hold: 128 MiB of float32.
CHUNK_ELEMENTS = 2**25
# Trees beat brute force up to about here.
TREE_FEATURES = 8
# Candidates are found in a projected space where that is cheaper: from this many
# rows, and from twice as many features as the projection has.
PROJECTED_ROWS = 10_000
PROJECTED_FEATURES = 64
# Candidates per neighbour there, before they are ranked by exact distances.
OVERSAMPLING = 4
# The projection is dropped when it loses more than this share of the neighbours of
# a sample of rows.
MIN_RECALL = 0.95
RECALL_ROWS = 256
# Rounding in |x|^2 - 2xy + |y|^2 can swap near ties: this many spare candidates
# are ranked again by exact differences.
SPARE_CANDIDATES = 5
# Squared distances below this share of |x|^2 drown in that rounding, as in tight
# groups far from the mean: such rows are searched again in float64.
ROUNDING = 64 * torch.finfo(torch.float32).eps
SVD_ROWS = 5_000


def nearest_neighbors(
    X: Array,
    n_neighbors: int,
    *,
    metric: str = "euclidean",
    n_jobs: int | None = None,
    seed: int = 0,
    shard: Shard = ALONE,
) -> tuple[FloatArray, IntArray]:
    """Distances and indices of the nearest other rows of every row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    n_neighbors : int
        Neighbours per row, fewer than ``n_samples``.
    metric : str, default="euclidean"
        ``"euclidean"``, ``"cosine"`` or any other metric of
        :class:`sklearn.neighbors.NearestNeighbors`.
    n_jobs : int or None, default=None
        Processes of scikit-learn's search, where that is used.
    seed : int, default=0
        Seed of the projection of wide data.
    shard : Shard, default=ALONE
        Rows whose neighbours this process looks for, where torch does; the results
        are those of all rows.

    Returns
    -------
    distances : ndarray of shape (n_samples, n_neighbors)
        Ascending. Cosine distances are those of the unit vectors, in [0, 2].
    indices : ndarray of shape (n_samples, n_neighbors), int64
        Rows of ``X``; never the row itself.

    Notes
    -----
    Time is O(n^2 min(d, 64)) from 10,000 rows, O(n^2 d) below; memory beyond ``X``
    two float32 copies, 128 MiB for a chunk, and O(n n_neighbors); a float64 copy where
    neighbours are within 0.3 % of a row's distance from the mean. Wide data
    (more than 128 features) are searched among the nearest candidates along 64
    principal axes, ranked by exact distances; where that would lose more than
    5 % of the neighbours of a sample, the search is exact.
    """
    if metric == "cosine":
        norms = np.linalg.norm(X, axis=1, keepdims=True)
        X = X / np.where(norms > 0, norms, 1.0)
    elif metric != "euclidean" or X.shape[1] <= TREE_FEATURES:
        return _tree_neighbors(X, n_neighbors, metric, n_jobs)
    standardization = Standardization.of(X)
    rows = standardization.apply(X)
    own = torch.arange(len(rows))[shard.part(len(rows))]
    distances, indices = _brute_neighbors(rows, own, n_neighbors, seed)
    distances = distances.double()
    drowned = distances[:, -1].square() < ROUNDING * rows[own].square().sum(dim=1)
    if drowned.any():
        exact = (X - standardization.shift) / standardization.scale
        again = _full_search(torch.from_numpy(exact), own[drowned], n_neighbors)
        distances[drowned], indices[drowned] = again
    distances, indices = shard.gathered(distances), shard.gathered(indices)
    return distances.numpy() * standardization.scale, indices.numpy()


def _tree_neighbors(
    X: Array, n_neighbors: int, metric: str, n_jobs: int | None
) -> tuple[FloatArray, IntArray]:
    search = NearestNeighbors(n_neighbors=n_neighbors, metric=metric, n_jobs=n_jobs)
    distances, indices = search.fit(X).kneighbors()
    return np.asarray(distances, dtype=np.float64), np.asarray(indices, np.int64)


def _brute_neighbors(
    rows: Tensor, queries: Tensor, n_neighbors: int, seed: int
) -> tuple[Tensor, Tensor]:
    n_rows, n_features = rows.shape
    if n_rows >= PROJECTED_ROWS and n_features > 2 * PROJECTED_FEATURES:
        projected = _principal_projection(rows, seed)
        many = min(OVERSAMPLING * (n_neighbors + 1), n_rows)
        sample = _sample(n_rows, seed)
        truth = _full_search(rows, sample, n_neighbors)
        found = _rank(rows, sample, _candidates(projected, sample, many), n_neighbors)
        if _recall(truth[1], found[1]) >= MIN_RECALL:
            candidates = _candidates(projected, queries, many)
            return _rank(rows, queries, candidates, n_neighbors)
    return _full_search(rows, queries, n_neighbors)


def _full_search(
    rows: Tensor, queries: Tensor, n_neighbors: int
) -> tuple[Tensor, Tensor]:
    many = min(n_neighbors + 1 + SPARE_CANDIDATES, rows.shape[0])
    return _rank(rows, queries, _candidates(rows, queries, many), n_neighbors)


def _sample(n_rows: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n_rows, generator=generator)[:RECALL_ROWS]


def _principal_projection(rows: Tensor, seed: int) -> Tensor:
    generator = np.random.RandomState(seed % 2**32)
    drawn = generator.choice(rows.shape[0], min(SVD_ROWS, rows.shape[0]), replace=False)
    sample = rows[torch.from_numpy(np.sort(drawn))]
    _, _, axes = randomized_svd(
        sample.numpy(), PROJECTED_FEATURES, random_state=generator
    )
    return rows @ torch.from_numpy(np.ascontiguousarray(axes.T, np.float32))


def _recall(truth: Tensor, found: Tensor) -> float:
    hits = (truth[:, :, None] == found[:, None, :]).any(dim=2)
    return float(hits.double().mean())


def _candidates(rows: Tensor, queries: Tensor, n_candidates: int) -> Tensor:
    """Indices of the nearest rows of each query, the query itself among them."""
    n_rows = rows.shape[0]
    half_norms = rows.square().sum(dim=1) / 2
    transposed = rows.T.contiguous()
    step = max(1, CHUNK_ELEMENTS // n_rows)
    found = []
    for start in range(0, queries.shape[0], step):
        chunk = rows[queries[start : start + step]]
        # Half the squared distance less a constant of the query: the same order.
        ranks = torch.addmm(half_norms, chunk, transposed, alpha=-1)
        found.append(_smallest(ranks, n_candidates))
    return torch.cat(found)


def _smallest(values: Tensor, count: int, group: int = 32) -> Tensor:
    """Indices of the ``count`` smallest values per row, in no order.

    Any of the ``count`` smallest values lies in one of the ``count`` groups with the
    smallest minima, so only those groups are searched: exact, and several times
    faster than a selection among all columns.
    """
    n_rows, n_columns = values.shape
    n_groups = n_columns // group
    if n_groups <= 2 * count:
        return values.topk(count, dim=1, largest=False, sorted=False).indices
    # Column c belongs to group c % n_groups; what is left over is searched as it is.
    grouped = values[:, : n_groups * group].reshape(n_rows, group, n_groups)
    best = grouped.amin(dim=1).topk(count, dim=1, largest=False, sorted=False).indices
    members = best[:, :, None] + n_groups * torch.arange(group)
    rest = torch.arange(n_groups * group, n_columns).expand(n_rows, -1)
    members = torch.cat([members.flatten(1), rest], dim=1)
    chosen = values.gather(1, members).topk(count, dim=1, largest=False, sorted=False)
    return members.gather(1, chosen.indices)


def _rank(
    rows: Tensor, queries: Tensor, candidates: Tensor, n_neighbors: int
) -> tuple[Tensor, Tensor]:
    """Nearest candidates of each query by exact differences, without itself."""
    step = max(1, CHUNK_ELEMENTS // (candidates.shape[1] * rows.shape[1]))
    distances, indices = [], []
    for start in range(0, queries.shape[0], step):
        query = queries[start : start + step]
        candidate = candidates[start : start + step]
        difference = rows[candidate] - rows[query, None]
        squared = difference.square().sum(dim=2)
        squared[candidate == query[:, None]] = torch.inf
        nearest = squared.topk(n_neighbors, dim=1, largest=False, sorted=True)
        distances.append(nearest.values.sqrt())
        indices.append(candidate.gather(1, nearest.indices))
    return torch.cat(distances), torch.cat(indices)
