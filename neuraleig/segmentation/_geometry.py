"""Sizes at which images are seen: resizing, windows, tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral

from neuraleig.segmentation.backbones._backbones import CPU_TOKENS
from neuraleig.segmentation.images._image_arrays import RGB
from neuraleig.segmentation.images._resize import resized_to, short_side_size
from neuraleig.segmentation.inference._windows import Lattice, window_in_tokens

# Sizes left open.
AUTO = "auto"
# Tokens of the largest image that is one window where windows are left open, and the
# side of windows, in pixels, of larger ones. As many tokens as are one forward pass.
WHOLE_TOKENS, WINDOW_SIZE = CPU_TOKENS, 512
# Longer side of an image as it is seen, in image_size, at most. Panoramas are below;
# strips of few pixels are above, of which resizing would make vast images.
LONGEST = 20


@dataclass(frozen=True)
class Geometry:
    """Sizes of images and of their windows of tokens, in a fit and in predictions.

    Parameters
    ----------
    patch_size : int
        Pixels of a token, along both sides.
    image_size : int or None
        Pixels of the shorter side of an image as it is seen; ``None``: its own. Of an
        image more than 20 times as long as wide the longer side has 20 times as many,
        and the shorter one keeps the aspect.
    window_size : int, "auto" or None
        Side of a window in pixels. ``"auto"``: an image of up to 4,096 tokens is one
        window, and larger ones have windows of 512 pixels; ``None``: all are one.
    stride : int or None
        Distance of neighbouring windows in pixels.
    """

    patch_size: int
    image_size: int | None
    window_size: int | str | None
    stride: int | None

    def __post_init__(self) -> None:
        """Make plain integers of the numbers of numpy.

        Equal geometries then have equal names, under which features are stored.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            plain = int(value) if isinstance(value, Integral) else value
            object.__setattr__(self, field.name, plain)

    def seen_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which an image of that size is seen."""
        if self.image_size is None:
            return height, width
        longer = max(height, width)
        if longer > LONGEST * min(height, width):
            factor = LONGEST * self.image_size / longer
            return max(1, round(height * factor)), max(1, round(width * factor))
        return short_side_size(height, width, self.image_size)

    def lattice(self, height: int, width: int) -> Lattice:
        """Tokens and windows of an image of that size, as it is seen."""
        seen, size = self.seen_size(height, width), self.window_size
        if isinstance(size, str):
            whole = Lattice.of(*seen, self.patch_size)
            if math.prod(whole.shape) <= WHOLE_TOKENS:
                return whole
            size = WINDOW_SIZE
        return Lattice.of(*seen, self.patch_size, size, self.stride)

    def seen(self, rgb: RGB) -> RGB:
        """Image as it is seen."""
        return resized_to(rgb, *self.seen_size(*rgb.shape[:2]))


def check_windows(window_size: int | str | None, stride: int | None) -> None:
    """Refuse windows and strides that do not go together."""
    if window_size is not None:
        size = WINDOW_SIZE if isinstance(window_size, str) else window_size
        window_in_tokens(size, stride, 1)
    elif stride is not None:
        raise ValueError(
            f"stride={stride} has no meaning with window_size=None, by which whole "
            "images are one window; pass a window_size, or stride=None."
        )
