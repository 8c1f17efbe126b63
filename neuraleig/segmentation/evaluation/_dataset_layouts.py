"""Where the labelled sets keep their images and masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neuraleig.segmentation.evaluation._dataset_readers import (
    LabelMapReader,
    MaskReader,
    TableReader,
    label_map_table,
)
from neuraleig.segmentation.images import IMAGE_SUFFIXES

# Files of these sets that an error names.
MAX_NAMED = 3


@dataclass(frozen=True)
class Files:
    """Images of a split, their masks in the same order, and how masks are read."""

    images: list[Path]
    masks: list[Path]
    read_mask: MaskReader


def camvid_files(root: Path, split: str, table: tuple[int, ...]) -> Files:
    """Files of CamVid, in either of its layouts."""
    base = _below(root, "CamVid")
    images, masks = base / split / "images", base / split / "labels"
    if not images.is_dir() and (base / f"{split}annot").is_dir():
        images, masks = base / split, base / f"{split}annot"
    found = _paired(_by_stem(images, IMAGE_SUFFIXES), _by_stem(masks, (".png",)))
    return Files(*found, TableReader(table))


def cityscapes_files(root: Path, split: str, table: tuple[int, ...]) -> Files:
    """Files of Cityscapes as its archives unpack."""
    found = _paired(
        _by_city(root / "leftImg8bit" / split, "_leftImg8bit.png"),
        _by_city(root / "gtFine" / split, "_gtFine_labelIds.png"),
    )
    return Files(*found, TableReader(table))


def ade20k_files(root: Path, split: str, table: tuple[int, ...]) -> Files:
    """Files of the scene parsing benchmark of ADE20K as its archive unpacks."""
    base = _below(root, "ADEChallengeData2016")
    folder = {"train": "training", "val": "validation"}[split]
    found = _paired(
        _by_stem(base / "images" / folder, IMAGE_SUFFIXES),
        _by_stem(base / "annotations" / folder, (".png",)),
    )
    return Files(*found, TableReader(table))


def pascal_context_files(root: Path, split: str, table: tuple[int, ...]) -> Files:
    """Files of Pascal Context, converted to PNG or as published."""
    base = _below(root, "VOC2010")
    lists, masks = base / "ImageSets", base / "SegmentationClassContext"
    if masks.is_dir():
        names = _names(lists / "SegmentationContext" / f"{split}.txt")
        reader: MaskReader = TableReader(table)
        suffix = ".png"
    else:
        masks = _first(root / "trainval", base / "trainval")
        if not masks.is_dir():
            raise FileNotFoundError(
                f"there is neither {base / 'SegmentationClassContext'} nor {masks}"
            )
        # The images annotated are those of VOC2010's own split.
        names = _names(
            _first(
                lists / "SegmentationContext" / f"{split}.txt",
                lists / "Main" / f"{split}.txt",
            )
        )
        labels = _first(masks.parent / "labels.txt", masks / "labels.txt")
        reader = LabelMapReader(label_map_table(_existing(labels), table))
        suffix = ".mat"
    images = _listed(names, base / "JPEGImages", ".jpg", "images")
    return Files(images, _listed(names, masks, suffix, "masks"), reader)


def _below(root: Path, name: str) -> Path:
    """The folder that the archive makes, whether root holds it or is it."""
    inner = root / name
    return inner if inner.is_dir() else root


def _first(*paths: Path) -> Path:
    """The first that exists, else the first."""
    return next((path for path in paths if path.exists()), paths[0])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}")
    return path


def _names(path: Path) -> list[str]:
    """Names of images that a list holds, one per line."""
    lines = _existing(path).read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    if not names:
        raise FileNotFoundError(f"{path} lists no image")
    return names


def _listed(names: list[str], folder: Path, suffix: str, what: str) -> list[Path]:
    """Files of the names, all of which must be there."""
    _existing(folder)
    paths = [folder / f"{name}{suffix}" for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {what} of the split: {_some(missing)}")
    return paths


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of a folder by their names without suffix."""
    files: dict[str, Path] = {}
    for path in sorted(_existing(folder).iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in files:
            raise ValueError(
                f"{folder} has both {files[path.stem].name} and {path.name}; keep one"
            )
        files[path.stem] = path
    pattern = f"*{suffixes[0]}" if len(suffixes) == 1 else "that is an image"
    return _some_files(files, folder, pattern)


def _by_city(folder: Path, ending: str) -> dict[str, Path]:
    """Files below a folder per city by city and frame."""
    found = sorted(_existing(folder).glob(f"*/*{ending}"))
    files = {
        f"{path.parent.name}/{path.name.removesuffix(ending)}": path
        for path in found
        if not path.name.startswith(".")
    }
    return _some_files(files, folder, f"*/*{ending}")


def _some_files(files: dict[str, Path], folder: Path, pattern: str) -> dict[str, Path]:
    if not files:
        raise FileNotFoundError(f"{folder} holds no file {pattern}")
    return files


def _paired(
    images: dict[str, Path], masks: dict[str, Path]
) -> tuple[list[Path], list[Path]]:
    """Images and masks of the same names, none of which may be alone."""
    for what, other, left, right in (
        ("images", "mask", images, masks),
        ("masks", "image", masks, images),
    ):
        alone = [str(path) for name, path in left.items() if name not in right]
        if alone:
            raise FileNotFoundError(f"there are {what} without {other}: {_some(alone)}")
    names = sorted(images)
    return [images[name] for name in names], [masks[name] for name in names]


def _some(names: list[str]) -> str:
    """The first names and how many there are."""
    shown = ", ".join(names[:MAX_NAMED])
    more = len(names) - MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
