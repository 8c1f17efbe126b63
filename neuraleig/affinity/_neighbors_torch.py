"""Nearest neighbours by torch: exact, or approximate with a measured recall."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from neuraleig._device import CPU
from neuraleig._shard import Shard
from neuraleig._standardize import Standardization, bounded
from neuraleig._typing import Array, IntArray
from neuraleig.affinity._neighbors_approximate import (
    Search,
    probes_needed,
    search_cells,
)
from neuraleig.affinity._neighbors_cells import CellGroups, make_cells
from neuraleig.affinity._neighbors_exact import (
    SPARE_CANDIDATES,
    ExactRows,
    Found,
    candidates,
    drowned,
    full_search,
    rank,
    recall_of,
    resident,
)

# Rows on which recall is measured, by an exact search.
SAMPLE_ROWS = 1_000
# Principal axes for cells and candidates, if the data have more than twice as many
# features.
PROJECTED_FEATURES = 64
SVD_ROWS = 5_000
# Candidates per neighbour along these axes: the first number with the recall
# PROJECTED_RECALL. If none has it, the data have more dimensions, and all features are
# used.
# Not tuned: a sample of the rows at hand decides among them.
OVERSAMPLING = (2, 4, 6, 8)
PROJECTED_RECALL = 0.998


def torch_neighbors(
    X: Array,
    n_neighbors: int,
    *,
    groups: IntArray | None = None,
    approximate: bool,
    device: torch.device,
    seed: int,
    shard: Shard,
) -> tuple[Found, float]:
    """Euclidean neighbours of all rows, in float64 and units of ``X``, and the recall.

    The parameters are those of :func:`neuraleig.affinity.nearest_neighbors`. Rows that
    do not fit on the device are moved there in tiles.
    """
    standardization = Standardization.of(X)
    exact = ExactRows(X, standardization)
    codes = None if groups is None else torch.from_numpy(groups)
    # Rows without a name are freed once they are reordered.
    if approximate:
        found, recall = approximate_search(
            resident(standardization.unbounded().apply(X), device),
            exact,
            n_neighbors,
            seed,
            shard,
            codes,
        )
    else:
        rows = resident(standardization.unbounded().apply(X), device)
        own = torch.arange(X.shape[0])[shard.part(X.shape[0])]
        found = exact_search(rows, exact, own, n_neighbors, device, codes)
        found = found.gathered(shard)
        recall = 1.0
    return Found(found.distances * standardization.scale, found.indices), recall


def exact_search(
    rows: Tensor,
    exact: ExactRows,
    queries: Tensor,
    n_neighbors: int,
    device: torch.device,
    groups: Tensor | None = None,
) -> Found:
    """Neighbours of queries among all rows, in float64 if float32 is too coarse."""
    found = full_search(rows, queries.to(rows.device), n_neighbors, device, groups)
    return without_rounding(found, rows, exact, queries, groups)


def without_rounding(
    found: Found,
    rows: Tensor,
    exact: ExactRows,
    queries: Tensor,
    groups: Tensor | None = None,
) -> Found:
    """Search again in float64 for queries with neighbours too near for float32."""
    again = drowned(found, squared_norms(rows)[queries.to(rows.device)]).cpu()
    found = Found(found.distances.double().cpu(), found.indices.cpu())
    if len(again):
        n_neighbors = found.indices.shape[1]
        better = full_search(exact, queries[again], n_neighbors, CPU, groups)
        found.distances[again], found.indices[again] = better
    return found


def approximate_search(
    rows: Tensor,
    exact: ExactRows,
    n_neighbors: int,
    seed: int,
    shard: Shard,
    groups: Tensor | None = None,
) -> tuple[Found, float]:
    """Neighbours by a search in cells, and the recall on a sample of rows."""
    n_rows, device = rows.shape[0], rows.device
    sample = sample_of(n_rows, seed)
    truth = true_neighbors(rows, exact, sample, n_neighbors, device, shard, groups)
    bound = exact.standardization.bound
    coarse, n_candidates = _coarse(rows, sample, truth, seed, groups, bound)
    is_far = torch.linalg.vector_norm(rows, torch.inf, dim=1) > bound
    cells = make_cells(coarse, seed, is_far)
    order = cells.order
    place = torch.empty_like(order)
    place[order] = torch.arange(n_rows, device=device)
    wide = coarse is not rows
    rows = rows.index_select(0, order)
    coarse = coarse.index_select(0, order) if wide else rows
    placed = None if groups is None else groups.to(device)[order]
    grouped = None if placed is None else CellGroups.of(placed, cells)
    probes = probes_needed(
        coarse,
        cells,
        place[sample.to(device)],
        place[truth.indices.to(device)],
        grouped,
    )
    width = min(n_neighbors + SPARE_CANDIDATES, n_rows - 1)
    search = Search(rows, coarse, cells, probes, n_candidates, width, grouped)
    found = search_cells(search, shard)
    found = Found(found.distances[place], order[found.indices[place]])
    norms = squared_norms(rows)[place]
    del rows, coarse, search
    found = refined(found, exact, norms, n_neighbors, shard, groups)
    if groups is not None:
        found = completed(found, exact, n_neighbors, shard, groups)
    return found, recall_of(found.distances[sample], truth.distances)


def refined(
    found: Found,
    exact: ExactRows,
    norms: Tensor,
    n_neighbors: int,
    shard: Shard,
    groups: Tensor | None = None,
) -> Found:
    """Distances in float64, if float32 distances are mostly rounding errors."""
    found, norms = Found(found.distances.cpu(), found.indices.cpu()), norms.cpu()
    again = drowned(found, norms)
    own = again[shard.part(len(again))]
    best = Found(
        found.distances[:, :n_neighbors].double(),
        found.indices[:, :n_neighbors].contiguous(),
    )
    if len(again):
        better = rank(exact, own, found.indices[own], n_neighbors, groups)
        better = better.gathered(shard)
        best.distances[again], best.indices[again] = better
    return best


def completed(
    found: Found, exact: ExactRows, n_neighbors: int, shard: Shard, groups: Tensor
) -> Found:
    """Search all rows for queries with too few candidates in other groups."""
    again = torch.nonzero(found.distances[:, -1].isinf()).ravel()
    if len(again):
        own = again[shard.part(len(again))]
        better = full_search(exact, own, n_neighbors, CPU, groups).gathered(shard)
        found.distances[again], found.indices[again] = better
    return found


def true_neighbors(
    rows: Tensor,
    exact: ExactRows,
    sample: Tensor,
    n_neighbors: int,
    device: torch.device,
    shard: Shard,
    groups: Tensor | None = None,
) -> Found:
    """Exact neighbours of a sample, of which each process searches a part."""
    own = sample[shard.part(len(sample))]
    found = exact_search(rows, exact, own, n_neighbors, device, groups)
    return found.gathered(shard)


def sample_of(n_rows: int, seed: int) -> Tensor:
    """Rows on which recall is measured."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n_rows, generator=generator)[:SAMPLE_ROWS]


def squared_norms(rows: Tensor) -> Tensor:
    """Squared norm of each row, without a copy of the rows."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return norms.square()


def _coarse(
    rows: Tensor,
    sample: Tensor,
    truth: Found,
    seed: int,
    groups: Tensor | None,
    bound: float,
) -> tuple[Tensor, int]:
    """Rows, or their projection, and the number of candidates that it needs."""
    n_neighbors = truth.indices.shape[1]
    if rows.shape[1] > 2 * PROJECTED_FEATURES:
        projected = _principal_projection(rows, seed, bound)
        queries = sample.to(rows.device)
        for factor in OVERSAMPLING:
            many = factor * (n_neighbors + 1)
            near = candidates(projected, queries, many, rows.device, groups)
            found = rank(rows, queries, near, n_neighbors, groups)
            if recall_of(found.distances.cpu(), truth.distances) >= PROJECTED_RECALL:
                return projected, many
    return rows, n_neighbors + 1 + SPARE_CANDIDATES


def _principal_projection(rows: Tensor, seed: int, bound: float) -> Tensor:
    generator = np.random.RandomState(seed % 2**32)
    drawn = generator.choice(rows.shape[0], min(SVD_ROWS, rows.shape[0]), replace=False)
    chosen = torch.from_numpy(np.sort(drawn)).to(rows.device)
    # A far row would be an axis, beside which others are rounding.
    sample = bounded(rows.index_select(0, chosen).cpu(), bound).numpy()
    _, _, axes = randomized_svd(sample, PROJECTED_FEATURES, random_state=generator)
    turned = torch.from_numpy(np.ascontiguousarray(axes.T, np.float32))
    return rows @ turned.to(rows.device)
