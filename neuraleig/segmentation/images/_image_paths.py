"""Image files of a folder: which, in what order and under what names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

SUFFIXES = "avif bmp gif jfif jp2 jpeg jpg pbm pgm png pnm ppm tif tiff webp"
IMAGE_SUFFIXES = tuple(f".{name}" for name in SUFFIXES.split())
# Records of a folder of labels: of a finished run, and of one that is not finished.
MANIFEST, JOURNAL = "manifest.json", ".manifest.journal"
# First bytes of such a manifest, which other files of that name do not have.
MANIFEST_START = re.compile(rb'\{\n "schema": \d+,\n "fingerprint": "')


def natural_key(path: str) -> tuple[Any, ...]:
    """Key that sorts ``image_9`` before ``image_10``, folder by folder."""
    whole = PurePosixPath(path)
    # The suffix by itself: b.png comes before b2.png.
    parts = (*whole.parent.parts, whole.stem, whole.suffix)
    # The path decides between names that differ in case or in leading zeros.
    return [_tokens(part.casefold()) for part in parts], path


def _tokens(text: str) -> list[tuple[int, int, str]]:
    """Words and numbers of a text; numbers come first."""
    return [
        (0, int(token), "") if token.isdecimal() else (1, 0, token)
        for token in re.split("([0-9]+)", text)
        if token
    ]


def image_files(folder: Path, exclude: Path | None = None) -> list[Path]:
    """Images in and below a folder, in natural order.

    Hidden files and folders, ``exclude`` and folders that hold labels are left out; a
    broken link is an image that cannot be read.
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
        if current != folder and _holds_labels(current):
            continue
        for path in sorted(current.iterdir(), key=lambda p: natural_key(p.name)):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                (links if path.is_symlink() else folders).append(path)
            elif path.suffix.lower() in IMAGE_SUFFIXES and (
                path.is_file() or not path.exists()  # no pipe or device
            ):
                found.append(path)
    return sorted(found, key=lambda p: natural_key(p.relative_to(folder).as_posix()))


def _holds_labels(folder: Path) -> bool:
    """Whether ``predict_folder`` wrote labels to a folder, finished or not."""
    manifest = folder / MANIFEST
    if (folder / JOURNAL).is_file():
        return True
    if not manifest.is_file():
        return False
    with manifest.open("rb") as file:
        return MANIFEST_START.match(file.read(80)) is not None


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def names_of_paths(paths: Sequence[Path]) -> list[str]:
    """File names; the paths below the common folder if two names are equal."""
    names = [path.name for path in paths]
    if len({name.casefold() for name in names}) == len(names):
        return names
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - no links
    try:
        root = os.path.commonpath([path.parent for path in whole])
    except ValueError:  # on several drives
        return names
    return [path.relative_to(root).as_posix() for path in whole]
