"""Classes of a user's own masks, by the integers or colours that stand for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neuraleig._typing import IntArray
from neuraleig.segmentation.images import read_image, read_mask
from neuraleig.segmentation.images._image_arrays import (
    DEEPEST,
    ColorMaskError,
    Labels,
)

Classes: TypeAlias = Sequence[str] | Mapping[Any, Any]
"""Names in the order of their integers, or a mapping of names and codes."""

# Class of a pixel without one, as in ClusterMatching.
NO_CLASS = -1
# No set has so many classes: larger values stand for none, such as 65535.
MOST_CLASSES = 10_000


@dataclass(frozen=True)
class CodeReader:
    """Reader of masks: ``classes`` has the class of each of the ``codes``, ascending.

    Codes are integers, or colours of three bytes. Where they ``are_all``, other codes
    than ``ignored`` are refused; else they stand for no class.
    """

    codes: tuple[int, ...]
    classes: tuple[int, ...]
    ignored: int | None
    are_colors: bool
    are_all: bool

    def __call__(self, path: Path) -> IntArray:
        """Class ids of a mask in an image, -1 for none."""
        values = color_codes(read_image(path)) if self.are_colors else read_codes(path)
        place = np.searchsorted(self.codes, values).clip(max=len(self.codes) - 1)
        is_known = np.asarray(self.codes)[place] == values
        if self.are_all:
            unknown = values[~is_known & (values != self.ignored)]
            if unknown.size:
                raise ValueError(
                    f"{path}: the mask has the value {unknown[0]}, and classes are "
                    f"{self.codes[0]} to {self.codes[-1]}; name it in classes, or pass "
                    f"ignore_index={unknown[0]} if it stands for no class."
                )
        found = np.where(is_known, np.asarray(self.classes)[place], NO_CLASS)
        return np.asarray(found, dtype=np.int64)


def read_codes(path: Path) -> IntArray:
    """Integers of a mask, as int64."""
    try:
        return read_mask(path).astype(np.int64)
    except ColorMaskError as error:
        raise ColorMaskError(
            f"{path} is a mask of colours; pass the colour of every class, such as "
            'classes={"road": [128, 64, 128]}.'
        ) from error


def color_codes(rgb: NDArray[np.integer[Any]]) -> IntArray:
    """Integer of each colour, of shape (height, width)."""
    return np.asarray(rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1]))


def named_codes(
    classes: Classes, ignore_index: int | None
) -> tuple[tuple[str, ...], CodeReader]:
    """Names of classes, and the reader of their masks."""
    pairs = _pairs(classes, ignore_index)
    are_colors = isinstance(pairs[0][1], tuple)
    names: dict[str, int] = {}
    found: dict[int, str] = {}
    for name, code in pairs:
        if isinstance(code, tuple) != are_colors:
            raise ValueError(
                f"classes has {code} for {name!r} and {pairs[0][1]} for "
                f"{pairs[0][0]!r}; give all classes integers, or all colours."
            )
        number = code
        if isinstance(code, tuple):
            number = int(color_codes(np.array([[code]]))[0, 0])
        if number in found:
            raise ValueError(
                f"classes has {code} for {found[number]!r} and for {name!r}; keep one."
            )
        found[number] = name
        names.setdefault(name, len(names))
    if not are_colors and ignore_index in found:
        raise ValueError(
            f"ignore_index={ignore_index} is the class {found[ignore_index]!r}; choose "
            "another one, or leave the class out of a mapping of the others."
        )
    codes = tuple(sorted(found))
    ids = tuple(names[found[code]] for code in codes)
    are_all = not isinstance(classes, Mapping)
    return tuple(names), CodeReader(codes, ids, ignore_index, are_colors, are_all)


def _pairs(classes: Classes, ignore_index: int | None) -> list[tuple[str, Any]]:
    """Name of every class, and its integer or colour."""
    items: Mapping[Any, Any] = {}
    if isinstance(classes, Mapping):
        items = classes
    elif not isinstance(classes, str):
        named = enumerate(classes)
        items = {code: name for code, name in named if code != ignore_index}
    if not items:
        raise ValueError(f"classes={classes!r} must be names, one for every class.")
    return [_pair(key, value) for key, value in items.items()]


def _pair(key: Any, value: Any) -> tuple[str, Any]:  # noqa: ANN401
    """Name, and integer or colour, of an entry in either order."""
    if isinstance(value, str):
        key, value = value, int(key) if str(key).isdecimal() else key
    is_color = isinstance(value, Sequence | np.ndarray) and len(value) == 3
    if isinstance(key, str) and is_color and all(_is_below(256, v) for v in value):
        return key, tuple(map(int, value))
    if isinstance(key, str) and _is_below(DEEPEST + 1, value):
        return key, int(value)
    raise ValueError(
        'classes must be a list of names, or a mapping such as {"0": "road"}, '
        f'{{"road": 0}} or {{"road": [128, 64, 128]}}; found {key!r}: {value!r}.'
    )


def _is_below(end: int, value: Any) -> bool:  # noqa: ANN401
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return is_integer and 0 <= int(value) < end


def number_of_classes(
    masks: Iterable[Labels], ignore_index: int | None, parameter: str
) -> int:
    """One more than the largest class; 1 where the masks have none."""
    largest = 0
    for mask in masks:
        classes = mask if ignore_index is None else mask[mask != ignore_index]
        largest = max(largest, int(classes.max(initial=0)))
    if largest >= MOST_CLASSES:
        raise ValueError(
            f"masks have the value {largest}, which would make {largest + 1} classes; "
            f"pass ignore_index={largest} if it stands for no class, or {parameter}."
        )
    return largest + 1
