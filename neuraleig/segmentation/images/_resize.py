"""Images of another size, in pure torch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from neuraleig.segmentation.images._image_arrays import RGB


def short_side_size(
    height: int, width: int, size: int, *, cut: bool = False
) -> tuple[int, int]:
    """Height and width of an image whose shorter side is to have ``size`` pixels.

    Parameters
    ----------
    height, width : int
        Of the image as it is.
    size : int
        Pixels of the shorter side.
    cut : bool, default=False
        Cut the longer side down to whole pixels, as the protocols of published scores
        do, rather than round it, which keeps the aspect best.

    Returns
    -------
    height, width : int
        The aspect kept to within a pixel.
    """
    if cut:
        short = min(height, width)
        return height * size // short, width * size // short
    factor = size / min(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized_to(rgb: RGB, height: int, width: int) -> RGB:
    """Image of that size.

    Bilinear, with a filter against aliasing where the image shrinks.

    Parameters
    ----------
    rgb : ndarray of shape (old_height, old_width, 3), uint8
        The image.
    height, width : int
        Pixels wanted.

    Returns
    -------
    resized : ndarray of shape (height, width, 3), uint8
        The image itself where it has that size.
    """
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
