"""Resizing of images, in torch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from neuraleig.segmentation.images._image_arrays import RGB


def short_side_size(
    height: int, width: int, size: int, *, cut: bool = False
) -> tuple[int, int]:
    """Height and width of an image whose shorter side gets ``size`` pixels.

    The longer side is rounded, or cut down to whole pixels (``cut``) as the protocols
    of published scores do.
    """
    if cut:
        short = min(height, width)
        return height * size // short, width * size // short
    factor = size / min(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized_to(rgb: RGB, height: int, width: int) -> RGB:
    """Image of another size, by antialiased bilinear interpolation.

    An image that already has that size is returned itself.
    """
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
