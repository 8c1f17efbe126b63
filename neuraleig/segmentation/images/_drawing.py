"""Text and sizes of pictures, by Pillow."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from neuraleig.segmentation.images._image_arrays import RGB
from neuraleig.segmentation.images._image_files import pillow


def draw_text(
    rgb: RGB,
    text: str,
    left: int,
    middle: int,
    *,
    size: int = 14,
    color: tuple[int, int, int] = (0, 0, 0),
    max_width: int | None = None,
) -> None:
    """Write one line of text into an image, in place.

    Parameters
    ----------
    rgb : uint8 ndarray of shape (height, width, 3)
        Image.
    text : str
        In any script; what the font does not have is drawn as a box.
    left, middle : int
        Column where the text begins and row of its middle.
    size : int, default=14
        Of the font, in pixels.
    color : tuple of int, default=(0, 0, 0)
        RGB.
    max_width : int, optional
        A longer text is cut, and ends in dots.
    """
    library = pillow()
    canvas = library.Image.fromarray(rgb)
    font = _font(library, size)
    # A line, without what no font encodes.
    text = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    draw = library.ImageDraw.Draw(canvas)
    try:
        draw.textlength(text, font=font)
    except UnicodeEncodeError:  # the bitmap font of a Pillow without FreeType
        text = text.encode("ascii", "replace").decode("ascii")
    if max_width is not None and draw.textlength(text, font=font) > max_width:
        while text and draw.textlength(f"{text}...", font=font) > max_width:
            text = text[:-1]
        text = f"{text.rstrip()}..."
    top = middle - size * 0.62
    draw.text((left, top), text, fill=color, font=font)
    rgb[:] = np.asarray(canvas)


def _font(library: ModuleType, size: int) -> Any:  # noqa: ANN401 - of Pillow
    try:
        return library.ImageFont.load_default(size)
    except ImportError:  # a Pillow without FreeType
        return library.ImageFont.load_default()
