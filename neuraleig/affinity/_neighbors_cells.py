"""Rows in small cells of rows that are near each other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# No cell has more rows than this, or half the root of the number of all rows: cells
# that are compact, and so few that comparing all rows with all centres is cheap.
CELL_ROWS = 256
CELL_SHARE = 0.5
# Cells into which one cell is split at a time, and rows per centre that are drawn to
# find the centres: what k-means costs per row does not grow with the number of cells.
MOST_SPLITS = 64
ROWS_PER_CENTRE = 32
# Steps of k-means: neighbours ask for compact cells, and no more for the best ones.
KMEANS_STEPS = 6
# A centre that attracts fewer rows than this share of a cell is an outlier's, and its
# rows join the others: products of few rows are slow.
SMALLEST_SHARE = 0.125
# Rows that are compared with the centres at once.
ASSIGNED_ROWS = 2**16


class Cells(NamedTuple):
    """A partition of rows.

    Parameters
    ----------
    order : Tensor of shape (n_rows,), int64
        Rows, one cell after the other.
    bounds : Tensor of shape (n_cells + 1,), int64
        Where in ``order`` each cell begins, and the last one ends.
    centres : Tensor of shape (n_cells, n_features)
        Means of the cells.
    """

    order: Tensor
    bounds: Tensor
    centres: Tensor

    @property
    def sizes(self) -> Tensor:
        """Rows of every cell."""
        return self.bounds.diff()

    def labels(self) -> Tensor:
        """Cell of every place in ``order``."""
        cells = torch.arange(len(self.sizes), device=self.bounds.device)
        return cells.repeat_interleave(self.sizes)

    def nearest(self, cell: int) -> Tensor:
        """All cells, the nearest to ``cell`` first, which is itself the first."""
        apart = (self.centres - self.centres[cell]).square().sum(dim=1)
        apart[cell] = -1.0
        return apart.argsort(stable=True)

    def positions(self, cells: Tensor) -> Tensor:
        """Places in ``order`` of the rows of some cells."""
        sizes = self.sizes[cells]
        ends = sizes.cumsum(dim=0)
        skipped = (self.bounds[cells] - (ends - sizes)).repeat_interleave(sizes)
        return skipped + torch.arange(len(skipped), device=skipped.device)


class CellGroups(NamedTuple):
    """Groups of rows that are in cells; neighbours are rows of other groups.

    Parameters
    ----------
    of_rows : Tensor of shape (n_rows,), int64
        Group of every row, in the order of the cells.
    of_cells : Tensor of shape (n_cells,), int64
        Group of the cells whose rows are all of one, -1 for the others.
    """

    of_rows: Tensor
    of_cells: Tensor

    @classmethod
    def of(cls, groups: Tensor, cells: Cells) -> CellGroups:
        """Groups of rows and cells, from those of the rows in order."""
        labels, n_cells = cells.labels(), len(cells.sizes)
        least = groups.new_zeros(n_cells).scatter_reduce_(
            0, labels, groups, "amin", include_self=False
        )
        most = groups.new_zeros(n_cells).scatter_reduce_(
            0, labels, groups, "amax", include_self=False
        )
        return cls(groups, torch.where(least == most, least, -1))

    def hide_own(self, apart: Tensor, own: Tensor) -> None:
        """Put the cells of a query's own group at an infinite distance, in place."""
        apart.masked_fill_(own[:, None] == self.of_cells, torch.inf)


def make_cells(rows: Tensor, seed: int) -> Cells:
    """Split rows by k-means, again and again, until no cell is large.

    Time O(n_rows log n_rows): a group that k-means does not split, such as equal rows,
    is cut in halves.
    """
    generator = torch.Generator().manual_seed(seed)
    most = max(CELL_ROWS, int(CELL_SHARE * rows.shape[0] ** 0.5))
    waiting = [torch.arange(rows.shape[0], device=rows.device)]
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
    """Cut one group into several."""
    n_cells = min(MOST_SPLITS, -(-2 * len(members) // most))
    n_drawn = ROWS_PER_CENTRE * n_cells
    drawn = torch.randint(len(members), (n_drawn,), generator=generator)
    sample = rows.index_select(0, members[drawn.to(members.device)])
    # On the CPU, whose sums have an order: several GPUs are to find the same cells.
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
    """Centres of a sample, from its first rows.

    Rows at random rather than rows far apart: those would be outliers.
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
    # Around their mean: products of rows far from it would round.
    origin = centres.mean(dim=0)
    around = centres - origin
    half_norms = around.square().sum(dim=1) / 2
    return torch.addmm(half_norms, rows - origin, around.T, alpha=-1).argmin(dim=1)
