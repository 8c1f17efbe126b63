"""Images of any source as one lazy sequence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from torch import Tensor

from neuraleig._warnings import warn_user
from neuraleig.segmentation.images._image_arrays import CHANNELS, RGB
from neuraleig.segmentation.images._image_files import (
    ImageError,
    ImageWarning,
    image_size,
    is_pillow_image,
    read_image,
)
from neuraleig.segmentation.images._image_paths import (
    IMAGE_SUFFIXES,
    image_files,
    names_of_paths,
)

# At least so many digits in the names of images that have none.
N_DIGITS = 4


class ImageSet(Sequence[RGB]):
    """Images that are read when they are asked for, and not kept.

    Parameters
    ----------
    items : sequence
        Has ``__len__`` and ``__getitem__``; an item is an image in any form that
        :func:`read_image` takes, a tuple that begins with one, or a mapping that has
        one at ``"image"``.
    names : list of str
        Name per item.
    positions : sequence of int, optional
        Which items are the images of the set; all of them by default.
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

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> RGB: ...
    @overload
    def __getitem__(self, index: slice) -> ImageSet: ...
    def __getitem__(self, index: int | slice) -> RGB | ImageSet:
        """Read an image, or take a part of the set."""
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        # Before anything is read: a range says what is wrong with an index.
        position = self._positions[index]
        item = self._item(position)
        try:
            return read_image(item)
        except (ImageError, TypeError) as error:
            raise self._named(error, position) from error

    @property
    def names(self) -> list[str]:
        """Name of each image: of its file, below the folder, or by its number."""
        return [self._all_names[position] for position in self._positions]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image; of a file only its header is read."""
        position = self._positions[index]
        item = self._item(position)
        try:
            return image_size(item)
        except (ImageError, TypeError) as error:
            raise self._named(error, position) from error

    def path(self, index: int) -> Path | None:
        """File of an image, or None where it comes from memory or a data set."""
        if not isinstance(self._items, list):
            return None
        item = self._item(self._positions[index])
        return Path(item) if isinstance(item, str | os.PathLike) else None

    def subset(self, indices: Iterable[int]) -> ImageSet:
        """Set of the images at some positions, in that order."""
        positions = [self._positions[int(index)] for index in indices]
        return ImageSet(self._items, self._all_names, positions)

    def readable(self) -> tuple[ImageSet, list[tuple[str, str]]]:
        """Find out which images can be read, by reading all of them.

        Returns
        -------
        images : ImageSet
            Those that can be read; perhaps none.
        unreadable : list of (str, str)
            Name of each other one, and why not.

        Notes
        -----
        Takes the time of decoding the set once, and the memory of one image.
        """
        kept, unreadable = [], []
        for index, name in enumerate(self.names):
            try:
                self[index]
            except ImageError as error:
                unreadable.append((name, str(error)))
            else:
                kept.append(index)
        return self.subset(kept), unreadable

    def _item(self, position: int) -> Any:  # noqa: ANN401
        try:
            item = self._items[position]
        except OSError as error:  # a data set that opens files
            name = self._all_names[position]
            raise ImageError(f"cannot read image {name!r}: {error}") from error
        if isinstance(item, Mapping):
            if "image" not in item:
                raise TypeError(
                    f"item {position} is a mapping of {sorted(map(str, item))}; it "
                    "must have its image at 'image'."
                )
            return item["image"]
        return item[0] if isinstance(item, tuple) and item else item

    def _named(self, error: Exception, position: int) -> Exception:
        """Add the name where the message cannot know it."""
        message, name = str(error), self._all_names[position]
        known = "cannot read image: "
        if message.startswith(known):
            return ImageError(f"cannot read image {name!r}: {message[len(known) :]}")
        return (
            error
            if isinstance(error, ImageError)
            else TypeError(f"item {position} of images: {message}")
        )


def as_image_set(
    images: Any,  # noqa: ANN401 - whatever a user passes
    exclude: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Take images from wherever they are.

    Parameters
    ----------
    images : folder, image, sequence of images or data set
        A folder is searched with all below it, in natural order; hidden files, those
        that do not end in the suffix of an image, and folders below it to which
        :func:`predict_folder` wrote labels are left out. An image, or
        each of a list, is a path, an image of Pillow, an array or a tensor. Arrays of
        shape (n, height, width, channels) and tensors of shape (n, channels, height,
        width) are stacks. A data set has ``__len__`` and ``__getitem__``; its items
        are images, tuples that begin with one, or mappings with one at ``"image"``.
    exclude : path, optional
        Folder below ``images`` that is not searched.

    Returns
    -------
    images : ImageSet
        Nothing is read yet.

    Raises
    ------
    ImageError
        If there is no such path.
    ValueError
        If there are no images.
    TypeError
        If ``images`` is something else, such as a generator.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation.images._image_sets import as_image_set
    >>> images = as_image_set([np.zeros((4, 6), np.uint8), np.ones((5, 5, 3))])
    >>> len(images), images.names
    (2, ['image_0000', 'image_0001'])
    >>> images.size(0), images[0].shape
    ((4, 6), (4, 6, 3))
    """
    if hasattr(images, "images") and hasattr(images, "masks"):
        # A data set for measuring: its masks are none of our business.
        images = images.images
    if isinstance(images, ImageSet):
        result = images
    elif isinstance(images, str | os.PathLike):
        result = _of_path(Path(images), None if exclude is None else Path(exclude))
    elif is_pillow_image(images) or _is_one_array(images):
        result = _of_list([images])
    elif isinstance(images, list | tuple) or hasattr(images, "iloc"):
        result = _of_list(list(images))  # by position, as a series of pandas is not
    elif isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        result = _of_list(images.tolist())
    else:
        result = _of_dataset(images)
    if not len(result):
        raise ValueError("images is empty; pass at least one image.")
    return result


def readable(images: ImageSet) -> ImageSet:
    """Images that can be read; a warning names the others.

    Parameters
    ----------
    images : ImageSet
        All of them are read once.

    Returns
    -------
    images : ImageSet
        At least one.

    Raises
    ------
    ValueError
        If none can be read.

    Warns
    -----
    ImageWarning
        Once, at the line that called the caller.
    """
    kept, unreadable = images.readable()
    if not len(kept):
        name, reason = unreadable[0]
        raise ValueError(
            f"none of the {len(images)} images can be read; the first is {name!r}: "
            f"{reason}"
        )
    if unreadable:
        named = "; ".join(f"{name}: {reason}" for name, reason in unreadable[:3])
        more = f"; and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
        warn_user(
            f"{len(unreadable)} of {len(images)} images cannot be read and are left "
            f"out: {named}{more}",
            ImageWarning,
        )
    return kept


def is_one_image(images: Any) -> bool:  # noqa: ANN401
    """Whether :func:`as_image_set` takes something for a single image.

    Parameters
    ----------
    images : object
        Whatever a user passes.

    Returns
    -------
    single : bool
        True for the path of a file, an image of Pillow, an array or a tensor of one
        image; False for folders and sequences, those of length 1 too.
    """
    if isinstance(images, str | os.PathLike):
        return not Path(images).is_dir()
    return is_pillow_image(images) or _is_one_array(images)


def mask_sequence(masks: Any, n_images: int) -> Sequence[Any]:  # noqa: ANN401
    """Masks that belong to several images, one by one and by position.

    Parameters
    ----------
    masks : object
        Whatever a user passes.
    n_images : int
        Number of the images.

    Returns
    -------
    masks : sequence
        Read when they are asked for, if ``masks`` does so.

    Raises
    ------
    TypeError
        If they have no order, as generators, mappings and folders.
    ValueError
        If they are more or fewer than the images.
    """
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
        masks = list(masks)  # a series of pandas goes by its labels
    if len(masks) != n_images:
        raise ValueError(
            f"there are {len(masks)} masks for {n_images} images; pass one per "
            "image, in the same order."
        )
    found: Sequence[Any] = masks
    return found


def _is_sequence(items: Any) -> bool:  # noqa: ANN401
    """Whether items have a length and are had by their positions."""
    sized = hasattr(items, "__len__") and hasattr(items, "__getitem__")
    return sized and not isinstance(items, Mapping | bytes | bytearray)


def _is_one_array(images: Any) -> bool:  # noqa: ANN401
    """Whether an array or a tensor is an image; its reader says what is wrong."""
    if not isinstance(images, np.ndarray | Tensor):
        return False
    if isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        return False
    if images.ndim > 4 or images.ndim < 2:
        raise ImageError(
            f"images has shape {tuple(images.shape)}; an image has 2 or 3 dimensions, "
            "a stack of images 4."
        )
    channels = images.shape[-1 if isinstance(images, np.ndarray) else 0]
    if images.ndim == 3 and channels not in CHANNELS:
        raise ImageError(
            f"images has shape {tuple(images.shape)}, which has not 1, 3 or 4 channels "
            "last (array) or first (tensor); pass a stack of grey images as a list."
        )
    return images.ndim < 4


def _of_path(path: Path, exclude: Path | None) -> ImageSet:
    if not path.exists():
        raise ImageError(f"there is no file or folder {str(path)!r}.")
    if not path.is_dir():
        return _of_list([path])
    paths = image_files(path, exclude)
    if not paths:
        raise ValueError(
            f"folder {str(path)!r} has no images: no file in it or below it ends in "
            f"{', '.join(IMAGE_SUFFIXES)} (hidden ones are left out)."
        )
    return ImageSet(paths, [found.relative_to(path).as_posix() for found in paths])


def _of_list(images: list[Any]) -> ImageSet:
    names = _numbered(len(images))
    where = [i for i, x in enumerate(images) if isinstance(x, str | os.PathLike)]
    paths = names_of_paths([Path(images[i]) for i in where])
    for position, name in zip(where, paths, strict=True):
        names[position] = name
    return ImageSet(images, names)


def _of_dataset(images: Any) -> ImageSet:  # noqa: ANN401
    if not _is_sequence(images):
        raise TypeError(
            f"images of type {type(images).__name__} must be a folder, an image, a "
            "sequence of images, or a data set with __len__ and __getitem__; pass a "
            "list of what a generator or a loader yields."
        )
    return ImageSet(images, _numbered(len(images)))


def _numbered(n_images: int) -> list[str]:
    n_digits = max(N_DIGITS, len(str(n_images - 1)))
    return [f"image_{number:0{n_digits}d}" for number in range(n_images)]
