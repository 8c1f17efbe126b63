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

from neuraleig._device import ordinary_torch
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
    """Positions of ``n_pixels`` of one direction on the lattice, in float64.

    Token i has its centre at i. The lattice was made of ``n_seen`` pixels of the same
    extent, padding left out.
    """
    pixels = torch.arange(n_pixels, dtype=torch.float64) + 0.5
    return pixels * (n_seen / (n_pixels * patch_size)) - 0.5


def resampled(scores: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Scores (n_rows, n_columns, k) at the points of a grid, bilinearly.

    Coordinates are in tokens; those outside the lattice are moved to its border.
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
    """Label every pixel with the cluster of highest interpolated score.

    Parameters
    ----------
    scores : Tensor of shape (h, w, k)
        Finite scores of the tokens of ``lattice``, on any device.
    lattice : Lattice
        Lattice of the image as it was seen, perhaps resized.
    size : (int, int) or None, default=None
        Height and width of the result; ``None``: those of the image as it was seen.

    Returns
    -------
    labels : ndarray of shape size
        Unsigned integers of the smallest type that holds k labels; the lowest one of
        those that tie.

    Notes
    -----
    Between four tokens whose highest cluster is the same no other one can win.
    Therefore only blocks of pixels on boundaries are computed, for the clusters that
    can win there: time is O(H W + h w k). Memory is the labels and a constant.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.segmentation.inference import Lattice, labels_from_scores
    >>> scores = torch.eye(2)[None]  # two tokens, two clusters
    >>> labels_from_scores(scores, Lattice.of(2, 4, 2))
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]], dtype=uint8)
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
    """Probabilities (n_rows, width, k) of all clusters, a strip of rows at a time.

    The softmax of the interpolated scores, whose argmax are the labels. Yields the
    rows of the image, from the top, and an array of its own.
    """
    height, width = size or (lattice.height, lattice.width)
    step = max(1, STRIP_BYTES // (4 * width * scores.shape[2]))
    for start in range(0, height, step):
        part = slice(start, min(start + step, height))
        yield part, _probabilities(scores, lattice, (height, width), part)


@ordinary_torch()
def _probabilities(
    scores: Tensor, lattice: Lattice, size: tuple[int, int], part: slice
) -> NDArray[np.float32]:
    """Probabilities (n_rows, width, k) of some rows of an image."""
    rows, columns = (
        pixel_centers(n, n_seen, lattice.patch_size)
        for n, n_seen in zip(size, (lattice.height, lattice.width), strict=True)
    )
    values = resampled(scores.float(), rows[part], columns)
    values = values.sub_(values.amax(dim=2, keepdim=True)).exp_()
    probabilities: NDArray[np.float32]
    probabilities = values.div_(values.sum(dim=2, keepdim=True)).cpu().numpy()
    return probabilities


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
        candidate = candidate.to(torch.int32)[:, None, None]
        if step == 0:
            best, found = values, candidate.expand_as(values).contiguous()
        else:
            found[:n] = torch.where(values > best[:n], candidate, found[:n])
            best[:n] = torch.maximum(values, best[:n])
    where = rows.pixels[:, :, None] * labels.shape[1] + columns.pixels[:, None]
    labels.view(-1)[where] = found.to(labels.dtype)


def _candidates(corners: Tensor, winners: Tensor) -> Tensor:
    """Clusters (n, k) that can be the highest somewhere between four tokens.

    One that is below the mean of the winners of the tokens at every token is below it
    everywhere between them, and so below one of those winners.
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
