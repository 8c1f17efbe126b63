"""Resizing of images, in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from neuraleig.segmentation.images._image_arrays import RGB


def short_side_size(
    height: int, width: int, size: int, *, cut: bool = False
) -> tuple[int, int]:
    """Size with ``size`` pixels at the shorter side, and the other rounded or cut."""
    if cut:
        short = min(height, width)
        return height * size // short, width * size // short
    factor = size / min(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized_to(rgb: RGB, height: int, width: int) -> RGB:
    """Image of another size, by antialiased bilinear interpolation, or the same one."""
    if rgb.shape[:2] == (height, width):
        return rgb
    resized = np.empty((height, width, 3), dtype=np.uint8)
    # A channel at a time takes a third of the memory.
    for channel in range(3):
        values = torch.from_numpy(rgb[..., channel].astype(np.float32))
        found = F.interpolate(
            values[None, None],
            size=(height, width),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        resized[..., channel] = found[0, 0].round_().clamp_(0, 255).to(torch.uint8)
    return resized


def resize_mask(mask: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Mask of another size: each pixel takes the value at its centre."""
    # In integers, so that centres are exact.
    rows, columns = (
        (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new)
        for old, new in zip(mask.shape, (height, width), strict=True)
    )
    return np.asarray(mask[np.ix_(rows, columns)])
