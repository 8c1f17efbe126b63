"""CIELAB coordinates of colours."""

from __future__ import annotations

import torch
from torch import Tensor

# White of daylight (D65), and linear sRGB to XYZ relative to it.
WHITE = (0.950456, 1.0, 1.088754)
TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)


def rgb_to_lab(images: Tensor) -> Tensor:
    """CIELAB of sRGB images in [0, 1], of shape (n_images, 3, height, width)."""
    curve = ((images + 0.055) / 1.055).clamp_min(0) ** 2.4
    linear = torch.where(images > 0.04045, curve, images / 12.92)
    white = images.new_tensor(WHITE)
    matrix = images.new_tensor(TO_XYZ) / white[:, None]
    xyz = torch.einsum("ij,njhw->nihw", matrix, linear)
    cube = xyz.clamp_min(0) ** (1 / 3)
    x, y, z = torch.where(xyz > 0.008856, cube, 7.787 * xyz + 16 / 116).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
