"""Text in images, by Pillow."""

from __future__ import annotations

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
    """Draw one line of text into an image, in place, cut to ``max_width`` pixels."""
    library = pillow()
    canvas = library.Image.fromarray(rgb)
    try:
        font = library.ImageFont.load_default(size)
    except ImportError:  # a Pillow without FreeType
        font = library.ImageFont.load_default()
    # Line breaks, and characters that no font encodes.
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
    draw.text((left, middle - size * 0.62), text, fill=color, font=font)
    rgb[:] = np.asarray(canvas)
