"""Exact nearest neighbours by tiles of matrix products."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuraleig._device import CPU
from neuraleig._shard import Shard
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, FloatArray, IntArray

# Distances in memory at a time: 128 MiB of float32 on the CPU, and 1 GiB on a GPU,
# where only large products are fast.
CHUNK_ELEMENTS = 2**25
CUDA_CHUNK_ELEMENTS = 2**28
# Distances or differences of one step on the CPU: 4 MiB of float32, which stay in the
# cache of a core while the smallest are selected.
CACHE_ELEMENTS = 2**20
# Least number of queries in a matrix product, or as many as there are features: fewer
# take longer each (6,000 rows of 784 features: 0.96 s, and 1.14 s with 64).
FEWEST_QUERIES = 64
# Least number of columns in a group, for the selection of the smallest values.
NARROW_GROUP = 32
# Spare candidates, ranked again by differences: rounding in |x|^2 - 2xy + |y|^2 can
# exchange near ties.
SPARE_CANDIDATES = 5
# Squared distances below this share of |x|^2 are dominated by that rounding, as in
# tight groups far from the mean: such rows are searched again in float64.
ROUNDING = 64 * torch.finfo(torch.float32).eps
# Relative difference of distances that are equal up to rounding.
TIE_TOLERANCE = 8 * torch.finfo(torch.float32).eps
# Largest absolute value of a standardised feature in float64.
FARTHEST_EXACT = 1e100
# Largest share of a GPU's free memory for the rows; otherwise they are moved in tiles.
RESIDENT_SHARE = 0.5


class Neighbors(NamedTuple):
    """Nearest other rows of every row.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, n_neighbors)
        Ascending distances, in the units of the rows; with the cosine metric Euclidean
        distances of unit vectors, from 0 to 2.
    indices : ndarray of shape (n_samples, n_neighbors), int64
        Indices of the neighbours, without the row itself.
    recall : float
        Share of the true neighbours that were found, on a sample of rows; 1 for an
        exact search.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.affinity import nearest_neighbors
    >>> found = nearest_neighbors(np.array([[0.0], [1.0], [3.0]]), 1)
    >>> found.distances.ravel(), found.recall
    (array([1., 1., 2.]), 1.0)
    """

    distances: FloatArray
    indices: IntArray
    recall: float


class Found(NamedTuple):
    """Ascending distances and indices of neighbours (n_queries, n_neighbors)."""

    distances: Tensor
    indices: Tensor

    def gathered(self, shard: Shard) -> Found:
        """Concatenate the parts of all processes."""
        return Found(shard.gathered(self.distances), shard.gathered(self.indices))


class ExactRows:
    """Standardised rows in float64, computed when indexed, of a memory map also."""

    def __init__(self, X: Array, standardization: Standardization) -> None:
        self.X = X
        self.standardization = standardization
        self.shape = X.shape
        self.device = CPU

    def __getitem__(self, index: slice) -> Tensor:
        """Rows of a slice."""
        return self._standardized(self.X[index])

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Rows by index, as ``torch.index_select``."""
        return self._standardized(self.X.take(index.numpy(), axis=dim))

    def _standardized(self, X: Array) -> Tensor:
        shift, scale, _ = self.standardization
        # Not a memory map, as which the result would be returned.
        moved = np.asarray(X) - shift
        # Far rows may lie so many units away that squares overflow.
        reach = FARTHEST_EXACT * scale
        return torch.from_numpy(np.clip(moved, -reach, reach, out=moved) / scale)


Rows = Tensor | ExactRows


def resident(rows: Tensor, device: torch.device) -> Tensor:
    """Move rows to the device if they fit there."""
    if device.type != "cuda":
        return rows
    free, _ = torch.cuda.mem_get_info(device)
    needed = rows.numel() * rows.element_size()
    return rows.to(device) if needed <= RESIDENT_SHARE * free else rows


def full_search(
    rows: Rows,
    queries: Tensor,
    n_neighbors: int,
    device: torch.device,
    groups: Tensor | None = None,
) -> Found:
    """Neighbours of queries among all rows, or among the rows of other groups."""
    many = min(n_neighbors + 1 + SPARE_CANDIDATES, rows.shape[0])
    near = candidates(rows, queries, many, device, groups)
    return rank(rows, queries, near, n_neighbors, groups)


def candidates(
    rows: Rows,
    queries: Tensor,
    n_candidates: int,
    device: torch.device,
    groups: Tensor | None = None,
) -> Tensor:
    """Indices of the nearest rows of each query, including the query.

    With groups, rows of the group of the query come last.
    """
    n_rows, n_features = rows.shape
    elements = chunk_elements(device)
    # Rows on another device are moved in tiles, which take at most the memory of the
    # distances. Devices are compared by type: an index may be missing.
    here = isinstance(rows, Tensor) and rows.device.type == device.type
    width = n_rows if here else max(n_candidates, elements // n_features)
    tile = rows[:width].to(device)
    best = _tile_candidates(rows, queries, tile, n_candidates, groups, 0)
    for start in range(width, n_rows, width):
        tile = rows[start : start + width].to(device)
        found = _tile_candidates(rows, queries, tile, n_candidates, groups, start)
        found = found._replace(indices=found.indices + start)
        best = _nearer(best, found, n_candidates)
    return best.indices


def _tile_candidates(
    rows: Rows,
    queries: Tensor,
    tile: Tensor,
    n_candidates: int,
    groups: Tensor | None,
    start: int,
) -> Found:
    """Nearest rows of a tile, by half the squared distance minus |query|^2 / 2."""
    half_norms = tile.square().sum(dim=1) / 2
    transposed = tile.T.contiguous()
    most = max(1, chunk_elements(tile.device) // tile.shape[0])
    fewest = max(FEWEST_QUERIES, tile.shape[1])
    step = max(fewest, step_elements(tile.device) // tile.shape[0])
    step = min(step, most, len(queries))
    # Used again for every chunk: new memory takes longer than the product.
    memory = tile.new_empty((step, tile.shape[0]))
    values, indices = [], []
    for chunk in torch.split(queries, step):
        left, ranks = rows.index_select(0, chunk).to(tile.device), memory[: len(chunk)]
        torch.addmm(half_norms, left, transposed, alpha=-1, out=ranks)
        if groups is not None:
            others = groups[start : start + tile.shape[0]].to(tile.device)
            own = groups[chunk.to(groups.device)].to(tile.device)
            ranks.masked_fill_(own[:, None] == others, torch.inf)
        picked = smallest(ranks, min(n_candidates, tile.shape[0]))
        values.append(ranks.gather(1, picked))
        indices.append(picked)
    return Found(torch.cat(values), torch.cat(indices))


def _nearer(first: Found, second: Found, n_candidates: int) -> Found:
    """Nearest candidates of two tiles."""
    values = torch.cat([first.distances, second.distances], dim=1)
    indices = torch.cat([first.indices, second.indices], dim=1)
    n_candidates = min(n_candidates, values.shape[1])
    best = _selected(values, n_candidates)
    return Found(values.gather(1, best), indices.gather(1, best))


def chunk_elements(device: torch.device) -> int:
    """Number of distances in memory at a time on a device."""
    return CUDA_CHUNK_ELEMENTS if device.type == "cuda" else CHUNK_ELEMENTS


def step_elements(device: torch.device) -> int:
    """Number of distances or differences of one step on a device."""
    return CACHE_ELEMENTS if device.type == "cpu" else chunk_elements(device)


def smallest(values: Tensor, count: int, group: int | None = None) -> Tensor:
    """Indices of the ``count`` smallest values in each row, unordered.

    These are in the ``count`` groups of columns with the smallest minima. To search
    only these groups is exact, and several times faster than to search all columns.
    """
    n_rows, n_columns = values.shape
    if group is None:
        # In wide rows as many groups as columns in the selected groups.
        group = max(NARROW_GROUP, math.isqrt(n_columns // count))
    n_groups = n_columns // group
    if n_groups <= 2 * count:
        return _selected(values, count)
    # Column c is in group c % n_groups. The remaining columns are all searched.
    grouped = values[:, : n_groups * group].reshape(n_rows, group, n_groups)
    best = _selected(grouped.amin(dim=1), count)
    columns = torch.arange(n_columns, device=values.device)
    members = best[:, :, None] + n_groups * columns[:group]
    rest = columns[n_groups * group :].expand(n_rows, -1)
    members = torch.cat([members.flatten(1), rest], dim=1)
    return members.gather(1, _selected(values.gather(1, members), count))


def _selected(values: Tensor, count: int) -> Tensor:
    """Indices of the smallest values in each row, unordered, among all columns."""
    if values.device.type == "cpu" and count < values.shape[1]:
        # On a CPU several times as fast as torch.
        parted = np.argpartition(values.numpy(), count - 1, axis=1)[:, :count]
        return torch.from_numpy(np.ascontiguousarray(parted))
    return values.topk(count, dim=1, largest=False, sorted=False).indices


def rank(
    rows: Rows,
    queries: Tensor,
    candidates: Tensor,
    n_neighbors: int,
    groups: Tensor | None = None,
) -> Found:
    """Nearest candidates of each query by differences, without the query itself.

    With groups, candidates in the group of the query have infinite distances.
    """
    width = candidates.shape[1] * rows.shape[1]
    queries, candidates = queries.to(rows.device), candidates.to(rows.device)
    distances, indices = [], []
    step = max(1, step_elements(rows.device) // width)
    pieces = zip(torch.split(queries, step), torch.split(candidates, step), strict=True)
    for query, candidate in pieces:
        apart = _distances_to(rows, query, candidate)
        apart[candidate == query[:, None]] = torch.inf
        if groups is not None:
            known = groups.to(candidate.device)
            apart[known[candidate] == known[query][:, None]] = torch.inf
        nearest = apart.topk(n_neighbors, dim=1, largest=False, sorted=True)
        distances.append(nearest.values)
        indices.append(candidate.gather(1, nearest.indices))
    return Found(torch.cat(distances), torch.cat(indices))


def _distances_to(rows: Rows, queries: Tensor, others: Tensor) -> Tensor:
    """Distances from each query to rows of its own, by differences."""
    shape = (*others.shape, rows.shape[1])
    difference = rows.index_select(0, others.flatten()).view(shape)
    difference -= rows.index_select(0, queries)[:, None]
    distances: Tensor = torch.linalg.vector_norm(difference, dim=2)
    return distances


def drowned(found: Found, squared_norms: Tensor) -> Tensor:
    """Queries with distances below the rounding errors of float32 products."""
    return torch.nonzero(
        found.distances[:, -1].square() < ROUNDING * squared_norms
    ).ravel()


def recall_of(found: Tensor, truth: Tensor) -> float:
    """Share of the neighbours that were found, by distances.

    Rows at the same distance are equally good neighbours.
    """
    farthest = truth[:, -1:].double() * (1 + TIE_TOLERANCE)
    return float((found.double() <= farthest).double().mean())
