"""Scores of an image: windows blended on one lattice, and several views averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from neuraleig.segmentation.images._image_arrays import RGB
from neuraleig.segmentation.images._resize import resized_to
from neuraleig.segmentation.inference._upsample import resampled
from neuraleig.segmentation.inference._windows import Lattice

Score = Callable[[Tensor], Tensor]
"""Windows (N, 3, height, width) to the scores (N, h, w, k) of their tokens."""

# Of the weight at the centre of a window, at least this much is left at its border.
# Not tuned: it keeps corners of images from a division by next to nothing.
WEIGHT_FLOOR = 0.05


def window_weights(height: int, width: int) -> Tensor:
    """Weights (height, width) of the tokens of a window, where it overlaps others.

    A raised cosine in each direction: tokens near the border of a window see little
    of their surroundings, and sums of overlapping windows have no seams.
    """
    rows, columns = (
        WEIGHT_FLOOR
        + (1 - WEIGHT_FLOOR) * torch.sin(torch.pi * (torch.arange(n) + 0.5) / n) ** 2
        for n in (height, width)
    )
    return rows[:, None] * columns


@torch.no_grad()
def scores_on_lattice(
    padded: Tensor,
    lattice: Lattice,
    score: Score,
    *,
    batch_size: int,
) -> Tensor:
    """Scores (h, w, k) of all tokens of one image: weighted means over the windows.

    Windows are taken row by row in batches that hold no other image, so that an image
    has the same scores in any company. Scores of a single window stay as they are.
    Beside one batch, memory holds two arrays of the size of the result at most.

    Parameters
    ----------
    padded : Tensor of shape (3, height, width)
        The padded image, see :meth:`Lattice.pad`.
    lattice : Lattice
        Its tokens and windows.
    score : callable
        Scores of windows, on any device, where the result is as well.
    batch_size : int
        Windows at a time.
    """
    windows = lattice.windows
    if len(windows) == 1:
        return score(lattice.window(padded, 0)[None])[0].float()
    weight = window_weights(windows[0].height, windows[0].width)
    total = norm = None
    for start in range(0, len(windows), batch_size):
        part = range(start, min(start + batch_size, len(windows)))
        found = score(torch.stack([lattice.window(padded, i) for i in part]))
        if total is None or norm is None:
            weight = weight.to(found.device)[..., None]
            shape = (*lattice.shape, found.shape[-1])
            total = torch.zeros(shape, device=found.device)
            norm = torch.zeros((*lattice.shape, 1), device=found.device)
        for index, own in zip(part, found, strict=True):
            tokens = windows[index].tokens
            total[tokens] += weight * own
            norm[tokens] += weight
    assert total is not None and norm is not None  # a lattice has a window
    return total.div_(norm)


def averaged_scores(
    rgb: RGB,
    lattice: Lattice,
    score: Score,
    *,
    batch_size: int,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> Tensor:
    """Mean scores (h, w, k) of an image seen at several sizes, and mirrored.

    Scores of other scales are interpolated onto the lattice, and windows have the
    same size at every scale. Other parameters are those of :func:`scores_on_lattice`.
    Time grows with the sum of the squared scales, and doubles with ``flip``.
    """
    total, n_views = None, 0
    for scale in scales:
        for found in _views(rgb, lattice, score, batch_size, scale, flip):
            total = found if total is None else total.add_(found)
            n_views += 1
    if total is None:
        raise ValueError("scales=() has no scale to average over; pass (1.0,).")
    return total if n_views == 1 else total.div_(n_views)


def _views(
    rgb: RGB,
    lattice: Lattice,
    score: Score,
    batch_size: int,
    scale: float,
    flip: bool,
) -> Iterator[Tensor]:
    """Scores of an image at one scale on the lattice of the image, once or twice."""
    seen = _scaled(lattice, scale)
    padded = seen.pad(resized_to(rgb, seen.height, seen.width))
    for mirrored in (False, True) if flip else (False,):
        image = padded.flip(2) if mirrored else padded
        found = scores_on_lattice(image, seen, score, batch_size=batch_size)
        if mirrored:
            found = found.flip(1)
        # A tensor of its own: ``score`` may keep what it returned.
        yield found.clone() if seen == lattice else _onto(found, seen, lattice)


def _scaled(lattice: Lattice, scale: float) -> Lattice:
    """Lattice of the image resized by ``scale``, with windows of the same size."""
    return Lattice(
        max(1, round(lattice.height * scale)),
        max(1, round(lattice.width * scale)),
        lattice.patch_size,
        lattice.window_tokens,
        lattice.stride_tokens,
    )


def _onto(scores: Tensor, seen: Lattice, lattice: Lattice) -> Tensor:
    """Scores at the centres of the tokens of another lattice of the same image."""
    h, w = lattice.shape
    return resampled(
        scores,
        (torch.arange(h) + 0.5) * (seen.height / lattice.height) - 0.5,
        (torch.arange(w) + 0.5) * (seen.width / lattice.width) - 0.5,
    )
