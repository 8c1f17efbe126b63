"""Approximate nearest neighbours, by a search in the cells that are nearest to a row.

Cells are small groups of rows. All rows that search a cell are compared with it in one
matrix product; pairs beyond the last neighbour found so far are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuraleig._shard import Shard
from neuraleig.affinity._neighbors_cells import CellGroups, Cells
from neuraleig.affinity._neighbors_exact import (
    Found,
    chunk_elements,
    rank,
    smallest,
)

# Rows around a cell with which its rows are compared first, for a bound.
# Not tuned to labels, like all numbers here: they change time, and recall is measured.
FIRST_ROWS = 1_000
# One in so many cells, the nearest ones, is searched first: they lower the bound.
NEARER_SHARE = 8
# Absolute value of a standardised centre beyond which it moves the origin no further.
MOST_MOVED = 100.0
# Rows whose distances to the centres are sorted at a time.
SELECTED_ROWS = 1_024
# Share of the neighbours of a sample in the searched cells: above the required recall,
# because the recall of all rows differs from the recall of the sample.
COVERAGE = 0.993
# Largest number of rows that are compared with a row, in square roots of all rows.
# Rows of many dimensions without groups would look into all of them.
MOST_PROBED = 64


class Search(NamedTuple):
    """Rows and settings of a search.

    Parameters
    ----------
    rows : Tensor of shape (n_rows, n_features)
        Rows in the order of the cells.
    coarse : Tensor of shape (n_rows, n_coarse)
        The rows or a projection of them, by which candidates are found.
    cells : Cells
        Cells of ``coarse``.
    probes : int
        Number of cells that are searched for each row.
    n_candidates : int
        Candidates per row, which are ranked by differences.
    n_neighbors : int
        Neighbours per row, among the candidates.
    groups : CellGroups or None, default=None
        Groups of the rows, if neighbours are rows of other groups.
    """

    rows: Tensor
    coarse: Tensor
    cells: Cells
    probes: int
    n_candidates: int
    n_neighbors: int
    groups: CellGroups | None = None

    @property
    def row_groups(self) -> Tensor | None:
        """Group of each row, in the order of the cells."""
        return None if self.groups is None else self.groups.of_rows


class Hits(NamedTuple):
    """Pairs of queries and rows with a distance below the bound of the query."""

    query: Tensor
    place: Tensor
    squared: Tensor


def probes_needed(
    coarse: Tensor,
    cells: Cells,
    queries: Tensor,
    truth: Tensor,
    groups: CellGroups | None = None,
) -> int:
    """Number of cells that contain the share COVERAGE of a sample's true neighbours.

    It is limited by ``MOST_PROBED``.
    """
    apart = _squared_distances(coarse[queries], cells.centres)
    if groups is not None:
        groups.hide_own(apart, groups.of_rows[queries])
    rank_of_cell = apart.argsort(dim=1).argsort(dim=1)
    needed = rank_of_cell.gather(1, cells.labels()[truth]).flatten().sort().values + 1
    enough = int(needed[min(int(COVERAGE * len(needed)), len(needed) - 1)])
    most = MOST_PROBED * coarse.shape[0] ** 0.5 / float(cells.sizes.double().mean())
    return min(enough, max(1, int(most)), cells.centres.shape[0])


def search_cells(search: Search, shard: Shard) -> Found:
    """Neighbours of all rows, as indices of ``search.rows``, by all processes."""
    part = shard.part(search.rows.shape[0])
    # With a first empty part, for processes without rows.
    distances = [search.rows.new_empty((0, search.n_neighbors))]
    indices = [distances[0].long()]
    for first, last in _blocks(search.cells, search.coarse.device):
        start, stop = int(search.cells.bounds[first]), int(search.cells.bounds[last])
        # A block on the border of two parts is searched by both processes, so that the
        # results are the same for any number of processes.
        own = slice(max(start, part.start), min(stop, part.stop))
        if own.start >= own.stop:
            continue
        queries = torch.arange(own.start, own.stop, device=search.rows.device)
        places = _block_candidates(search, first, last)[queries - start]
        found = rank(
            search.rows, queries, places, search.n_neighbors, search.row_groups
        )
        distances.append(found.distances)
        indices.append(found.indices)
    return Found(torch.cat(distances), torch.cat(indices)).gathered(shard)


def _blocks(cells: Cells, device: torch.device) -> list[tuple[int, int]]:
    """Runs of cells, whose rows times the number of cells fit into a chunk."""
    most = max(1, chunk_elements(device) // len(cells.sizes))
    blocks, first, size = [], 0, 0
    for cell, rows in enumerate(cells.sizes.tolist()):
        if size + rows > most and size > 0:
            blocks.append((first, cell))
            first, size = cell, 0
        size += rows
    return [*blocks, (first, len(cells.sizes))]


def _block_candidates(search: Search, first: int, last: int) -> Tensor:
    """Indices of the candidates of the rows in a run of cells."""
    cells, coarse = search.cells, search.coarse
    start = int(cells.bounds[first])
    block = coarse[start : int(cells.bounds[last])]
    apart = _squared_distances(block, cells.centres)
    own_places = torch.arange(start, start + len(block), device=block.device)
    if search.groups is not None:
        search.groups.hide_own(apart, search.groups.of_rows[own_places])
    nearer = max(1, search.probes // NEARER_SHARE)
    bounds = _order_statistics(apart, (nearer, search.probes))
    squared, places = [], []
    for cell in range(first, last):
        near = _surroundings(search, cell)
        own = slice(
            int(cells.bounds[cell]) - start, int(cells.bounds[cell + 1]) - start
        )
        apart[own.start : own.stop, near] = torch.inf
        found = _first_candidates(search, cell, near)
        squared.append(found.distances)
        places.append(found.indices)
    best = Found(torch.cat(squared), torch.cat(places))
    for upper in bounds.T:
        chosen = apart <= upper[:, None]
        hits = _hits(search, block, chosen, best.distances.amax(dim=1), start)
        best = _merged(best, hits, own_places)
        apart.masked_fill_(chosen, torch.inf)  # searched
    return best.indices


def _squared_distances(left: Tensor, right: Tensor) -> Tensor:
    # Less rounding than from 0, unless a far cell moves the mean.
    origin = right.clamp(-MOST_MOVED, MOST_MOVED).mean(dim=0)
    left, right = left - origin, right - origin
    norms = right.square().sum(dim=1)
    apart = torch.addmm(norms, left, right.T, alpha=-2)
    return apart.add_(left.square().sum(dim=1)[:, None])


def _order_statistics(values: Tensor, ranks: tuple[int, ...]) -> Tensor:
    """Values in each row with the given ranks, from 1 for the smallest."""
    ends = [r - 1 for r in ranks]
    if values.device.type == "cpu":
        # On a CPU ten times as fast as torch. Some rows at a time: it copies them.
        parts = [
            torch.from_numpy(np.partition(part.numpy(), ends, axis=1)[:, ends])
            for part in torch.split(values, SELECTED_ROWS)
        ]
        return torch.cat(parts)
    return torch.stack([values.kthvalue(r, dim=1).values for r in ranks], dim=1)


def _surroundings(search: Search, cell: int) -> Tensor:
    """A cell and the cells nearest to it, with enough rows for a first bound."""
    nearest = search.cells.nearest(cell)
    if search.groups is not None:
        # Cells of the same group have no neighbours; the cell itself remains first.
        own = search.groups.of_cells[cell]
        useful = (own < 0) | (search.groups.of_cells[nearest] != own)
        useful[0] = True
        nearest = nearest[useful]
    enough = max(FIRST_ROWS, 2 * search.n_candidates)
    reached = search.cells.sizes[nearest].cumsum(dim=0)
    return nearest[: int((reached < enough).sum()) + 1]


def _first_candidates(search: Search, cell: int, near: Tensor) -> Found:
    """Nearest rows in the cells ``near``, with squared distances."""
    places = search.cells.positions(near)
    # Relative to the centre of the cell: less rounding in tight groups far from 0.
    local = search.coarse.index_select(0, places) - search.cells.centres[cell]
    norms = local.square().sum(dim=1)
    size = int(search.cells.sizes[cell])
    squared = torch.addmm(norms, local[:size], local.T, alpha=-2)
    squared += norms[:size, None]
    if search.row_groups is not None:
        known = search.row_groups[places]
        squared.masked_fill_(known[:size, None] == known, torch.inf)
    picked = smallest(squared, min(search.n_candidates, len(places)))
    return Found(squared.gather(1, picked), places[picked])


def _hits(
    search: Search, block: Tensor, chosen: Tensor, bound: Tensor, first: int
) -> Hits:
    """Rows of the chosen cells with a distance below the bound of the query."""
    queries = torch.empty(0, dtype=torch.int64, device=block.device)
    hits = [Hits(queries, queries, block.new_empty(0))]
    for cell, queries in _by_column(chosen):
        start, stop = (int(b) for b in search.cells.bounds[cell : cell + 2])
        centre = search.cells.centres[cell]
        members = search.coarse[start:stop] - centre
        rows = block.index_select(0, queries) - centre
        norms = rows.square().sum(dim=1)
        ranks = torch.addmm(members.square().sum(dim=1), rows, members.T, alpha=-2)
        nearer = ranks < (bound[queries] - norms)[:, None]
        if search.row_groups is not None:
            own = search.row_groups[first + queries]
            nearer &= own[:, None] != search.row_groups[start:stop]
        near = _true_places(nearer)
        query = near // (stop - start)
        squared = ranks.flatten()[near] + norms[query]
        hits.append(Hits(queries[query], start + near % (stop - start), squared))
    return Hits(*(torch.cat(part) for part in zip(*hits, strict=True)))


def _by_column(chosen: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Columns with true entries, and the rows of these entries."""
    n_rows, n_columns = chosen.shape
    flat = _true_places(chosen.T.contiguous())
    counts = (flat // n_rows).bincount(minlength=n_columns).tolist()
    for column, rows in enumerate(torch.split(flat % n_rows, counts)):
        if len(rows):
            yield column, rows


def _true_places(mask: Tensor) -> Tensor:
    """Indices of the true entries of a flattened mask."""
    if mask.device.type == "cpu":
        # Several times as fast as torch if few entries are true.
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.flatten().nonzero().ravel()


def _merged(best: Found, hits: Hits, own: Tensor) -> Found:
    """Nearest rows among those found before and the hits, which are different rows.

    If there are too few, the rest is the row itself (``own``), which is never kept.
    """
    n_queries, width = best.indices.shape
    # One integer for query and distance: non-negative floats sort like their bits.
    bits = hits.squared.clamp(min=0.0).view(torch.int32).long()
    order = _argsort((hits.query << 32) | bits)
    query = hits.query[order]
    counts = query.bincount(minlength=n_queries)
    column = torch.arange(len(query), device=query.device)
    column -= (counts.cumsum(dim=0) - counts)[query]
    kept = column < width
    query, column, order = query[kept], column[kept], order[kept]
    squared = torch.full_like(best.distances, torch.inf)
    squared[query, column] = hits.squared[order]
    places = own[:, None].repeat(1, width)
    places[query, column] = hits.place[order]
    squared = torch.cat([best.distances, squared], dim=1)
    nearest = squared.topk(width, dim=1, largest=False, sorted=False)
    places = torch.cat([best.indices, places], dim=1).gather(1, nearest.indices)
    return Found(nearest.values, places)


def _argsort(keys: Tensor) -> Tensor:
    if keys.device.type == "cpu":
        # Several times as fast as torch.
        return torch.from_numpy(np.argsort(keys.numpy()))
    return keys.argsort()
