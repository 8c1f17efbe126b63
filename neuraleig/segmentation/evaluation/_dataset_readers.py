"""Class ids of masks, from the values in the files of published data sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuraleig._typing import IntArray
from neuraleig.segmentation.evaluation._class_names import PASCAL_CONTEXT_59
from neuraleig.segmentation.evaluation._confusion import IGNORE_INDEX
from neuraleig.segmentation.images import read_mask
from neuraleig.segmentation.images._image_arrays import Labels, mask_in_memory

# Labels in the MAT files of Pascal Context.
N_CONTEXT_LABELS = 459


def read_class_ids(path: Path) -> IntArray:
    """Values of a mask, as int64."""
    return read_mask(path).astype(np.int64)


@dataclass(frozen=True)
class TableReader:
    """Reader of masks: ``table`` has the class of each value, 255 for none."""

    table: tuple[int, ...]

    def __call__(self, path: Path) -> IntArray:
        """Class ids of a mask in an image or MAT file."""
        values = _label_map(path) if path.suffix == ".mat" else read_mask(path)
        unknown = (values < 0) | (values >= len(self.table))
        unknown &= values != IGNORE_INDEX
        if unknown.any():
            raise ValueError(
                f"{path}: the mask has the value {values[unknown][0]}; the masks of "
                f"this set hold 0 to {len(self.table) - 1}, or {IGNORE_INDEX} for "
                "pixels without a class: pass masks of class ids, of this set, that "
                "were not resized with interpolation."
            )
        table = np.full(max(len(self.table), IGNORE_INDEX + 1), IGNORE_INDEX)
        table[: len(self.table)] = self.table
        return np.asarray(table[values], dtype=np.int64)


def _label_map(path: Path) -> Labels:
    """Labels in a published MAT file of Pascal Context."""
    from scipy.io import loadmat

    content = loadmat(path)
    if "LabelMap" not in content:
        raise ValueError(
            f"{path} has no variable LabelMap; pass the files of trainval.tar.gz."
        )
    return mask_in_memory(np.asarray(content["LabelMap"]), f"mask {str(path)!r}")


def label_map_table(labels_file: Path, frequent: tuple[int, ...]) -> tuple[int, ...]:
    """Class of each of the 459 labels in the MAT files of Pascal Context.

    ``frequent`` has the class of labels that are not frequent, then those of the 59.
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
