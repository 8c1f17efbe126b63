"""Partition of rows into small cells of near rows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Largest size of a cell: CELL_ROWS, or CELL_SHARE times the root of the number of rows
# if that is larger. Cells are compact, and few enough to compare all rows with them.
CELL_ROWS = 256
CELL_SHARE = 0.5
# Parts into which a cell is split at a time, and rows per part from which k-means finds
# the centres: its time per row does not depend on the number of cells.
MOST_SPLITS = 64
ROWS_PER_CENTRE = 32
# Steps of k-means: cells need to be compact, not optimal.
KMEANS_STEPS = 6
# A part with a smaller share of the rows of a cell is dissolved: it has outliers, and
# products of few rows are slow.
# Not tuned to labels: cells change the time of a search, and its recall is measured.
SMALLEST_SHARE = 0.125
# Rows that are compared with the centres at a time.
ASSIGNED_ROWS = 2**16


class Cells(NamedTuple):
    """A partition of rows.

    Parameters
    ----------
    order : Tensor of shape (n_rows,), int64
        Indices of the rows, cell by cell.
    bounds : Tensor of shape (n_cells + 1,), int64
        Start of each cell in ``order``, and the end of the last one.
    centres : Tensor of shape (n_cells, n_features)
        Mean of each cell.
    """

    order: Tensor
    bounds: Tensor
    centres: Tensor

    @property
    def sizes(self) -> Tensor:
        """Number of rows in each cell."""
        return self.bounds.diff()

    def labels(self) -> Tensor:
        """Cell of each position in ``order``."""
        cells = torch.arange(len(self.sizes), device=self.bounds.device)
        return cells.repeat_interleave(self.sizes)

    def nearest(self, cell: int) -> Tensor:
        """All cells by their distance from ``cell``, which is the first."""
        apart = (self.centres - self.centres[cell]).square().sum(dim=1)
        apart[cell] = -1.0
        return apart.argsort(stable=True)

    def positions(self, cells: Tensor) -> Tensor:
        """Positions in ``order`` of the rows in some cells."""
        sizes = self.sizes[cells]
        ends = sizes.cumsum(dim=0)
        skipped = (self.bounds[cells] - (ends - sizes)).repeat_interleave(sizes)
        return skipped + torch.arange(len(skipped), device=skipped.device)


class CellGroups(NamedTuple):
    """Groups of rows and cells, for neighbours in other groups.

    Parameters
    ----------
    of_rows : Tensor of shape (n_rows,), int64
        Group of each row, in the order of the cells.
    of_cells : Tensor of shape (n_cells,), int64
        Group of each cell, if all its rows have the same, else -1.
    """

    of_rows: Tensor
    of_cells: Tensor

    @classmethod
    def of(cls, groups: Tensor, cells: Cells) -> CellGroups:
        """Groups of rows, given in the order of the cells, and of cells."""
        labels, n_cells = cells.labels(), len(cells.sizes)
        least = groups.new_zeros(n_cells).scatter_reduce_(
            0, labels, groups, "amin", include_self=False
        )
        most = groups.new_zeros(n_cells).scatter_reduce_(
            0, labels, groups, "amax", include_self=False
        )
        return cls(groups, torch.where(least == most, least, -1))

    def hide_own(self, apart: Tensor, own: Tensor) -> None:
        """Set distances to cells of the query's group ``own`` to infinity, in place."""
        apart.masked_fill_(own[:, None] == self.of_cells, torch.inf)


def make_cells(rows: Tensor, seed: int, is_far: Tensor | None = None) -> Cells:
    """Split rows by k-means repeatedly, until no cell is too large.

    A group that k-means does not split, such as equal rows, is cut in halves. Far rows
    get cells of their own: the centre of a cell with one of them is near none of its
    rows. Takes O(n_rows log n_rows) time.
    """
    generator = torch.Generator().manual_seed(seed)
    most = max(CELL_ROWS, int(CELL_SHARE * rows.shape[0] ** 0.5))
    waiting = [torch.arange(rows.shape[0], device=rows.device)]
    if is_far is not None and is_far.any():
        waiting = [torch.nonzero(part).ravel() for part in (~is_far, is_far)]
    done: list[Tensor] = []
    while waiting:
        members = waiting.pop()
        if len(members) <= most:
            done.append(members)
        else:
            waiting += _split(rows, members, most, generator)
    sizes = torch.tensor([0, *map(len, done)])
    centres = torch.stack([rows[members].mean(dim=0) for members in done])
    return Cells(torch.cat(done), sizes.cumsum(dim=0).to(rows.device), centres)


def _split(
    rows: Tensor, members: Tensor, most: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Split a group into several."""
    n_cells = min(MOST_SPLITS, -(-2 * len(members) // most))
    n_drawn = ROWS_PER_CENTRE * n_cells
    drawn = torch.randint(len(members), (n_drawn,), generator=generator)
    sample = rows.index_select(0, members[drawn.to(members.device)])
    # On the CPU, where sums have a fixed order: all GPUs get the same cells.
    centres = _kmeans(sample.cpu(), n_cells).to(rows.device)
    labels = _assign(rows, members, centres)
    counts = labels.bincount(minlength=n_cells)
    kept = counts >= SMALLEST_SHARE * min(most, len(members) / n_cells)
    if not kept.all():
        labels = _assign(rows, members, centres[kept])
        counts = labels.bincount(minlength=int(kept.sum()))
    if (counts > 0).sum() == 1:
        return members.tensor_split(2)
    by_label = members[labels.argsort(stable=True)]
    return tuple(part for part in torch.split(by_label, counts.tolist()) if len(part))


def _kmeans(sample: Tensor, n_centres: int) -> Tensor:
    """Centres of a sample, starting from its first rows.

    These are random; rows far apart would be outliers.
    """
    centres = sample[:n_centres].clone()
    for _ in range(KMEANS_STEPS):
        labels = _nearest_centre(sample, centres)
        counts = labels.bincount(minlength=n_centres)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, sample)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres


def _assign(rows: Tensor, members: Tensor, centres: Tensor) -> Tensor:
    parts = torch.split(members, ASSIGNED_ROWS)
    return torch.cat(
        [_nearest_centre(rows.index_select(0, part), centres) for part in parts]
    )


def _nearest_centre(rows: Tensor, centres: Tensor) -> Tensor:
    # Relative to the mean, for less rounding.
    origin = centres.mean(dim=0)
    around = centres - origin
    half_norms = around.square().sum(dim=1) / 2
    return torch.addmm(half_norms, rows - origin, around.T, alpha=-1).argmin(dim=1)
