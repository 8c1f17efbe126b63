"""Masks of the labelled sets: from what their files hold to ids of classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuraleig._typing import IntArray
from neuraleig.segmentation.evaluation._class_names import (
    ADE20K_150,
    CAMVID,
    CITYSCAPES_19,
    CITYSCAPES_27,
    PASCAL_CONTEXT_59,
)
from neuraleig.segmentation.evaluation._confusion import IGNORE_INDEX
from neuraleig.segmentation.images._image_files import read_mask

MaskReader = Callable[[Path], IntArray]
"""From the path of a mask to its class ids, int64 of shape (height, width)."""

# Labels of Pascal Context among all 459.
N_CONTEXT_LABELS = 459
_NO_CLASS = (IGNORE_INDEX,)


def camvid_table() -> tuple[int, ...]:
    """Class by value in CamVid: 0 to 10, then void."""
    return (*range(len(CAMVID)), IGNORE_INDEX)


def cityscapes_table() -> tuple[int, ...]:
    """Class of 19 by label id: the train ids."""
    classes = [
        CITYSCAPES_19.index(name) if name in CITYSCAPES_19 else IGNORE_INDEX
        for name in CITYSCAPES_27
    ]
    return (*_NO_CLASS * 7, *classes)


def cityscapes27_table() -> tuple[int, ...]:
    """Class of 27 by label id: ids 7 to 33."""
    return (*_NO_CLASS * 7, *range(len(CITYSCAPES_27)))


def ade20k_table() -> tuple[int, ...]:
    """Class by value in ADE20K: 0 is no class."""
    return (*_NO_CLASS, *range(len(ADE20K_150)))


def pascal_context_table() -> tuple[int, ...]:
    """Class of 59 by value in Pascal Context: 0 is background, not scored."""
    return (*_NO_CLASS, *range(len(PASCAL_CONTEXT_59)))


def pascal_context60_table() -> tuple[int, ...]:
    """Class of 60 by value in Pascal Context: background is one."""
    return tuple(range(len(PASCAL_CONTEXT_59) + 1))


def read_class_ids(path: Path) -> IntArray:
    """Values of a mask as they are, checked to be one integer per pixel."""
    return _single_channel(read_mask(path), path).astype(np.int64)


@dataclass(frozen=True)
class TableReader:
    """Masks whose values stand for classes by a table.

    Parameters
    ----------
    table : tuple of int
        Class of every value from 0, 255 for values without a class. The value 255 has
        none either, as is the custom.
    """

    table: tuple[int, ...]

    def __call__(self, path: Path) -> IntArray:
        """Class ids of the mask at ``path``."""
        values = read_class_ids(path)
        unknown = (values < 0) | (values >= len(self.table))
        unknown &= values != IGNORE_INDEX
        if unknown.any():
            raise ValueError(
                f"{path}: the mask has the value {values[unknown][0]}; the masks of "
                f"this set hold 0 to {len(self.table) - 1}, or {IGNORE_INDEX} for "
                "pixels without a class: is it a mask of ids, of this set, and not "
                "resized with interpolation?"
            )
        return np.asarray(_padded(self.table)[values])


@dataclass(frozen=True)
class LabelMapReader:
    """Masks of Pascal Context as published: MAT files of all 459 labels.

    Parameters
    ----------
    table : tuple of int
        Class of every label from 0 to 459.
    """

    table: tuple[int, ...]

    def __call__(self, path: Path) -> IntArray:
        """Class ids of the mask at ``path``."""
        from scipy.io import loadmat

        content = loadmat(path)
        if "LabelMap" not in content:
            raise ValueError(
                f"{path} holds no variable LabelMap; the files of trainval.tar.gz do."
            )
        labels = _single_channel(np.asarray(content["LabelMap"]), path)
        if labels.size and (labels.min() < 0 or labels.max() >= len(self.table)):
            raise ValueError(
                f"{path}: LabelMap has values from {labels.min()} to {labels.max()}; "
                f"they must be from 0 to {len(self.table) - 1}."
            )
        return np.asarray(np.array(self.table, dtype=np.int64)[labels])


def label_map_table(labels_file: Path, frequent: tuple[int, ...]) -> tuple[int, ...]:
    """Class by label of the MAT files of Pascal Context.

    Parameters
    ----------
    labels_file : path
        The published ``labels.txt``: a line ``label: name`` for each of 459 labels.
    frequent : tuple of int
        Class of the background (every other label), then of each of the 59 names.

    Returns
    -------
    table : tuple of int
        Class of every label from 0 to 459.

    Raises
    ------
    ValueError
        If the file does not name one of the 59 classes.
    """
    labels = {}
    for line in labels_file.read_text(encoding="utf-8").splitlines():
        label, _, name = line.partition(":")
        if label.strip().isdigit():
            labels["".join(name.split())] = int(label)
    missing = [name for name in PASCAL_CONTEXT_59 if name not in labels]
    if missing:
        raise ValueError(
            f"{labels_file} has no line for {', '.join(missing[:5])} ({len(missing)} "
            "of the 59 classes); it must be the published list of 459 labels, with "
            "lines such as '2: aeroplane'."
        )
    table = [frequent[0]] * (N_CONTEXT_LABELS + 1)
    for name, value in zip(PASCAL_CONTEXT_59, frequent[1:], strict=True):
        table[labels[name]] = value
    return tuple(table)


def _padded(table: tuple[int, ...]) -> IntArray:
    """Table of the values up to 255."""
    padded = np.full(IGNORE_INDEX + 1, IGNORE_INDEX, dtype=np.int64)
    padded[: len(table)] = table
    return padded


def _single_channel(values: NDArray[Any], path: Path) -> NDArray[Any]:
    if values.ndim != 2 or values.dtype.kind not in "iub":
        raise ValueError(
            f"{path}: the mask has shape {values.shape} and type {values.dtype}; it "
            "must hold one integer per pixel: convert a coloured mask to class ids."
        )
    return values
