"""Exact nearest neighbours by tiles of matrix products, without an n x n array."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuraleig._shard import Shard
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, FloatArray, IntArray

# Distances that are held at once: 128 MiB of float32 on the CPU, 1 GiB on a GPU, whose
# products need large shapes to reach their rate.
CHUNK_ELEMENTS = 2**25
CUDA_CHUNK_ELEMENTS = 2**28
# Differences that are held at once while candidates are ranked: 4 MiB of float32 stay
# in the cache of a core; a GPU has none to stay in.
RANK_ELEMENTS = 2**20
# Columns of one group in the selection of the smallest values, at least.
NARROW_GROUP = 32
# Rounding in |x|^2 - 2xy + |y|^2 can swap near ties: this many spare candidates
# are ranked again by exact differences.
SPARE_CANDIDATES = 5
# Squared distances below this share of |x|^2 drown in that rounding, as in tight
# groups far from the mean: such rows are searched again in float64.
ROUNDING = 64 * torch.finfo(torch.float32).eps
# Distances this near are tied: rounding may have come between them.
TIE_TOLERANCE = 8 * torch.finfo(torch.float32).eps
# Share of a device's free memory that the rows may take; tiles of them otherwise.
RESIDENT_SHARE = 0.5


class Neighbors(NamedTuple):
    """Nearest other rows of every row.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, n_neighbors)
        Ascending. Cosine distances are those of the unit vectors, in [0, 2].
    indices : ndarray of shape (n_samples, n_neighbors), int64
        Rows of the data; never the row itself.
    recall : float
        1 where the search was exact. Otherwise the share of the neighbours of a sample
        of rows that were found, where an exact search for the sample is the truth.
    """

    distances: FloatArray
    indices: IntArray
    recall: float


class Found(NamedTuple):
    """Neighbours as tensors.

    Parameters
    ----------
    distances : Tensor of shape (n_queries, n_neighbors)
        Ascending.
    indices : Tensor of shape (n_queries, n_neighbors), int64
        Never the query itself.
    """

    distances: Tensor
    indices: Tensor

    def gathered(self, shard: Shard) -> Found:
        """Parts of all processes together."""
        return Found(shard.gathered(self.distances), shard.gathered(self.indices))


class ExactRows:
    """Standardised rows in float64, made when asked for: never all at once.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows, which may be a memory map.
    standardization : Standardization
        Their centre and unit.
    """

    def __init__(self, X: Array, standardization: Standardization) -> None:
        self.X = X
        self.standardization = standardization
        self.shape = X.shape
        self.device = torch.device("cpu")

    def __getitem__(self, index: slice) -> Tensor:
        """Rows of a slice."""
        return self._standardized(self.X[index])

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Rows of an index, as a tensor gives them for ``dim=0``."""
        return self._standardized(self.X.take(index.numpy(), axis=dim))

    def _standardized(self, X: Array) -> Tensor:
        shift, scale = self.standardization
        # A memory map would make one of the result.
        return torch.from_numpy((np.asarray(X) - shift) / scale)


Rows = Tensor | ExactRows


def resident(rows: Tensor, device: torch.device) -> Tensor:
    """Rows on the device if they fit there, otherwise where they are."""
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
    """Neighbours of some rows among all rows, or among those of other groups."""
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
    """Indices of the nearest rows of each query, the query itself among them.

    With groups, rows of the query's own group come last.
    """
    n_rows, n_features = rows.shape
    elements = chunk_elements(device)
    # Rows that are elsewhere come by tiles that take no more than the distances.
    # A device without a number is any of its type.
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
    """Nearest rows of a tile, by half their squared distance less |query|^2 / 2."""
    half_norms = tile.square().sum(dim=1) / 2
    transposed = tile.T.contiguous()
    step = max(1, chunk_elements(tile.device) // tile.shape[0])
    values, indices = [], []
    for chunk in torch.split(queries, step):
        ranks = torch.addmm(
            half_norms,
            rows.index_select(0, chunk).to(tile.device),
            transposed,
            alpha=-1,
        )
        if groups is not None:
            others = groups[start : start + tile.shape[0]].to(tile.device)
            own = groups[chunk.to(groups.device)].to(tile.device)
            ranks.masked_fill_(own[:, None] == others, torch.inf)
        picked = smallest(ranks, min(n_candidates, tile.shape[0]))
        values.append(ranks.gather(1, picked))
        indices.append(picked)
    return Found(torch.cat(values), torch.cat(indices))


def _nearer(first: Found, second: Found, n_candidates: int) -> Found:
    """Nearest of the candidates of two tiles."""
    values = torch.cat([first.distances, second.distances], dim=1)
    indices = torch.cat([first.indices, second.indices], dim=1)
    n_candidates = min(n_candidates, values.shape[1])
    best = values.topk(n_candidates, dim=1, largest=False, sorted=False)
    return Found(best.values, indices.gather(1, best.indices))


def chunk_elements(device: torch.device) -> int:
    """Distances that are held at once on a device."""
    return CUDA_CHUNK_ELEMENTS if device.type == "cuda" else CHUNK_ELEMENTS


def smallest(values: Tensor, count: int, group: int | None = None) -> Tensor:
    """Indices of the ``count`` smallest values per row, in no order.

    Any of the ``count`` smallest values lies in one of the ``count`` groups with the
    smallest minima, so only those groups are searched: exact, and several times
    faster than a selection among all columns.
    """
    n_rows, n_columns = values.shape
    if group is None:
        # As many groups as members of the groups that are searched, in wide rows.
        group = max(NARROW_GROUP, math.isqrt(n_columns // count))
    n_groups = n_columns // group
    if n_groups <= 2 * count:
        return values.topk(count, dim=1, largest=False, sorted=False).indices
    # Column c belongs to group c % n_groups; what is left over is searched as it is.
    grouped = values[:, : n_groups * group].reshape(n_rows, group, n_groups)
    best = grouped.amin(dim=1).topk(count, dim=1, largest=False, sorted=False).indices
    columns = torch.arange(n_columns, device=values.device)
    members = best[:, :, None] + n_groups * columns[:group]
    rest = columns[n_groups * group :].expand(n_rows, -1)
    members = torch.cat([members.flatten(1), rest], dim=1)
    chosen = values.gather(1, members).topk(count, dim=1, largest=False, sorted=False)
    return members.gather(1, chosen.indices)


def rank(
    rows: Rows,
    queries: Tensor,
    candidates: Tensor,
    n_neighbors: int,
    groups: Tensor | None = None,
) -> Found:
    """Nearest candidates of each query by exact differences, without itself.

    With groups, candidates of the query's own group are at an infinite distance.
    """
    width = candidates.shape[1] * rows.shape[1]
    on_cpu = rows.device.type == "cpu"
    elements = RANK_ELEMENTS if on_cpu else chunk_elements(rows.device)
    queries, candidates = queries.to(rows.device), candidates.to(rows.device)
    distances, indices = [], []
    step = max(1, elements // width)
    pieces = zip(torch.split(queries, step), torch.split(candidates, step), strict=True)
    for query, candidate in pieces:
        squared = squared_distances_to(rows, query, candidate)
        squared[candidate == query[:, None]] = torch.inf
        if groups is not None:
            known = groups.to(candidate.device)
            squared[known[candidate] == known[query][:, None]] = torch.inf
        nearest = squared.topk(n_neighbors, dim=1, largest=False, sorted=True)
        distances.append(nearest.values.sqrt())
        indices.append(candidate.gather(1, nearest.indices))
    return Found(torch.cat(distances), torch.cat(indices))


def squared_distances_to(rows: Rows, queries: Tensor, others: Tensor) -> Tensor:
    """Squared distances from each query to its others, by differences."""
    shape = (*others.shape, rows.shape[1])
    difference = rows.index_select(0, others.flatten()).view(shape)
    difference -= rows.index_select(0, queries)[:, None]
    return difference.square_().sum(dim=2)


def drowned(found: Found, squared_norms: Tensor) -> Tensor:
    """Queries whose neighbours are nearer than float32 products can tell."""
    return torch.nonzero(
        found.distances[:, -1].square() < ROUNDING * squared_norms
    ).ravel()


def recall_of(found: Tensor, truth: Tensor) -> float:
    """Share of the neighbours that were found, by their distances.

    Distances rather than indices are compared: a row at the distance of the last
    neighbour is as good as that neighbour.
    """
    farthest = truth[:, -1:].double() * (1 + TIE_TOLERANCE)
    return float((found.double() <= farthest).double().mean())
