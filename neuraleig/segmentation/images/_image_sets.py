"""Images of any source as one lazy sequence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from neuraleig._warnings import warn_user
from neuraleig.segmentation.images._image_arrays import (
    CHANNELS,
    RGB,
    ImageError,
    ImageWarning,
)
from neuraleig.segmentation.images._image_files import is_pillow_image, read_image
from neuraleig.segmentation.images._image_paths import (
    IMAGE_SUFFIXES,
    image_files,
    names_of_paths,
)

# Digits in the names of images without a file, at least.
N_DIGITS = 4
# Images that a warning names.
N_NAMED = 3


class ImageSet:
    """Images that are read when they are indexed, and not kept.

    An item is an image, a tuple that begins with one, or a mapping with one at "image".
    """

    def __init__(
        self,
        items: Any,  # noqa: ANN401 - data sets have no common base
        names: Sequence[str],
        positions: Sequence[int] | None = None,
    ) -> None:
        self._items = items
        self._all_names = names
        self._positions = range(len(names)) if positions is None else positions
        # By position, of images that were read before.
        self._sizes: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[RGB]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> RGB:
        position = self._positions[index]
        rgb = read_image(self._item(position), name=self._all_names[position])
        self._sizes[position] = rgb.shape[:2]
        return rgb

    @property
    def paths(self) -> list[Path | None]:
        """File of each image; None if it comes from memory or a data set."""
        return [self.path(index) for index in range(len(self))]

    @property
    def names(self) -> list[str]:
        """Name of each image: its path below the folder, or its number."""
        return [self._all_names[position] for position in self._positions]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image, which is read if it was not before."""
        position = self._positions[index]
        if position not in self._sizes:
            self[index]
        return self._sizes[position]

    def path(self, index: int) -> Path | None:
        """File of an image; None if it comes from memory or a data set."""
        if not isinstance(self._items, list):
            return None
        item = self._item(self._positions[index])
        return Path(item) if isinstance(item, str | os.PathLike) else None

    def subset(self, indices: Iterable[int]) -> ImageSet:
        """Set of the images at some indices, in that order."""
        positions = [self._positions[int(index)] for index in indices]
        part = ImageSet(self._items, self._all_names, positions)
        part._sizes = self._sizes
        return part

    def _item(self, position: int) -> Any:  # noqa: ANN401
        name = self._all_names[position]
        try:
            item = self._items[position]
        except OSError as error:  # a data set that opens files
            raise ImageError(f"cannot read image {name!r}: {error}") from error
        if isinstance(item, Mapping):
            if "image" not in item:
                raise TypeError(
                    f"image {name!r} is a mapping with the keys "
                    f"{sorted(map(str, item))}; store the image at 'image'."
                )
            return item["image"]
        return item[0] if isinstance(item, tuple) and item else item


def as_image_set(
    images: Any,  # noqa: ANN401 - whatever a user passes
    exclude: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Image set, not read yet, of a folder, an image, a sequence or a data set.

    A folder is searched with all folders below it, in natural order, except for hidden
    files, ``exclude``, and folders of labels that ``predict_folder`` wrote. Arrays (n,
    height, width, channels) and tensors (n, channels, height, width) are stacks. A data
    set has ``__len__`` and ``__getitem__``.
    """
    if hasattr(images, "images") and hasattr(images, "masks"):
        images = images.images  # a SegmentationDataset, without its masks
    if isinstance(images, ImageSet):
        result = images
    elif isinstance(images, str | os.PathLike):
        result = _of_path(Path(images), None if exclude is None else Path(exclude))
    elif is_one_image(images):
        result = _of_list([images])
    elif isinstance(images, list | tuple) or hasattr(images, "iloc"):
        result = _of_list(list(images))  # a series of pandas, by position
    elif isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        result = _of_list(images.tolist())
    elif _is_sequence(images):
        result = ImageSet(images, _numbered(len(images)))
    else:
        raise TypeError(
            f"images of type {type(images).__name__} must be a folder, an image, a "
            "sequence of images, or a data set with __len__ and __getitem__; pass a "
            "list of what a generator or a loader yields."
        )
    if not len(result):
        raise ValueError("images is empty; pass at least one image.")
    return result


def readable(images: ImageSet) -> ImageSet:
    """Leave out images that cannot be read, with a warning; an error if none can."""
    kept, errors = [], []
    for index in range(len(images)):
        try:
            images[index]
        except ImageError as error:
            errors.append(str(error))
        else:
            kept.append(index)
    if not kept:
        raise ValueError(
            f"none of the {len(images)} images can be read; the first: {errors[0]}"
        )
    if errors:
        more = f"; and {len(errors) - N_NAMED} more" if len(errors) > N_NAMED else ""
        warn_user(
            f"{len(errors)} of {len(images)} images cannot be read and are left out: "
            f"{'; '.join(errors[:N_NAMED])}{more}",
            ImageWarning,
        )
    return images.subset(kept)


def is_one_image(images: Any) -> bool:  # noqa: ANN401
    """Whether ``images`` is a single image rather than a folder or a sequence."""
    if isinstance(images, str | os.PathLike):
        return not Path(images).is_dir()
    if is_pillow_image(images):
        return True
    if not isinstance(images, np.ndarray | Tensor):
        return False
    if isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        return False
    shape = tuple(images.shape)
    if not 2 <= len(shape) <= 4:
        raise ImageError(
            f"images has shape {shape}; an image has 2 or 3 dimensions, and a stack of "
            "images 4."
        )
    channels = shape[-1 if isinstance(images, np.ndarray) else 0]
    if len(shape) == 3 and channels not in CHANNELS:
        raise ImageError(
            f"images has shape {shape}; an image has 1, 3 or 4 channels, last in an "
            "array and first in a tensor: pass a stack of grey images as a list."
        )
    return len(shape) < 4


def mask_sequence(masks: Any, n_images: int) -> Sequence[Any]:  # noqa: ANN401
    """Sequence of one mask per image; generators, mappings and folders are refused."""
    if isinstance(masks, str | os.PathLike):
        raise TypeError(
            f"masks={masks!r} is one path, and there are several images; pass a "
            "list of paths, such as sorted(Path(folder).glob('*.png'))."
        )
    if not _is_sequence(masks):
        raise TypeError(
            f"masks of type {type(masks).__name__} must be a sequence, with __len__ "
            "and __getitem__; pass a list of them, one per image."
        )
    if hasattr(masks, "iloc"):
        masks = list(masks)  # a series of pandas, by position
    if len(masks) != n_images:
        raise ValueError(
            f"there are {len(masks)} masks for {n_images} images; pass one per "
            "image, in the same order."
        )
    found: Sequence[Any] = masks
    return found


def _is_sequence(items: Any) -> bool:  # noqa: ANN401
    sized = hasattr(items, "__len__") and hasattr(items, "__getitem__")
    return sized and not isinstance(items, Mapping | bytes | bytearray)


def _of_path(path: Path, exclude: Path | None) -> ImageSet:
    if not path.exists():
        raise ImageError(f"there is no file or folder {str(path)!r}.")
    if not path.is_dir():
        return _of_list([path])
    paths = image_files(path, exclude)
    if not paths:
        raise ValueError(
            f"folder {str(path)!r} has no images: no file in it or below it ends in "
            f"{', '.join(IMAGE_SUFFIXES)} (hidden files are left out)."
        )
    return ImageSet(paths, [found.relative_to(path).as_posix() for found in paths])


def _of_list(images: list[Any]) -> ImageSet:
    names = _numbered(len(images))
    where = [i for i, x in enumerate(images) if isinstance(x, str | os.PathLike)]
    paths = names_of_paths([Path(images[i]) for i in where])
    for position, name in zip(where, paths, strict=True):
        names[position] = name
    return ImageSet(images, names)


def _numbered(n_images: int) -> list[str]:
    n_digits = max(N_DIGITS, len(str(n_images - 1)))
    return [f"image_{number:0{n_digits}d}" for number in range(n_images)]
