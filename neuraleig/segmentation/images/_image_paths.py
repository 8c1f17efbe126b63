"""Which files of a folder are images, in what order and by what names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

IMAGE_SUFFIXES = (
    ".avif",
    ".bmp",
    ".gif",
    ".jfif",
    ".jp2",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".png",
    ".pnm",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
# Record of a folder of labels, and of one that is not finished (hidden).
MANIFEST, JOURNAL = "manifest.json", ".manifest.journal"
# By which it is told from manifests of others, within its first bytes.
MANIFEST_BYTES = 200
MANIFEST_START, MANIFEST_MARK = b'{\n "schema": ', b'\n "fingerprint": "'
DIGITS = re.compile(r"([0-9]+)")

NaturalKey = tuple[tuple[tuple[int, int, str], ...], ...]


def natural_key(path: str) -> tuple[NaturalKey, str]:
    """Key that sorts ``image_9`` before ``image_10``, folder by folder."""
    folders, _, name = path.rpartition("/")
    # By itself, so that b.png comes before b2.png.
    stem, dot, suffix = name.rpartition(".")
    parts = folders.split("/") if folders else []
    parts += [stem, dot + suffix]
    # Names that differ in case or in leading zeros need an order too.
    return tuple(_tokens(part.casefold()) for part in parts), path


def _tokens(text: str) -> tuple[tuple[int, int, str], ...]:
    """Words and numbers of a text; numbers come first."""
    return tuple(
        (0, int(token), "") if DIGITS.fullmatch(token) else (1, 0, token)
        for token in DIGITS.split(text)
        if token
    )


def image_files(folder: Path, exclude: Path | None = None) -> list[Path]:
    """Images of a folder and of those below it, in natural order.

    Parameters
    ----------
    folder : Path
        Hidden files and folders are left out, and so is what does not end in one of
        ``IMAGE_SUFFIXES``. Links to folders are followed, each folder once. Folders
        below it that hold labels, see :func:`holds_labels`, are left out as well.
    exclude : Path, optional
        Folder that is not looked into.

    Returns
    -------
    paths : list of Path
        Below ``folder``. A link to a file that is gone is among them.
    """
    seen = {_identity(exclude)} if exclude is not None and exclude.exists() else set()
    # Links after folders: a folder that is reached both ways has its own name.
    folders, links = [folder], list[Path]()
    found = []
    while folders or links:
        current = folders.pop() if folders else links.pop(0)
        if _identity(current) in seen:
            continue
        seen.add(_identity(current))
        if current != folder and holds_labels(current):
            continue
        for path in sorted(current.iterdir(), key=lambda p: natural_key(p.name)):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                (links if path.is_symlink() else folders).append(path)
            elif path.suffix.lower() in IMAGE_SUFFIXES and _may_be_read(path):
                found.append(path)
    return sorted(found, key=lambda p: natural_key(p.relative_to(folder).as_posix()))


def holds_labels(folder: Path) -> bool:
    """Whether labels of images were written to a folder, finished or not."""
    manifest = folder / MANIFEST
    if (folder / JOURNAL).is_file():
        return True
    if not manifest.is_file():
        return False
    with manifest.open("rb") as file:
        start = file.read(MANIFEST_BYTES)
    return start.startswith(MANIFEST_START) and MANIFEST_MARK in start


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _may_be_read(path: Path) -> bool:
    """Not so for a pipe or a device; so for a broken link, which is to be reported."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def names_of_paths(paths: Sequence[Path]) -> list[str]:
    """Names of files, or where two are equal their paths from the common folder."""
    names = [path.name for path in paths]
    if len({name.casefold() for name in names}) == len(names):
        return names
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - no links
    try:
        root = os.path.commonpath([path.parent for path in whole])
    except ValueError:  # on several drives
        return names
    return [path.relative_to(root).as_posix() for path in whole]
