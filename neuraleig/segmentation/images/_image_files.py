"""The one file that imports Pillow: images, masks and labels in files."""

from __future__ import annotations

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
    ImageError,
    ImageWarning,
    Labels,
    check_labels,
    image_shape,
    label_dtype,
    mask_from_array,
    mask_from_tensor,
    rgb_from_array,
    rgb_from_tensor,
)
from neuraleig.segmentation.images._png_chunks import has_late_metadata

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ImageError",
    "ImageLike",
    "ImageWarning",
    "image_size",
    "is_pillow_image",
    "label_dtype",
    "pillow",
    "read_image",
    "read_mask",
    "write_image",
    "write_labels",
]

ImageLike: TypeAlias = "str | os.PathLike[str] | Image | NDArray[Any] | Tensor"
"""An image in any of the forms that are read."""

# Its reader runs Ghostscript on what the file says.
REFUSED_FORMATS = {"EPS"}
# Formats whose header says the size that their pixels have.
HEADER_FORMATS = {"AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "WEBP"}
# Compressed so that values next to an edge are others.
LOSSY_FORMATS = {"JPEG", "MPO"}
# Formats of at most 16 bits of grey, which some versions of Pillow read as 32.
SHALLOW_FORMATS = {"PNG", "PPM"}
ORIENTATION, TIFF_WIDTH, TIFF_HEIGHT = 274, 256, 257
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
    """Whether it is an image of Pillow, which is not imported to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def read_image(image: ImageLike) -> RGB:
    """Read an image in any of its forms.

    Parameters
    ----------
    image : path, PIL image, ndarray or Tensor
        Arrays have the channels last, tensors first: none or 1 (grey), 3 (RGB) or 4
        (RGB with opacity), as uint8, uint16, bool or float within [0, 1].

    Returns
    -------
    rgb : uint8 ndarray of shape (height, width, 3)
        As a viewer shows it: turned as EXIF says, converted to RGB, deep grey scaled,
        laid on white where it is transparent, the first picture of an animation.
        Colour profiles are ignored. An array that is that already is not copied.

    Raises
    ------
    ImageError
        If the file is missing, empty, truncated, no image, or too large to be meant
        (by Pillow's limit), or if the pixels are in none of these forms.
    TypeError
        If ``image`` is something else.
    ImportError
        If Pillow is needed and missing.
    """
    if isinstance(image, Tensor):
        return rgb_from_tensor(image)
    if isinstance(image, np.ndarray):
        return rgb_from_array(image)
    with _opened(image, "image") as picture:
        picture.load()
        return _rgb_of(_upright(picture))


def image_size(image: ImageLike) -> tuple[int, int]:
    """Height and width of an image as :func:`read_image` returns it.

    Of a file only the header is read, where its format allows it.

    Parameters
    ----------
    image : path, PIL image, ndarray or Tensor
        As for :func:`read_image`.

    Returns
    -------
    height, width : int
        In pixels.

    Raises
    ------
    ImageError, TypeError, ImportError
        As :func:`read_image`, as far as the header tells.
    """
    if isinstance(image, Tensor | np.ndarray):
        return image_shape(image)
    with _opened(image, "image") as picture:
        width, height = _stored_size(picture, in_memory=is_pillow_image(image))
        turned = _orientation(picture) >= 5
        return (width, height) if turned else (height, width)


def read_mask(mask: ImageLike) -> Labels:
    """Read a mask: one integer per pixel.

    Parameters
    ----------
    mask : path, PIL image, ndarray or Tensor
        A grey image of 8 or 16 bits or one with a palette, whose indices are read, a
        ``.npy`` file, or integers of shape (height, width).

    Returns
    -------
    labels : integer ndarray of shape (height, width)
        Of the type that holds them in the file or array; booleans as uint8 and floats
        without a fraction as int64.

    Raises
    ------
    ImageError
        If there is no such file, or if it holds colours, fractions or a lossy image.
    TypeError
        If ``mask`` is something else.
    ImportError
        If Pillow is needed and missing.
    """
    if isinstance(mask, Tensor):
        return mask_from_tensor(mask)
    if isinstance(mask, np.ndarray):
        return mask_from_array(mask)
    if isinstance(mask, str | os.PathLike) and Path(mask).suffix.lower() == ".npy":
        return _read_npy(Path(mask))
    with _opened(mask, "mask") as picture:
        name = f"mask {_name_of(mask)}"
        if picture.format in LOSSY_FORMATS:
            raise ImageError(
                f"cannot read {name}: it is a JPEG, whose compression changes labels; "
                "pass a PNG or an array."
            )
        if picture.mode not in {"1", "L", "P", "I", "F"} and picture.mode[:2] != "I;":
            raise ImageError(
                f"cannot read {name}: it is an image of colours (mode {picture.mode}), "
                "not of labels; pass the array of integers that the colours stand for."
            )
        picture.load()
        array = np.array(_upright(picture))
        if picture.mode == "I" and picture.format in SHALLOW_FORMATS:
            array = array.astype(np.uint16)
        return mask_from_array(array, name)


def _read_npy(path: Path) -> Labels:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f"cannot read mask {str(path)!r}: {error}") from error
    return mask_from_array(array, f"mask {str(path)!r}")


def write_labels(
    path: str | os.PathLike[str], labels: Labels, palette: NDArray[np.uint8]
) -> None:
    """Write labels as a PNG whose pixel values they are.

    Parameters
    ----------
    path : path
        Of the file, which is replaced atomically; its folder must exist.
    labels : integer ndarray of shape (height, width)
        Between 0 and ``n_labels - 1``.
    palette : uint8 ndarray of shape (n_labels, 3)
        Colour per label. Up to 256 become the palette of the image; with more it is
        16-bit grey.

    Raises
    ------
    ValueError
        If a label has no colour or there are more than 65536.
    OSError
        If the file cannot be written.
    """
    image_of = pillow().Image.fromarray
    labels = np.asarray(labels)
    n_labels = len(palette)
    if n_labels > DEEPEST + 1:
        raise ValueError(f"a PNG holds 65536 labels at most, not {n_labels}.")
    check_labels(labels, n_labels)
    if n_labels <= MAX_PALETTE:
        image = image_of(np.ascontiguousarray(labels, dtype=np.uint8))
        image.putpalette(np.ascontiguousarray(palette, dtype=np.uint8).tobytes())
    else:
        image = image_of(np.ascontiguousarray(labels, dtype=np.uint16))
    with atomic_file(Path(path)) as file:
        image.save(file, format="PNG")


def write_image(path: str | os.PathLike[str], rgb: RGB) -> None:
    """Write an RGB image, in the format that the suffix says.

    Parameters
    ----------
    path : path
        Of the file, which is replaced atomically; its folder must exist.
    rgb : uint8 ndarray of shape (height, width, 3)
        Image.

    Raises
    ------
    ValueError
        If no format has such a suffix.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    library = pillow().Image
    kind = library.registered_extensions().get(path.suffix.lower())
    if kind is None or kind not in library.SAVE:
        raise ValueError(
            f"{str(path)!r} does not end in the suffix of an image format, such as "
            ".png or .jpg."
        )
    with atomic_file(path) as file:
        library.fromarray(rgb).save(file, format=kind, quality=QUALITY)


@contextmanager
def _opened(image: Any, kind: str) -> Iterator[Any]:  # noqa: ANN401
    """Picture of Pillow, of whose faults nothing but an ImageError comes."""
    if not is_pillow_image(image) and not isinstance(image, str | os.PathLike):
        raise TypeError(
            f"{kind} of type {type(image).__name__} must be a path, an image of "
            "Pillow, an array or a tensor."
        )
    library = pillow().Image
    library.init()
    with warnings.catch_warnings():
        # On bad metadata, which do not matter, and on a size near Pillow's limit.
        warnings.simplefilter("ignore")
        try:
            if is_pillow_image(image):
                yield image
            else:
                formats = sorted(set(library.OPEN) - REFUSED_FORMATS)
                with library.open(Path(image), formats=formats) as picture:
                    yield picture
        except ImageError as error:
            # The checks of pixels do not know where they come from.
            message = str(error).replace("cannot read image:", "", 1).strip()
            if message == str(error):
                raise
            raise ImageError(
                f"cannot read {kind} {_name_of(image)}: {message}"
            ) from error
        except MemoryError:  # of the machine, and no fault of the file
            raise
        except Exception as error:  # decoders of broken files raise anything
            reason = _reason(image, error)
            raise ImageError(
                f"cannot read {kind} {_name_of(image)}: {reason}"
            ) from error


def _name_of(image: Any) -> str:  # noqa: ANN401
    if is_pillow_image(image):
        return repr(getattr(image, "filename", "") or "of Pillow")
    return repr(os.fspath(image))


def _reason(image: Any, error: Exception) -> str:  # noqa: ANN401
    """Say what is wrong in the words of whoever has the file."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if not is_pillow_image(image):
        path = Path(image)
        if path.is_dir():  # what Windows says is that it may not be opened
            return "it is a folder"
        if path.is_file() and path.stat().st_size == 0:
            return "the file is empty"
    if isinstance(error, pillow().UnidentifiedImageError):
        return "it is no image, or of a format that Pillow does not read"
    return str(error) or type(error).__name__


def _stored_size(picture: Any, *, in_memory: bool) -> tuple[int, int]:  # noqa: ANN401
    """Width and height before any turn, from the header where it says enough."""
    if picture.format == "TIFF" and not in_memory:
        # Loading would turn it, and some versions of Pillow say the size after that.
        return int(picture.tag_v2[TIFF_WIDTH]), int(picture.tag_v2[TIFF_HEIGHT])
    enough = picture.format in HEADER_FORMATS
    if (
        in_memory
        or not enough
        or (picture.format == "PNG" and has_late_metadata(picture.fp))
    ):
        picture.load()
    width, height = picture.size
    return width, height


def _orientation(picture: Any) -> int:  # noqa: ANN401
    try:
        # Pillow's reader of PNG would decode the pixels to find what is not there.
        exif = pillow().Image.Image.getexif(picture)
        return int(exif.get(ORIENTATION, 1))
    except Exception:  # broken metadata say nothing
        return 1


def _upright(picture: Any) -> Any:  # noqa: ANN401
    """Turn a loaded picture as its metadata say."""
    turns = pillow().Image.Transpose
    turn = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }.get(_orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _rgb_of(picture: Any) -> RGB:  # noqa: ANN401
    """Pixels of a loaded picture of any mode."""
    if picture.mode[0] in "IF":
        return _rgb_of_deep(picture)
    if picture.mode == "La":  # opacity multiplied in, which Pillow undoes in steps
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        return rgb_from_array(np.array(picture.convert("RGBA")))
    return rgb_from_array(np.array(picture.convert("RGB")))


def _rgb_of_deep(picture: Any) -> RGB:  # noqa: ANN401
    grey = np.array(picture)
    if grey.dtype.kind == "f":
        return rgb_from_array(grey)
    smallest, largest = int(grey.min()), int(grey.max())
    if smallest < 0 or largest > DEEPEST:
        raise ImageError(
            f"cannot read image: its values are {smallest} to {largest}, more than 16 "
            "bits; scale them to 0 to 65535."
        )
    rgb = rgb_from_array(grey.astype(np.uint16))
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        rgb[grey == transparent] = 255
    return rgb
