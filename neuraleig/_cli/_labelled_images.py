"""Labelled images that a command names: a known set, or two folders."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from neuraleig._cli._command import UsageError
from neuraleig._cli._readers import one_of, whole
from neuraleig.segmentation import SegmentationDataset, load_dataset
from neuraleig.segmentation.evaluation._datasets import DATASETS

SPLITS = ("train", "val", "test")
# Options of known sets, and of folders; the first two of each are needed.
KNOWN = ("dataset", "root", "split", "map_split")
OWN = ("images", "masks", "classes", "ignore_index", "map_images", "map_masks")
TOGETHER = (KNOWN[:2], OWN[:2], OWN[-2:])
# Keys of a description of a set, beside the forms that from_folders takes.
NAMES, VOID = "class_names", "void_id"


@dataclass(frozen=True)
class LabelledImages:
    """Labelled images to score, and those by which clusters get their classes.

    Parameters
    ----------
    dataset : NAME
        Known set, one of --layouts.
    root : DIR
        Its folder.
    split : NAME
        Split to score: train, val or test.
    map_split : NAME
        Split on which clusters are matched to classes (default: the scored one).
    images : DIR
        Folder of images of your own, in place of --dataset.
    masks : DIR
        Folder of their masks, PNG files of the same paths; an ending that all have,
        such as _L, may follow the name.
    classes : FILE
        JSON of the classes: a list of names, or an object such as {"0": "road"},
        {"road": 0} or {"road": [128, 64, 128]} for colours (default: as many as the
        masks have).
    ignore_index : N
        Value of pixels without a class.
    map_images : DIR
        Other images, on which clusters are matched to classes (default: the scored
        ones).
    map_masks : DIR
        Their masks.
    """

    dataset: Annotated[str | None, one_of(DATASETS)] = None
    root: Path | None = None
    split: Annotated[str, one_of(SPLITS)] = "val"
    map_split: Annotated[str | None, one_of(SPLITS)] = None
    images: Path | None = None
    masks: Path | None = None
    classes: Path | None = None
    ignore_index: Annotated[int, whole(0)] = 255
    map_images: Path | None = None
    map_masks: Path | None = None

    def __post_init__(self) -> None:
        """Refuse options that do not go together."""
        given = {f.name for f in fields(self) if getattr(self, f.name) != f.default}
        known, own = ([n for n in names if n in given] for names in (KNOWN, OWN))
        if known and own:
            raise UsageError(
                f"{_option(own[0])} is for folders of your own, and "
                f"{_option(known[0])} for a known set"
            )
        for pair in TOGETHER:
            missing = [name for name in pair if name not in given]
            if len(missing) == 1:
                raise UsageError(" and ".join(map(_option, pair)) + " go together")
        if not given.intersection(("dataset", "images")):
            raise UsageError(
                "name what to score: --dataset and --root, or --images and --masks"
            )

    @property
    def title(self) -> str:
        """Name of what is scored."""
        return str(self.images or f"{self.dataset} {self.split}")

    @property
    def map_title(self) -> str:
        """Name of the images by which clusters get their classes."""
        named = self.map_images or self.map_split
        return "the same images" if named in (None, self.split) else str(named)

    def load(self) -> tuple[SegmentationDataset, SegmentationDataset | None]:
        """Load what is scored, and the others by which clusters get their classes."""
        if self.images is not None and self.masks is not None:
            return self._load_folders(self.images, self.masks)
        is_same = self.map_split in (None, self.split)
        mapped = None if is_same else self._load_split(str(self.map_split))
        return self._load_split(self.split), mapped

    def images_of_fit(
        self, scored: SegmentationDataset, mapped: SegmentationDataset | None
    ) -> list[Path]:
        """Images to which a segmenter is fitted: the other ones, if there are some."""
        if self.dataset is not None:
            return self._load_split("train").images
        return (mapped or scored).images

    def _load_split(self, split: str) -> SegmentationDataset:
        try:
            return load_dataset(str(self.dataset), Path(str(self.root)), split)
        except (FileNotFoundError, ValueError) as error:
            kind = FileNotFoundError if isinstance(error, OSError) else ValueError
            reason = str(error).partition("\n")[0].removesuffix(".")
            raise kind(
                f"{reason}; neuraleig segment evaluate --layouts shows what is expected"
            ) from error

    def _load_folders(
        self, images: Path, masks: Path
    ) -> tuple[SegmentationDataset, SegmentationDataset | None]:
        from_folders = SegmentationDataset.from_folders
        classes, ignored = _read_classes(self.classes), self.ignore_index
        if isinstance(classes, dict) and NAMES in classes:
            classes, ignored = classes[NAMES], classes.get(VOID, ignored)
        scored = from_folders(images, masks, classes, ignore_index=ignored)
        if self.map_images is None or self.map_masks is None:
            return scored, None
        mapped = from_folders(
            self.map_images, self.map_masks, classes, ignore_index=ignored
        )
        if classes is None:
            # Either may lack the last classes of the other.
            most = max(scored, mapped, key=lambda found: found.n_classes)
            scored, mapped = (
                replace(found, class_names=most.class_names, reader=most.reader)
                for found in (scored, mapped)
            )
        return scored, mapped


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _read_classes(path: Path | None) -> Any:  # noqa: ANN401 - checked by from_folders
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f'{path} must hold the classes in JSON, such as ["road", "sky"] ({error})'
        ) from error
    if not isinstance(found, list | dict):
        raise ValueError(
            f"{path} holds {found!r}, and must hold a list or an object of classes in "
            'JSON, such as ["road", "sky"]'
        )
    return found
