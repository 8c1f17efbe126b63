"""Labels of a folder in one file of COCO's annotation format.

A mask is the lengths of its runs of zeros and ones, column by column and zeros first.
From the fourth on, a length is the difference to the one before last. Every number is
written in characters of five bits, lowest bits first and in two's complement, each
character being 48 plus the bits, plus 32 unless it is the last of its number.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neuraleig._atomic import atomic_file
from neuraleig._typing import IntArray
from neuraleig.segmentation.images import read_mask
from neuraleig.segmentation.images._image_arrays import Labels, check_labels
from neuraleig.segmentation.images._image_paths import MANIFEST

BITS, MORE, FIRST = 5, 32, 48
# Lengths up to 2**34, beyond any image.
MOST_CHARACTERS = 7


def write_coco(path: Path, manifest: Path) -> None:
    """Write an annotation for every cluster of every image, from its label file.

    ``manifest`` is that of a folder of labels; images that could not be read are left
    out. Labels of one image are held at a time. Numbers of clusters are ids of
    categories.
    """
    content = json.loads(manifest.read_text(encoding="utf-8"))
    labelled = [image for image in content["images"] if image["labels"]]
    images = [
        {
            "id": number,
            "file_name": image["source"],
            "width": image["width"],
            "height": image["height"],
        }
        for number, image in enumerate(labelled, start=1)
    ]
    categories = [_category(**cluster) for cluster in content["clusters"]]
    head = json.dumps({"images": images, "categories": categories}, indent=1)
    with atomic_file(path) as file:
        file.write(head.removesuffix("\n}").encode("ascii"))
        file.write(b',\n "annotations": [')
        number = 0
        for image, entry in zip(images, labelled, strict=True):
            labels = read_mask(manifest.parent / entry["labels"])
            check_labels(labels, len(categories))
            for found in cluster_annotations(labels):
                number += 1
                found = {"id": number, "image_id": image["id"]} | found
                file.write(b",\n  " if number > 1 else b"\n  ")
                file.write(json.dumps(found).encode("ascii"))
        file.write(b"\n ]\n}\n")


def _category(id: int, name: str | None, color: str) -> dict[str, Any]:
    """Category of a cluster of a manifest."""
    return {
        "id": id,
        "name": name or f"cluster {id}",
        "supercategory": "cluster",
        "isthing": 0,
        "color": list(bytes.fromhex(color.removeprefix("#"))),
    }


def checked_coco(path: str | os.PathLike[str], out: Path) -> Path:
    """Path of a file of annotations, which can be written beside labels in ``out``."""
    target = Path(path)
    folder = target.resolve().parent
    wrong = ""
    if target.suffix.lower() != ".json" or target.is_dir():
        wrong = "must be the name of a .json file"
    elif folder != out.resolve() and not folder.is_dir():
        wrong = f"is in the folder {folder}, which does not exist; make it first"
    elif (folder, target.name) == (out.resolve(), MANIFEST):
        wrong = "is the manifest of the labels; choose another name"
    if wrong:
        raise ValueError(f"coco={str(path)!r} {wrong}.")
    return target


def cluster_annotations(labels: Labels) -> Iterator[dict[str, Any]]:
    """Category, mask, area and box of every cluster of an image."""
    height, width = labels.shape
    flat = labels.ravel(order="F")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    ends = np.append(starts[1:], flat.size)
    clusters = flat[starts]
    order = np.argsort(clusters, kind="stable")
    found, first = np.unique(clusters[order], return_index=True)
    for cluster, runs in zip(found, np.split(order, first[1:]), strict=True):
        begin, end = starts[runs], ends[runs]
        yield {
            "category_id": int(cluster),
            "segmentation": {
                "size": [height, width],
                "counts": compressed(_lengths(begin, end, flat.size)),
            },
            "area": int((end - begin).sum()),
            "bbox": _box(begin, end, height),
            "iscrowd": 0,
        }


def _lengths(begin: IntArray, end: IntArray, n_pixels: int) -> IntArray:
    """Lengths of runs, zeros first, from where the runs of ones begin and end."""
    borders = np.stack([begin, end], axis=1).ravel()
    lengths = np.diff(borders, prepend=0)
    rest = n_pixels - borders[-1]
    return np.append(lengths, rest) if rest else lengths


def _box(begin: IntArray, end: IntArray, height: int) -> list[int]:
    """Left, top, width and height of the pixels of some runs."""
    (first, top), (last, bottom) = (divmod(place, height) for place in (begin, end - 1))
    left, right = int(first.min()), int(last.max())
    # A run over several columns has the last row of one and the first of the next.
    upper, lower = 0, height - 1
    if (first == last).all():
        upper, lower = int(top.min()), int(bottom.max())
    return [left, upper, right - left + 1, lower - upper + 1]


def compressed(lengths: IntArray) -> str:
    """Text of the lengths of runs."""
    numbers = lengths.astype(np.int64)
    numbers[3:] -= lengths[1:-2]
    digit = np.arange(MOST_CHARACTERS)
    # Of n characters, the highest bit is the sign.
    magnitudes = np.where(numbers < 0, ~numbers, numbers)
    lasts = (magnitudes[:, None] >= 1 << (BITS * digit[1:] - 1)).sum(axis=1)
    characters = numbers[:, None] >> BITS * digit & (1 << BITS) - 1
    characters += FIRST + MORE * (digit < lasts[:, None])
    used = digit <= lasts[:, None]
    content: bytes = characters[used].astype(np.uint8).tobytes()
    return content.decode("ascii")
