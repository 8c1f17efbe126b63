"""The one file that imports Pillow: images, masks and labels in files."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from neuraleig._atomic import atomic_file
from neuraleig._extras import missing
from neuraleig.segmentation.images._image_arrays import (
    DEEPEST,
    RGB,
    ColorMaskError,
    ImageError,
    Labels,
    check_labels,
    mask_in_memory,
    rgb_in_memory,
)

if TYPE_CHECKING:
    from PIL.Image import Image

ImageLike: TypeAlias = "str | os.PathLike[str] | Image | NDArray[Any] | Tensor"
"""An image in any of the forms that are read."""

# Pillow runs Ghostscript on such files.
REFUSED_FORMATS = {"EPS"}
# Their compression changes labels next to an edge.
LOSSY_FORMATS = {"JPEG", "MPO"}
# At most 16 bits of grey, which Pillow before version 11 opens in mode "I".
SHALLOW_FORMATS = {"PNG", "PPM"}
ORIENTATION = 274
# Of a JPEG: 95 is the most that Pillow advises.
QUALITY = 92
MAX_PALETTE = 256


def pillow() -> ModuleType:
    """Pillow, or an error that names the extra to install."""
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError as error:
        raise ImportError(
            missing("reading and writing images", "Pillow", "vision")
        ) from error
    return PIL


def is_pillow_image(image: object) -> bool:
    """Whether an object is an image of Pillow, without importing it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def read_image(image: ImageLike, *, name: str | None = None) -> RGB:
    """Read an image as 8-bit RGB.

    The result is what a viewer shows: EXIF orientation applied, 16-bit grey scaled,
    transparent pixels white, the first frame of an animation. Colour profiles are
    ignored.

    Parameters
    ----------
    image : path, PIL image, ndarray or Tensor
        Arrays have shape (height, width[, channels]), tensors ([channels,] height,
        width), with 1 (grey), 3 (RGB) or 4 (RGBA) channels: uint8, uint16, bool, or
        float within [0, 1].
    name : str, optional
        Name of an image in memory in errors.

    Returns
    -------
    rgb : uint8 ndarray of shape (height, width, 3)
        ``image`` itself if it is already such an array, writable and contiguous.

    Raises
    ------
    ImageError
        If the file is missing, empty, truncated, not an image or above Pillow's limit
        of pixels, or if the shape, type or values of an array are unsuitable.
    TypeError
        If ``image`` is of another type.
    ImportError
        If Pillow is needed and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation import read_image
    >>> read_image(np.array([[0.0, 1.0]]))[0].tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    what = _described("image", image, name)
    if isinstance(image, Tensor | np.ndarray):
        return rgb_in_memory(image, what)
    with _opened(image, what) as picture:
        if picture.mode[0] in "IF":
            return _deep_grey(picture, what)
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        return rgb_in_memory(np.array(picture.convert(mode)), what)


def _deep_grey(picture: Any, what: str) -> RGB:  # noqa: ANN401
    """RGB of a grey picture of 16 or 32 bits."""
    grey = np.array(picture)
    if grey.dtype.kind != "f":
        smallest, largest = int(grey.min()), int(grey.max())
        if smallest < 0 or largest > DEEPEST:
            raise ImageError(
                f"cannot read {what}: its values are {smallest} to {largest}, more "
                "than 16 bits; scale them to 0 to 65535."
            )
        grey = grey.astype(np.uint16)
    rgb = rgb_in_memory(grey, what)
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        rgb[grey == transparent] = 255
    return rgb


def read_mask(mask: ImageLike) -> Labels:
    """Read a mask: one integer per pixel.

    Parameters
    ----------
    mask : path, PIL image, ndarray or Tensor
        Grey image of 8 or 16 bits, palette image (whose indices are read), ``.npy``
        file, or integers of shape (height, width).

    Returns
    -------
    labels : integer ndarray of shape (height, width)
        Of the type in the file or array; booleans as uint8, and floats without a
        fraction as int64.

    Raises
    ------
    ImageError
        If the file is missing or cannot be read, or if it holds colours, fractions or
        a lossy image.
    TypeError
        If ``mask`` is of another type.
    ImportError
        If Pillow is needed and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation.images import read_mask
    >>> read_mask(np.array([[0.0, 2.0]]))
    array([[0, 2]])
    """
    what = _described("mask", mask)
    if isinstance(mask, Tensor | np.ndarray):
        return mask_in_memory(mask, what)
    if isinstance(mask, str | os.PathLike) and Path(mask).suffix.lower() == ".npy":
        return _read_npy(Path(mask), what)
    with _opened(mask, what) as picture:
        if picture.format in LOSSY_FORMATS:
            raise ImageError(
                f"cannot read {what}: it is a JPEG, whose compression changes labels; "
                "pass a PNG or an array."
            )
        if picture.mode not in {"1", "L", "P", "I", "F"} and picture.mode[:2] != "I;":
            raise ColorMaskError(
                f"cannot read {what}: it is a colour image (mode {picture.mode}); pass "
                "the integers for which the colours stand, as an array."
            )
        labels = np.array(picture)
        if picture.mode == "I" and picture.format in SHALLOW_FORMATS:
            labels = labels.astype(np.uint16)
        return mask_in_memory(labels, what)


def _read_npy(path: Path, what: str) -> Labels:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f"cannot read {what}: {error}") from error
    return mask_in_memory(array, what)


def write_labels(
    path: str | os.PathLike[str], labels: Labels, palette: NDArray[np.uint8]
) -> None:
    """Write labels as a PNG, atomically; up to 256 colours are its palette."""
    image_of = pillow().Image.fromarray
    labels = np.asarray(labels)
    n_labels = len(palette)
    if n_labels > DEEPEST + 1:
        raise ValueError(
            f"palette has {n_labels} colours; a PNG of labels holds at most 65536."
        )
    check_labels(labels, n_labels)
    if n_labels <= MAX_PALETTE:
        image = image_of(np.ascontiguousarray(labels, dtype=np.uint8))
        image.putpalette(np.ascontiguousarray(palette, dtype=np.uint8).tobytes())
    else:
        image = image_of(np.ascontiguousarray(labels, dtype=np.uint16))
    with atomic_file(Path(path)) as file:
        image.save(file, format="PNG")


def write_image(path: str | os.PathLike[str], rgb: RGB) -> None:
    """Write an RGB image in the format of the file's suffix, atomically."""
    path, library = Path(path), pillow().Image
    kind = image_format(path)
    with atomic_file(path) as file:
        library.fromarray(rgb).save(file, format=kind, quality=QUALITY)


def image_format(path: Path) -> str:
    """Format of Pillow for the suffix of a file; ValueError if there is none."""
    library = pillow().Image
    kind = library.registered_extensions().get(path.suffix.lower())
    if kind is None or kind not in library.SAVE:
        raise ValueError(
            f"{str(path)!r} does not end in the suffix of an image format; use .png or "
            ".jpg."
        )
    return str(kind)


def jpeg_bytes(rgb: RGB, quality: int = 85) -> bytes:
    """Content of a JPEG file of an image, without metadata."""
    buffer = io.BytesIO()
    # Colours at full resolution: crops are small, and their borders matter.
    image = pillow().Image.fromarray(rgb)
    image.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def stored_size(path: Path) -> tuple[int, int]:
    """Height and width in the header of an image file."""
    with _opened(path, _described("labels", path), load=False) as picture:
        return picture.height, picture.width


def _described(kind: str, image: Any, name: str | None = None) -> str:  # noqa: ANN401
    """Words for an image in messages."""
    if is_pillow_image(image):
        name = name or getattr(image, "filename", "") or "of Pillow"
    elif isinstance(image, str | os.PathLike):
        name = os.fspath(image)
    return kind if name is None else f"{kind} {name!r}"


@contextmanager
def _opened(image: Any, what: str, *, load: bool = True) -> Iterator[Any]:  # noqa: ANN401
    """Decoded and upright picture of Pillow; ``ImageError`` if that fails."""
    if not is_pillow_image(image) and not isinstance(image, str | os.PathLike):
        raise TypeError(
            f"{what} of type {type(image).__name__} must be a path, an image of "
            "Pillow, an array or a tensor."
        )
    library = pillow().Image
    library.init()
    with warnings.catch_warnings():
        # On damaged metadata, which have no effect, and on sizes near Pillow's limit.
        warnings.simplefilter("ignore")
        try:
            if is_pillow_image(image):
                yield _upright(image)
                return
            formats = sorted(set(library.OPEN) - REFUSED_FORMATS)
            with library.open(Path(image), formats=formats) as picture:
                yield _upright(picture) if load else picture
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # decoders of damaged files raise anything
            raise ImageError(f"cannot read {what}: {_reason(image, error)}") from error


def _reason(image: Any, error: Exception) -> str:  # noqa: ANN401
    if not is_pillow_image(image):
        path = Path(image)
        if path.is_dir():
            return "it is a folder"
        if isinstance(error, FileNotFoundError):
            return "there is no such file"
        if path.is_file() and path.stat().st_size == 0:
            return "the file is empty"
    if isinstance(error, pillow().UnidentifiedImageError):
        return "it is not an image, or of a format that Pillow cannot read"
    return str(error) or type(error).__name__


def _upright(picture: Any) -> Any:  # noqa: ANN401
    """Decode a picture and turn it as its EXIF orientation asks."""
    turns = pillow().Image.Transpose
    turn = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }
    # First: a PNG may have its metadata behind the pixels.
    picture.load()
    try:
        orientation = picture.getexif().get(ORIENTATION)
    except Exception:  # damaged metadata: as stored
        return picture
    if orientation not in turn:
        return picture
    turned = picture.transpose(turn[orientation])
    turned.format = picture.format
    return turned
