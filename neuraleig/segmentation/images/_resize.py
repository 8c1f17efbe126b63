"""Images of another size, in pure torch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from neuraleig.segmentation.images._image_arrays import RGB


def resize_short_side(rgb: RGB, size: int) -> RGB:
    """Image whose shorter side has ``size`` pixels, its aspect kept.

    Bilinear, with a filter against aliasing where the image shrinks.

    Parameters
    ----------
    rgb : ndarray of shape (height, width, 3), uint8
        The image.
    size : int
        Pixels of the shorter side.

    Returns
    -------
    resized : ndarray of shape (new_height, new_width, 3), uint8
        The image itself where it has that size.
    """
    height, width = rgb.shape[:2]
    short = min(height, width)
    return resized_to(
        rgb,
        max(1, round(height * size / short)),
        max(1, round(width * size / short)),
    )


def resized_to(rgb: RGB, height: int, width: int) -> RGB:
    """Image of that size, see :func:`resize_short_side`."""
    if rgb.shape[:2] == (height, width):
        return rgb
    resized = np.empty((height, width, 3), dtype=np.uint8)
    # A channel at a time: large images need a third of the memory.
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
