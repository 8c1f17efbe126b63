"""The token lattice of an image, and the windows that lie on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neuraleig.segmentation.images._image_arrays import RGB

# Default stride in windows, as in the published settings.
STRIDE_SHARE = 2 / 3
# Side in tokens of a window that holds any image, resized ones included.
UNLIMITED = 2**31


@dataclass(frozen=True)
class Window:
    """Rectangle of tokens: its first token, and its size in tokens."""

    top: int
    left: int
    height: int
    width: int

    @property
    def tokens(self) -> tuple[slice, slice]:
        """Its part of an array of shape (h, w, ...)."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Lattice:
    """Tokens of an image that is padded to whole patches, and windows of them.

    Token (i, j) is the patch whose first pixel is (i * patch_size, j * patch_size);
    the padding, less than one patch, is at the bottom and on the right. Windows begin
    at multiples of the stride, and the last of each direction ends with the image, so
    that all have one shape. An image smaller than a window is one window.

    Parameters
    ----------
    height, width : int
        Pixels of the image.
    patch_size : int
        Side of a patch in pixels.
    window_tokens, stride_tokens : int
        Side of a window and distance of neighbouring windows, in tokens.

    Examples
    --------
    >>> from neuraleig.segmentation.inference import Lattice
    >>> lattice = Lattice.of(360, 480, 14, window_size=320, stride=200)
    >>> lattice.shape, lattice.padded_shape, len(lattice.windows)
    ((26, 35), (364, 490), 4)
    """

    height: int
    width: int
    patch_size: int
    window_tokens: int
    stride_tokens: int

    @classmethod
    def of(
        cls,
        height: int,
        width: int,
        patch_size: int,
        window_size: int | None = None,
        stride: int | None = None,
    ) -> Lattice:
        """Make the lattice of an image.

        Parameters
        ----------
        height, width, patch_size : int
            Size of the image and side of a patch, in pixels.
        window_size : int or None, default=None
            Side of a window in pixels, rounded to whole patches; ``None``: the image
            is one window.
        stride : int or None, default=None
            Distance of neighbouring windows in pixels; ``None``: two thirds of a
            window.

        Returns
        -------
        lattice : Lattice
            At least one token and one window.

        Raises
        ------
        ValueError
            If the stride is larger than the window, or one of them is not positive.
        """
        if window_size is None:
            return cls(height, width, patch_size, UNLIMITED, UNLIMITED)
        tokens = window_in_tokens(window_size, stride, patch_size)
        return cls(height, width, patch_size, *tokens)

    @property
    def shape(self) -> tuple[int, int]:
        """Tokens in each direction."""
        patch = self.patch_size
        return math.ceil(self.height / patch), math.ceil(self.width / patch)

    @property
    def padded_shape(self) -> tuple[int, int]:
        """Pixels in each direction, the padding included."""
        h, w = self.shape
        return h * self.patch_size, w * self.patch_size

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """All windows, row by row; they have one shape."""
        h, w = self.shape
        height, width = min(h, self.window_tokens), min(w, self.window_tokens)
        return tuple(
            Window(top, left, height, width)
            for top in _starts(h, height, self.stride_tokens)
            for left in _starts(w, width, self.stride_tokens)
        )

    def pad(self, rgb: RGB) -> Tensor:
        """Make a tensor of an image, with sides of whole patches.

        Parameters
        ----------
        rgb : ndarray of shape (height, width, 3), uint8
            The image.

        Returns
        -------
        padded : Tensor of shape (3, height, width), float32
            In [0, 1], of the ``padded_shape``; the last row and column go on into it.
        """
        (bottom, right), (height, width) = self.padded_shape, rgb.shape[:2]
        image = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
        image = image.to(torch.float32).div_(255)
        padding = (0, right - width, 0, bottom - height)
        return F.pad(image[None], padding, mode="replicate")[0]

    def window(self, padded: Tensor, index: int) -> Tensor:
        """Cut a window out of a padded image.

        Parameters
        ----------
        padded : Tensor of shape (3, height, width)
            As :meth:`pad` returns it.
        index : int
            Number of the window.

        Returns
        -------
        pixels : Tensor of shape (3, window height, window width)
            A view of the padded image.
        """
        pixels = (
            slice(part.start * self.patch_size, part.stop * self.patch_size)
            for part in self.windows[index].tokens
        )
        return padded[(slice(None), *pixels)]


def window_in_tokens(
    window_size: int, stride: int | None, patch_size: int
) -> tuple[int, int]:
    """Window and stride in pixels as whole numbers of tokens.

    Both are rounded to the nearest multiple of the patch size, halves up, and are at
    least one patch; the stride is at most the window. ValueError if the stride is
    larger than the window, or one of them is not positive.
    """
    for name, value in (("window_size", window_size), ("stride", stride)):
        if value is not None and not (isinstance(value, Integral) and value > 0):
            raise ValueError(
                f"{name}={value!r} is not a positive number of pixels; pass an integer "
                "or None."
            )
    if stride is not None and stride > window_size:
        raise ValueError(
            f"stride={stride} is larger than window_size={window_size}, which would "
            "leave pixels that no window sees; pass a stride of at most the window."
        )
    window = max(1, (2 * window_size + patch_size) // (2 * patch_size))
    wanted = round(STRIDE_SHARE * window_size) if stride is None else stride
    step = max(1, (2 * wanted + patch_size) // (2 * patch_size))
    return window, min(step, window)


def _starts(n_tokens: int, window: int, stride: int) -> list[int]:
    """First tokens of the windows of one direction."""
    last = n_tokens - window
    return [*range(0, last, stride), last]
