"""Labels that follow the edges of an image: a guided filter of the probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.inference._upsample import (
    held_dtype,
    labels_array,
    pixel_centers,
)
from neuraleig.segmentation.inference._windows import Lattice

# Cells of the filter in a patch, in each direction: scores vary no faster than tokens,
# and edges keep their place since the filter is applied to pixels.
CELLS_PER_PATCH = 4
# Pixels of a cell at most, where an image is far larger than it was seen.
LARGEST_CELL = 64
# Pixels of a tile in each direction, about, and cells at least.
TILE_PIXELS = 128
SMALLEST_TILE = 16
# Clusters filtered at a time.
CLUSTERS_AT_A_TIME = 8
# A cluster takes part in a tile where it is the highest of some token in reach, or is
# as probable as this at one.
# Not tuned: it saves time.
LEAST_PROBABILITY = 0.1


@dataclass(frozen=True)
class _Direction:
    """Rows (or columns) of one tile: cells with a margin, tokens and pixels.

    All steps of the filter are linear in each direction, so they are small matrices.
    """

    pixels: slice
    cells: slice
    tokens: slice
    mean: Tensor  # (cells, cells) of the window around each cell
    from_tokens: Tensor  # (cells, tokens) interpolation
    to_pixels: Tensor  # (pixels, cells) mean of the windows, then interpolation


@torch.no_grad()
def refined_labels(
    scores: Tensor,
    rgb: RGB,
    lattice: Lattice,
    *,
    radius: float = 1.0,
    eps: float = 1e-3,
) -> Labels:
    r"""Label an image by a guided filter of the probabilities of the clusters.

    Within each square window, the probability of a cluster is fitted as a linear
    function of colour, :math:`a^T I + b` with a ridge ``eps`` on :math:`a`; a pixel
    takes the mean of the functions of the windows that hold it, at its own colour.
    So boundaries move to edges of the image, and noise of single tokens is averaged
    out where there is no edge; a flat image gets smoothed probabilities.

    Parameters
    ----------
    scores : Tensor of shape (h, w, k)
        Scores of the tokens of ``lattice``; their softmax are the probabilities.
    rgb : ndarray of shape (height, width, 3), uint8
        The image at its own size.
    lattice : Lattice
        Lattice of the image as it was seen, perhaps resized.
    radius : float, default=1.0
        Windows reach this many patches to each side. 2 suits scores that are
        unsure by token; thin objects suffer.
    eps : float, default=1e-3
        Variance of colour, on a scale of [0, 1], that counts as an edge.

    Returns
    -------
    labels : ndarray of shape (height, width)
        Unsigned integers of the smallest type that holds k labels.

    Notes
    -----
    The functions are fitted on cells of a quarter of a patch (the fast filter [2]_),
    tile by tile and for the clusters that are probable there. Memory is the labels,
    the probabilities of the tokens and a constant.

    References
    ----------
    .. [1] K. He, J. Sun and X. Tang, "Guided image filtering", TPAMI, 2013.
    .. [2] K. He and J. Sun, "Fast guided filter", arXiv:1505.00996, 2015.

    Examples
    --------
    The token to the right of the edge is unsure, its colours are not:

    >>> import numpy as np, torch
    >>> from neuraleig.segmentation.inference import Lattice, refined_labels
    >>> rgb = np.zeros((8, 24, 3), np.uint8)
    >>> rgb[:, 8:] = 200
    >>> scores = torch.tensor([[[2.0, -2.0], [0.1, 0.0], [-2.0, 2.0]]])
    >>> refined_labels(scores, rgb, Lattice.of(8, 24, 8))[0].tolist().index(1)
    8
    """
    size = rgb.shape[:2]
    n_clusters = scores.shape[2]
    # Copied from the device of the scores when all of them are found.
    labels = torch.empty(size, dtype=held_dtype(n_clusters), device=scores.device)
    probabilities = scores.float().softmax(dim=2).permute(2, 0, 1)
    best = scores.argmax(dim=2)
    cell = _cell_size(lattice, size)
    colors = _mean_colors(rgb, cell).to(scores.device)
    rows, columns = (
        list(_directions(n, lattice, axis, cell, radius, scores.device))
        for axis, n in enumerate(size)
    )
    for row in rows:
        for column in columns:
            near = probabilities[:, row.tokens, column.tokens]
            clusters = _probable(near, best[row.tokens, column.tokens])
            found = clusters.new_zeros(()).to(torch.int64)
            if len(clusters) > 1:
                guide = colors[:, row.cells, column.cells]
                own = _tensor_of(rgb[row.pixels, column.pixels]).to(scores.device)
                found = _winners(near[clusters], guide, own, row, column, eps)
            labels[row.pixels, column.pixels] = clusters[found].to(labels.dtype)
    return labels_array(labels, n_clusters)


def _winners(
    probabilities: Tensor,
    guide: Tensor,
    pixels: Tensor,
    row: _Direction,
    column: _Direction,
    eps: float,
) -> Tensor:
    """Index of the highest filtered probability of every pixel of a tile."""
    means = row.mean @ guide @ column.mean.T
    inverse = _inverse_covariance(guide, means, row, column, eps)
    best = found = torch.empty(0)
    for start in range(0, len(probabilities), CLUSTERS_AT_A_TIME):
        part = probabilities[start : start + CLUSTERS_AT_A_TIME]
        values = _filtered(part, guide, means, inverse, pixels, row, column)
        top, index = values.max(dim=0)
        if start == 0:
            best, found = top, index
        else:
            found = torch.where(top > best, index + start, found)
            best = torch.maximum(best, top)
    return found


def _filtered(
    probabilities: Tensor,
    guide: Tensor,
    means: Tensor,
    inverse: Tensor,
    pixels: Tensor,
    row: _Direction,
    column: _Direction,
) -> Tensor:
    """Filtered probabilities (k, height, width) of the pixels of a tile."""
    on_cells = row.from_tokens @ probabilities @ column.from_tokens.T
    mean = row.mean @ on_cells @ column.mean.T
    products = row.mean @ (guide[:, None] * on_cells) @ column.mean.T
    covariance = products - means[:, None] * mean
    slopes = torch.einsum("dehw,ekhw->dkhw", inverse, covariance)
    offset = mean - (slopes * means[:, None]).sum(dim=0)
    values = row.to_pixels @ offset @ column.to_pixels.T
    for slope, color in zip(slopes, pixels, strict=True):
        values.addcmul_(row.to_pixels @ slope @ column.to_pixels.T, color)
    return values


def _inverse_covariance(
    guide: Tensor, means: Tensor, row: _Direction, column: _Direction, eps: float
) -> Tensor:
    """Inverse of the covariance of colours in each window plus eps: (3, 3, h, w).

    By cofactors, in double precision: in grey images the three colours are one.
    """
    products = (guide[:, None] * guide[None]).flatten(0, 1)
    moments = (row.mean @ products @ column.mean.T).double()
    moments = moments.reshape(3, 3, *means.shape[1:])
    exact = means.double()
    ridge = eps * torch.eye(3, dtype=torch.float64, device=guide.device)
    S = moments - exact[:, None] * exact[None] + ridge[..., None, None]
    # Rows of the cofactors are cross products of the columns.
    adjugate = torch.stack(
        [torch.linalg.cross(S[(i + 1) % 3], S[(i + 2) % 3], dim=0) for i in range(3)]
    )
    inverse: Tensor = adjugate / (S[0] * adjugate[0]).sum(dim=0)
    return inverse.to(guide.dtype)


def _probable(probabilities: Tensor, best: Tensor) -> Tensor:
    """Ascending clusters that take part in a tile."""
    possible = probabilities.amax(dim=(1, 2)) >= LEAST_PROBABILITY
    possible[best.flatten()] = True
    return possible.nonzero()[:, 0]


def _cell_size(lattice: Lattice, size: tuple[int, int]) -> int:
    """Pixels of a cell of an image of its own size."""
    zoom = max(size[0] / lattice.height, size[1] / lattice.width)
    pixels = round(zoom * lattice.patch_size / CELLS_PER_PATCH)
    return min(max(1, pixels), LARGEST_CELL)


def _directions(
    n_pixels: int,
    lattice: Lattice,
    axis: int,
    cell: int,
    radius: float,
    device: torch.device,
) -> Iterator[_Direction]:
    """Tiles of one direction, whose margins hold all that they depend on."""
    n_seen = (lattice.height, lattice.width)[axis]
    zoom = n_pixels / n_seen
    reach = max(1, round(radius * zoom * lattice.patch_size / cell))
    n_cells = -(-n_pixels // cell)
    step = max(SMALLEST_TILE, TILE_PIXELS // cell)
    # In the coordinates of tokens, which are those of cells times a constant.
    per_token = zoom * lattice.patch_size / cell
    centers = (torch.arange(n_cells) + 0.5) / per_token - 0.5
    for start in range(0, n_cells, step):
        stop = min(start + step, n_cells)
        # Windows of cells in reach of windows that hold a cell next to a pixel's.
        margin = 2 * reach + 1
        cells = slice(max(0, start - margin), min(stop + margin, n_cells))
        pixels = slice(start * cell, min(stop * cell, n_pixels))
        around = centers[cells].clamp(0, lattice.shape[axis] - 1)
        tokens = slice(int(around[0]), int(around[-1].ceil()) + 1)
        n = cells.stop - cells.start
        mean = _window_means(n, reach)
        own = pixel_centers(n_cells * cell, n_cells * cell, cell)[pixels]
        yield _Direction(
            pixels,
            cells,
            tokens,
            mean.to(device),
            _interpolation(around - tokens.start, tokens.stop - tokens.start).to(
                device
            ),
            (_interpolation(own - cells.start, n) @ mean).to(device),
        )


def _window_means(n: int, reach: int) -> Tensor:
    """Matrix that takes the mean of the cells in reach, fewer at the ends."""
    number = torch.arange(n)
    inside = ((number[:, None] - number).abs() <= reach).to(torch.float32)
    return inside / inside.sum(dim=1, keepdim=True)


def _interpolation(coordinates: Tensor, n: int) -> Tensor:
    """Matrix that interpolates values at 0, 1, ..., n - 1 linearly."""
    distance = (coordinates.clamp(0, n - 1)[:, None] - torch.arange(n)).abs()
    return (1 - distance).clamp_(min=0).to(torch.float32)


def _mean_colors(rgb: RGB, cell: int) -> Tensor:
    """Mean colours of cells (3, rows, columns) in [0, 1], those at the ends smaller."""
    bands = []
    for start in range(0, rgb.shape[0], cell):
        sums = rgb[start : start + cell].sum(axis=0, dtype=np.int64)
        bands.append(np.add.reduceat(sums, np.arange(0, rgb.shape[1], cell), axis=0))
    counts = [np.diff(np.r_[0:n:cell, n]) for n in rgb.shape[:2]]
    means = np.stack(bands) / (255.0 * np.outer(*counts))[..., None]
    return torch.from_numpy(means.astype(np.float32)).permute(2, 0, 1).contiguous()


def _tensor_of(rgb: RGB) -> Tensor:
    """Colours (3, height, width) in [0, 1]."""
    return torch.from_numpy(rgb.transpose(2, 0, 1).astype(np.float32) / 255)
