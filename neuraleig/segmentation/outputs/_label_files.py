"""Names of label files, and the record of a folder of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from neuraleig._atomic import atomic_file, write_json
from neuraleig.segmentation.images._image_paths import JOURNAL, MANIFEST

SCHEMA = 1
# Errors of parsing a foreign file that has the name of a manifest.
FOREIGN = (
    AttributeError,
    KeyError,
    TypeError,
    UnicodeDecodeError,
    json.JSONDecodeError,
)
# Settings that change labels, in words.
SETTINGS = {
    "fingerprint": "another model or other settings of prediction",
    "n_labels": "another number of clusters",
    "colors": "other colours",
    "schema": "another version of neuraleig",
}


def label_names(names: Sequence[str]) -> list[str]:
    """Names of label files, unique even where case does not count.

    ``a/b.jpg`` becomes ``a/b.png``. Images whose names differ only in the suffix keep
    it: ``a/b.jpg.png`` and ``a/b.tif.png``. Names that are still equal get a number.
    """
    stems = [str(PurePosixPath(name).with_suffix("")) for name in names]
    n_same = Counter(stem.casefold() for stem in stems)
    taken = {stem.casefold() for stem in stems if n_same[stem.casefold()] == 1}
    result = []
    for name, stem in zip(names, stems, strict=True):
        chosen = stem
        if n_same[stem.casefold()] > 1:
            chosen, number = name, 1
            while chosen.casefold() in taken:
                number += 1
                chosen = f"{name}-{number}"
            taken.add(chosen.casefold())
        result.append(f"{chosen}.png")
    return result


@dataclass(frozen=True)
class ImageRecord:
    """Entry of an image: its label file, with the pixels by cluster, or its error."""

    source: str
    stamp: str = ""
    labels: str | None = None
    height: int = 0
    width: int = 0
    pixels: dict[str, int] = field(default_factory=dict)
    overlay: bool = False
    error: str | None = None


class FolderRecord:
    """Manifest of a folder of labels, and journal of a run that is not finished.

    A run appends a line per image to the journal, and writes the manifest at its end.
    """

    def __init__(
        self, out: Path, fingerprint: str, colors: list[str], folder: str | None
    ) -> None:
        self.out = out
        self.head: dict[str, Any] = {
            "fingerprint": fingerprint,
            "n_labels": len(colors),
            "colors": colors,
            "schema": SCHEMA,
            "folder": folder,
        }
        self.manifest, self.journal = out / MANIFEST, out / JOURNAL
        self.is_of_another_folder = False

    def done(self) -> dict[str, ImageRecord]:
        """Images that earlier runs with the same settings finished, by label file."""
        finished = self._read(self.manifest, _of_manifest)
        return finished | self._read(self.journal, _of_journal)

    def forget(self) -> None:
        """Remove the record of earlier runs."""
        self.manifest.unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)

    def start(self, done: Iterable[ImageRecord]) -> None:
        """Begin a journal with the images that are done."""
        # A new file: the last line of the old one may be incomplete.
        with atomic_file(self.journal) as file:
            for line in (self.head, *map(asdict, done)):
                file.write(f"{json.dumps(line)}\n".encode())

    def add(self, record: ImageRecord) -> None:
        """Append an image whose files are written."""
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(record))}\n")

    def finish(self, records: Sequence[ImageRecord], names: Sequence[str]) -> None:
        """Write the manifest, with the names of the clusters; remove the journal."""
        # Begins as the search for images expects it (MANIFEST_START).
        content = {
            "schema": SCHEMA,
            "fingerprint": self.head["fingerprint"],
            "n_clusters": len(names),
            "clusters": [
                {"id": label, "name": name or None, "color": self.head["colors"][label]}
                for label, name in enumerate(names)
            ],
            "folder": self.head["folder"],
            "images": [asdict(record) for record in records],
        }
        write_json(self.manifest, content)
        self.journal.unlink(missing_ok=True)

    def _read(
        self, path: Path, parse: Callable[[str], list[dict[str, Any]]]
    ) -> dict[str, ImageRecord]:
        if not path.exists():
            return {}
        try:
            head, *entries = parse(path.read_text(encoding="utf-8")) or [self.head]
            self._check(head)
            records = [ImageRecord(**entry) for entry in entries]
        except FOREIGN as error:
            raise ValueError(
                f"{str(path)!r} is not a manifest of labels; choose another out, or "
                "pass overwrite=True to replace it."
            ) from error
        # Without a label file: could not be read, and is tried again.
        return {record.labels: record for record in records if record.labels}

    def _check(self, head: Mapping[str, Any]) -> None:
        """Refuse to continue a run with other settings."""
        own = self.head
        others = [words for key, words in SETTINGS.items() if head.get(key) != own[key]]
        if others:
            raise ValueError(
                f"out={str(self.out)!r} holds labels that were made with "
                f"{' and '.join(others)}; choose another out, or pass overwrite=True "
                "to make all of them again."
            )
        self.is_of_another_folder = head.get("folder") != self.head["folder"]


def _of_manifest(text: str) -> list[dict[str, Any]]:
    """Settings, then entries of the images."""
    content = json.loads(text)
    colors = [cluster["color"] for cluster in content["clusters"]]
    head = content | {"n_labels": content["n_clusters"], "colors": colors}
    return [head, *content["images"]]


def _of_journal(text: str) -> list[dict[str, Any]]:
    """The same, up to an incomplete line."""
    entries = []
    for line in text.splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries
