"""Names of the files that labels are written to, and the record of what is done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from neuraleig._atomic import atomic_file, write_json
from neuraleig.segmentation.images._image_paths import JOURNAL, MANIFEST

SCHEMA = 1
# What reading a file of others that has such a name may raise.
NO_RECORDS = (
    AttributeError,
    KeyError,
    TypeError,
    UnicodeDecodeError,
    json.JSONDecodeError,
)
Parse = Callable[[str], list[dict[str, Any]]]
# What decides labels, in words.
OTHER = {
    "fingerprint": "another model or other settings of prediction",
    "n_labels": "another number of clusters",
    "colors": "other colours",
    "schema": "another version of neuraleig",
}


def label_names(names: Sequence[str]) -> list[str]:
    """Names of the label files of images, unique also where case does not count.

    Parameters
    ----------
    names : sequence of str
        Names of the images, with ``/`` between folders.

    Returns
    -------
    names : list of str
        ``a/b.png`` for ``a/b.jpg``. Images that differ in no more than their suffix
        keep it: ``a/b.jpg.png`` and ``a/b.tif.png``. What is then still the same gets
        a number.
    """
    stems = [_stem(name) for name in names]
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


def _stem(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{Path(last).stem}"


@dataclass(frozen=True)
class Settings:
    """What decides the content of label files.

    Parameters
    ----------
    fingerprint : str
        Of whatever makes the labels.
    n_labels : int
        Number of clusters.
    colors : list of str
        Colour per cluster, such as ``"#3f90da"``.
    """

    fingerprint: str
    n_labels: int
    colors: list[str]


@dataclass(frozen=True)
class ImageRecord:
    """What is known of an image that is done.

    Parameters
    ----------
    source : str
        Name of the image.
    stamp : str
        Changes when the image does.
    labels : str, optional
        Name of its label file; None where it could not be read.
    height, width : int
        Of the labels, in pixels.
    pixels : dict
        Number of pixels per cluster that has any.
    overlay : bool
        Whether its overlay was written too.
    error : str, optional
        Why it could not be read.
    """

    source: str
    stamp: str = ""
    labels: str | None = None
    height: int = 0
    width: int = 0
    pixels: dict[str, int] = field(default_factory=dict)
    overlay: bool = False
    error: str | None = None


class FolderRecord:
    """Manifest of a folder of labels, and the journal that it is made from.

    A journal has a line per image and is appended to while a run goes on. The
    manifest is written once, at the end.

    Parameters
    ----------
    out : Path
        The folder.
    settings : Settings
        Of this run.
    folder : str or None
        Of its images.

    Attributes
    ----------
    is_of_another_folder : bool
        Whether the last of the earlier runs that :meth:`done` read was.
    """

    def __init__(self, out: Path, settings: Settings, folder: str | None) -> None:
        self.out = out
        self.settings = settings
        self.folder = folder
        self.is_of_another_folder = False
        self._journal: IO[str] | None = None

    @property
    def manifest(self) -> Path:
        """The file of the finished record."""
        return self.out / MANIFEST

    def done(self) -> dict[str, ImageRecord]:
        """Images that earlier runs finished, by label file.

        Raises
        ------
        ValueError
            If those runs had other settings, or their record cannot be read.
        """
        return self._read(MANIFEST, _of_manifest) | self._read(JOURNAL, _of_journal)

    def forget(self) -> None:
        """Remove the record of earlier runs."""
        self.manifest.unlink(missing_ok=True)
        (self.out / JOURNAL).unlink(missing_ok=True)

    def start(self, done: Iterable[ImageRecord]) -> None:
        """Begin a journal that holds what is done."""
        head = {"schema": SCHEMA, "folder": self.folder}
        lines = [asdict(self.settings) | head, *map(asdict, done)]
        # A whole new file: the last line of the old one may be torn.
        with atomic_file(self.out / JOURNAL) as file:
            file.writelines(f"{json.dumps(line)}\n".encode() for line in lines)
        self._journal = (self.out / JOURNAL).open("a", encoding="utf-8")

    def add(self, record: ImageRecord) -> None:
        """Append an image whose files are written."""
        if self._journal is None:
            raise RuntimeError("the journal has not been started.")
        self._journal.write(f"{json.dumps(asdict(record))}\n")
        self._journal.flush()

    def close(self) -> None:
        """Close the journal; it stays for the next run."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def finish(self, records: Sequence[ImageRecord], names: Sequence[str]) -> None:
        """Write the manifest, and remove the journal."""
        self.close()
        clusters = [
            {"id": label, "name": name or None, "color": color}
            for label, (name, color) in enumerate(
                zip(names, self.settings.colors, strict=True)
            )
        ]
        # Begins as holds_labels expects it.
        content = {
            "schema": SCHEMA,
            "fingerprint": self.settings.fingerprint,
            "n_clusters": self.settings.n_labels,
            "clusters": clusters,
            "folder": self.folder,
            "images": [asdict(record) for record in records],
        }
        write_json(self.manifest, content)
        (self.out / JOURNAL).unlink(missing_ok=True)

    def _read(self, name: str, parse: Parse) -> dict[str, ImageRecord]:
        """Images of a file of earlier runs, or whatever else has its name."""
        path = self.out / name
        if not path.exists():
            return {}
        try:
            found = parse(path.read_text(encoding="utf-8"))
            if found:
                self._check(found[0])
            return _records(found[1:])
        except NO_RECORDS as error:
            raise ValueError(
                f"{str(path)!r} is not a manifest of labels; choose another out, or "
                "pass overwrite=True to replace it."
            ) from error

    def _check(self, found: Mapping[str, Any]) -> None:
        """Refuse to go on with what was made otherwise."""
        expected = asdict(self.settings) | {"schema": SCHEMA}
        others = [OTHER[name] for name in expected if found.get(name) != expected[name]]
        if others:
            raise ValueError(
                f"out={str(self.out)!r} holds labels that were made with "
                f"{' and '.join(others)}; choose another out, or pass overwrite=True "
                "to make all of them again."
            )
        # Manifests of early versions do not say.
        self.is_of_another_folder = found.get("folder") != self.folder


def _of_manifest(text: str) -> list[dict[str, Any]]:
    """Settings, and entries of the images."""
    content = json.loads(text)
    colors = [cluster["color"] for cluster in content["clusters"]]
    head = content | {"n_labels": content["n_clusters"], "colors": colors}
    return [head, *content["images"]]


def _of_journal(text: str) -> list[dict[str, Any]]:
    """The same, up to where the writer of the journal was killed."""
    entries = []
    for line in text.splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries


def _records(entries: Iterable[dict[str, Any]]) -> dict[str, ImageRecord]:
    records = (ImageRecord(**entry) for entry in entries)
    # What could not be read has no label file, and is tried again.
    return {record.labels: record for record in records if record.labels}
