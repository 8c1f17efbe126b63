"""Images as bytes, to be put into something else than a file of their own."""

from __future__ import annotations

import io

from neuraleig.segmentation.images._image_arrays import RGB
from neuraleig.segmentation.images._image_files import pillow


def jpeg_bytes(rgb: RGB, quality: int = 85) -> bytes:
    """Compress an image as JPEG, without any metadata.

    Parameters
    ----------
    rgb : uint8 ndarray of shape (height, width, 3)
        Image.
    quality : int, default=85
        From 1 to 95.

    Returns
    -------
    content : bytes
        The same for the same image and version of Pillow.

    Raises
    ------
    ImportError
        If Pillow is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation.images._encoded import jpeg_bytes
    >>> jpeg_bytes(np.zeros((8, 8, 3), np.uint8))[:3].hex()
    'ffd8ff'
    """
    buffer = io.BytesIO()
    # All colours at full resolution: crops are small, and their borders matter.
    pillow().Image.fromarray(rgb).save(
        buffer, format="JPEG", quality=quality, subsampling=0
    )
    return buffer.getvalue()
