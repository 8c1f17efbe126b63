"""Images and masks from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _pillow() -> Any:  # noqa: ANN401 - an optional module
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "reading images needs pillow: pip install 'neuraleig[vision]'"
        ) from error
    return Image


def read_image(path: Path) -> NDArray[np.uint8]:
    """Image as RGB of shape (height, width, 3)."""
    with _pillow().open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def read_mask(path: Path) -> NDArray[np.integer[Any]]:
    """Integers of a mask of shape (height, width); palette indices, not colours."""
    with _pillow().open(path) as image:
        return np.asarray(image)
