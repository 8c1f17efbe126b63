"""Labels and probabilities at the size of an image, from scores of its tokens.

Scores are interpolated bilinearly between the centres of the patches and are constant
beyond the outermost ones, as ``torch.nn.functional.interpolate`` does for the padded
image with ``align_corners=False``. Nothing of size k x H x W is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuraleig.segmentation.images._image_arrays import Labels, label_dtype
from neuraleig.segmentation.inference._windows import Lattice

# What a strip or a group of blocks may take in memory; about three such arrays are
# held at a time.
STRIP_BYTES = 2**24
# Pixels of one block in each direction, at most: one token may span a large image.
LONGEST_BLOCK = 64
# Pixels worked on at a time: few enough to stay in the cache of a core.
BLOCK_PIXELS = 2**17
# Both on CUDA, where many are done in the time of few.
CUDA_STRIP_BYTES = 2**27
CUDA_BLOCK_PIXELS = 2**22


def pixel_centers(n_pixels: int, n_seen: int, patch_size: int) -> Tensor:
    """Where the pixels of one direction are on the lattice of tokens.

    Parameters
    ----------
    n_pixels : int
        Pixels wanted.
    n_seen : int
        Pixels of the same extent that the lattice was made of, padding left out.
    patch_size : int
        Pixels of a token.

    Returns
    -------
    coordinates : Tensor of shape (n_pixels,), float64
        Token i has its centre at i.
    """
    pixels = torch.arange(n_pixels, dtype=torch.float64) + 0.5
    return pixels * (n_seen / (n_pixels * patch_size)) - 0.5


def resampled(scores: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Scores at the points of a grid, interpolated bilinearly.

    Parameters
    ----------
    scores : Tensor of shape (h, w, k)
        Scores of tokens.
    rows, columns : Tensor of shape (n_rows,) and (n_columns,)
        Coordinates in tokens; those outside the lattice are moved to its border.

    Returns
    -------
    scores : Tensor of shape (n_rows, n_columns, k)
        In the type of the input.
    """
    for dim, coordinates in enumerate((rows, columns)):
        n_tokens = scores.shape[dim]
        lower, upper, share = _neighbors(coordinates, n_tokens, scores.dtype)
        if dim == 0:
            share = share[:, None]
        share = share[..., None].to(scores.device)
        above = scores.index_select(dim, lower.to(scores.device)).mul_(1 - share)
        below = scores.index_select(dim, upper.to(scores.device)).mul_(share)
        scores = above.add_(below)
    return scores


def labels_from_scores(
    scores: Tensor, lattice: Lattice, size: tuple[int, int] | None = None
) -> Labels:
    """Cluster of highest interpolated score of every pixel.

    Parameters
    ----------
    scores : Tensor of shape (h, w, k)
        Finite scores of the tokens of ``lattice``, on any device.
    lattice : Lattice
        Lattice of the image as it was seen, perhaps resized.
    size : (int, int) or None, default=None
        Height and width wanted: the image's own. None: as it was seen.

    Returns
    -------
    labels : ndarray of shape size
        Unsigned integers of the smallest type that holds k labels; the lowest one of
        those that tie.

    Notes
    -----
    Between four tokens whose highest cluster is the same no other one can win, so
    that only blocks of pixels on boundaries are computed, for the clusters that can
    win there: time is O(H W + h w k) and hardly depends on k. Memory is the labels and
    a constant.
    """
    scores, n_clusters = scores.float(), scores.shape[2]
    rows, columns = _blocks(scores, lattice, size)
    corners = _corners(scores.argmax(dim=2), rows, columns)
    # On the device of the scores to the end: what is copied from it are the labels.
    first = corners[..., 0].to(held_dtype(n_clusters))
    first = first.repeat_interleave(columns.counts, dim=1)
    labels = first.repeat_interleave(rows.counts, dim=0)
    on_cuda = scores.device.type == "cuda"
    pixels = CUDA_BLOCK_PIXELS if on_cuda else BLOCK_PIXELS
    at_a_time = max(1, pixels // (rows.longest * columns.longest))
    most = CUDA_STRIP_BYTES if on_cuda else STRIP_BYTES
    at_a_time = min(at_a_time, max(1, most // (16 * n_clusters)))
    blocks = (corners != corners[..., :1]).any(dim=-1).nonzero()
    for start in range(0, len(blocks), at_a_time):
        i, j = blocks[start : start + at_a_time].unbind(dim=1)
        _fill(labels, scores, corners[i, j], rows.take(i), columns.take(j))
    return labels_array(labels, n_clusters)


def held_dtype(n_clusters: int) -> torch.dtype:
    """Type in which a device holds labels; torch does little with uint16."""
    return torch.uint8 if n_clusters <= 256 else torch.int32


def labels_array(labels: Tensor, n_clusters: int) -> Labels:
    """Labels of a device as an array of the smallest type that holds them."""
    array: Labels = labels.cpu().numpy().astype(label_dtype(n_clusters), copy=False)
    return array


def probabilities_in_strips(
    scores: Tensor, lattice: Lattice, size: tuple[int, int] | None = None
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Probabilities of all clusters, a strip of rows at a time.

    The softmax of the interpolated scores, whose argmax are the labels.

    Parameters
    ----------
    scores, lattice, size
        As in :func:`labels_from_scores`.

    Yields
    ------
    rows : slice
        Rows of the image, from the top.
    probabilities : ndarray of shape (n_rows, width, k), float32
        An array of its own.
    """
    for rows, values in _strips(scores, lattice, size):
        shifted = values.sub_(values.amax(dim=2, keepdim=True)).exp_()
        yield rows, shifted.div_(shifted.sum(dim=2, keepdim=True)).cpu().numpy()


def _strips(
    scores: Tensor, lattice: Lattice, size: tuple[int, int] | None
) -> Iterator[tuple[slice, Tensor]]:
    """Interpolated scores of strips of rows."""
    height, width = size or (lattice.height, lattice.width)
    rows = pixel_centers(height, lattice.height, lattice.patch_size)
    columns = pixel_centers(width, lattice.width, lattice.patch_size)
    step = max(1, STRIP_BYTES // (4 * width * scores.shape[2]))
    for start in range(0, height, step):
        part = slice(start, min(start + step, height))
        yield part, resampled(scores.float(), rows[part], columns)


def _neighbors(
    coordinates: Tensor, n_tokens: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens before and after each coordinate, and the share of the latter."""
    before = coordinates.floor()
    lower = before.long().clamp(0, n_tokens - 1)
    upper = (before.long() + 1).clamp(0, n_tokens - 1)
    return lower, upper, (coordinates - before).to(dtype)


@dataclass(frozen=True)
class _Blocks:
    """Runs of pixels of one direction that lie between the same two tokens.

    Blocks shorter than the longest repeat their last pixel, which is harmless: it is
    computed more than once.
    """

    lower: Tensor  # (n,) token before
    upper: Tensor  # (n,) token after
    counts: Tensor  # (n,) pixels
    pixels: Tensor  # (n, longest) their numbers
    share: Tensor  # (n, longest) of the token after

    @classmethod
    def of(cls, coordinates: Tensor, n_tokens: int, scores: Tensor) -> _Blocks:
        """Blocks of ascending coordinates, for scores of that type and device."""
        lower, upper, share = _neighbors(coordinates, n_tokens, scores.dtype)
        number = torch.arange(len(coordinates))
        before = coordinates.floor()
        first = torch.searchsorted(before, before)
        key = before * len(coordinates) + (number - first) // LONGEST_BLOCK
        _, counts = torch.unique_consecutive(key, return_counts=True)
        start = counts.cumsum(0) - counts
        offset = torch.minimum(torch.arange(int(counts.max())), counts[:, None] - 1)
        pixels = start[:, None] + offset
        parts = lower[start], upper[start], counts, pixels, share[pixels]
        return cls(*(part.to(scores.device) for part in parts))

    @property
    def longest(self) -> int:
        """Pixels of the longest block."""
        return self.pixels.shape[1]

    def take(self, index: Tensor) -> _Blocks:
        """Blocks of those numbers."""
        return _Blocks(
            self.lower[index],
            self.upper[index],
            self.counts[index],
            self.pixels[index],
            self.share[index],
        )


def _blocks(
    scores: Tensor, lattice: Lattice, size: tuple[int, int] | None
) -> tuple[_Blocks, _Blocks]:
    """Blocks of both directions."""
    seen = (lattice.height, lattice.width)
    rows, columns = (
        _Blocks.of(pixel_centers(own, other, lattice.patch_size), n, scores)
        for own, other, n in zip(size or seen, seen, scores.shape, strict=False)
    )
    return rows, columns


def _corners(best: Tensor, rows: _Blocks, columns: _Blocks) -> Tensor:
    """Value of the four tokens around each block: (n_rows, n_columns, 4)."""
    return torch.stack(
        [
            best[i][:, j]
            for i in (rows.lower, rows.upper)
            for j in (columns.lower, columns.upper)
        ],
        dim=-1,
    )


def _fill(
    labels: Tensor, scores: Tensor, winners: Tensor, rows: _Blocks, columns: _Blocks
) -> None:
    """Write the labels of blocks, block n being row n and column n.

    Blocks are sorted by their number of candidates, so that step j compares the j-th
    candidate of the first blocks, and none is computed in vain.
    """
    around = [
        scores[i, j]
        for i in (rows.lower, rows.upper)
        for j in (columns.lower, columns.upper)
    ]
    corners = torch.stack(around, dim=1)
    possible = _candidates(corners, winners)
    counts, order = possible.sum(dim=1).sort(descending=True)
    rows, columns, corners = rows.take(order), columns.take(order), corners[order]
    cluster = possible[order].nonzero()[:, 1]
    start = counts.cumsum(0) - counts
    n_left = _number_above(counts)
    best = found = torch.empty(0)
    for step, n in enumerate(n_left):
        candidate = cluster[start[:n] + step]
        values = _interpolated(corners[:n], candidate, rows.share, columns.share)
        if step == 0:
            best = values
            found = candidate[:, None, None].expand_as(values).to(torch.int32)
        else:
            better = values > best[:n]
            candidate = candidate.to(torch.int32)[:, None, None]
            found[:n] = torch.where(better, candidate, found[:n])
            best[:n] = torch.maximum(values, best[:n])
    where = rows.pixels[:, :, None] * labels.shape[1] + columns.pixels[:, None]
    labels.view(-1)[where] = found.to(labels.dtype)


def _candidates(corners: Tensor, winners: Tensor) -> Tensor:
    """Clusters that can be the highest somewhere between four tokens.

    One that is below the mean of the winners of the tokens at every token is below it
    everywhere between them, and so below one of those winners.

    Parameters
    ----------
    corners : Tensor of shape (n, 4, k)
        Scores of the tokens.
    winners : Tensor of shape (n, 4)
        Their highest clusters.

    Returns
    -------
    possible : Tensor of shape (n, k), bool
        At least the winners.
    """
    highest = corners.gather(2, winners[:, None, :].expand(-1, 4, -1))
    mean = highest.mean(dim=2, keepdim=True)
    possible = (corners >= mean).any(dim=1)
    return possible.scatter_(1, winners, True)


def _number_above(counts: Tensor) -> list[int]:
    """For every step, how many of the descending counts are above it."""
    steps = torch.arange(int(counts[0]), device=counts.device)
    below = torch.searchsorted(counts.flip(0), steps, right=True)
    return (len(counts) - below).tolist()


def _interpolated(
    corners: Tensor, cluster: Tensor, row_share: Tensor, column_share: Tensor
) -> Tensor:
    """Scores of one cluster of each block at its pixels.

    Sums of products with positive weights keep the order of scores when they round:
    a cluster that is lower at all tokens never comes out higher.
    """
    n = len(cluster)
    own = corners[torch.arange(n, device=cluster.device), :, cluster]
    right = column_share[:n]
    left = 1 - right
    top = own[:, 0, None] * left + own[:, 1, None] * right
    bottom = own[:, 2, None] * left + own[:, 3, None] * right
    down = row_share[:n, :, None]
    return torch.addcmul(top[:, None] * (1 - down), bottom[:, None], down)
