"""Labels of a whole folder of images, in files."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuraleig._atomic import remove_temporaries
from neuraleig._typing import IntArray
from neuraleig._warnings import warn_user
from neuraleig.segmentation.images._image_arrays import (
    RGB,
    ImageError,
    ImageWarning,
    Labels,
    check_labels,
)
from neuraleig.segmentation.images._image_files import (
    image_size,
    write_image,
    write_labels,
)
from neuraleig.segmentation.images._image_sets import ImageSet, as_image_set
from neuraleig.segmentation.outputs._label_files import (
    FolderRecord,
    ImageRecord,
    Settings,
    label_names,
)
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters
from neuraleig.segmentation.outputs._palette import Palette, overlay, resolve_colors

OVERLAYS = "overlays"
# Of the images that a warning names.
N_NAMED = 5


@dataclass(frozen=True)
class FolderReport:
    """What became of a folder of images.

    Parameters
    ----------
    manifest : Path
        Record of all of it, in JSON.
    written : list of str
        Names of the images whose labels this run wrote.
    skipped : list of str
        Names of those that an earlier run had finished.
    unreadable : list of (str, str)
        Name of each image that could not be read, and why.
    pixels : ndarray of shape (n_labels,)
        Number of pixels per cluster, of all images with labels.
    """

    manifest: Path
    written: list[str]
    skipped: list[str]
    unreadable: list[tuple[str, str]]
    pixels: IntArray


def predict_folder(
    label: Callable[[RGB], Labels],
    source: Any,  # noqa: ANN401 - all that as_image_set takes
    out: str | os.PathLike[str],
    *,
    n_labels: int,
    fingerprint: str,
    colors: Palette | None = None,
    names: ClusterNames | None = None,
    overlays: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> FolderReport:
    """Write the labels of images to a folder, and go on where a run was stopped.

    Parameters
    ----------
    label : callable
        Takes a uint8 array (height, width, 3) and returns integers (height, width).
    source : folder, sequence of images or data set
        As for :func:`as_image_set`. What is below ``out`` is not read.
    out : path
        Folder, made if needed. Label files are palette PNGs (16-bit grey above 256
        clusters) in the same tree as the images, with ``manifest.json`` beside them.
    n_labels : int
        Number of clusters.
    fingerprint : str
        Changes when ``label`` would say something else.
    colors : uint8 ndarray of shape (n_labels, 3), optional
        Colour per cluster; by default those of :func:`label_colors`.
    names : mapping from int to str, or sequence of str, optional
        Names of clusters, for the manifest.
    overlays : bool, default=False
        Whether images under their labels are written to ``out/overlays`` too.
    overwrite : bool, default=False
        Whether labels are made again that are there already.
    progress : bool, default=True
        Whether a bar is shown, on a terminal and where tqdm is installed.

    Returns
    -------
    report : FolderReport
        What was written, what was there, and what could not be read.

    Raises
    ------
    ValueError
        If there are no images, if ``out`` would overwrite some, holds labels made
        otherwise or of other images, or if ``label`` returns something else than labels
        of the image.
    OSError
        If a file cannot be written.

    Warns
    -----
    ImageWarning
        Once, if images could not be read. They are left out.

    Notes
    -----
    Every file is written under another name and renamed, so that none is ever half
    there. An image counts as done when the record of an earlier run with the same
    settings names it, it has not changed, and its label file has its size. Images that
    are no longer there leave the record. Images of another folder have nothing to do
    in ``out``: they are known by their content, so that folders may be moved. Only
    one process may write to ``out`` at a time.
    """
    out = Path(out)
    images = _source_images(source, out)
    colors = resolve_colors(colors, n_labels)
    image_names = images.names
    targets = label_names(image_names)
    written = [*targets, *map(_overlay, targets)]
    _check_targets(images, out, written)
    hexes = ["#" + bytes(color).hex() for color in colors]
    settings = Settings(fingerprint, n_labels, hexes)
    record = FolderRecord(out, settings, _folder_of(images))
    job = _Job(label, images, image_names, out, targets, colors, overlays)
    cluster_names = names_of_clusters(names, n_labels)
    out.mkdir(parents=True, exist_ok=True)
    if overwrite:
        record.forget()
    done = job.finished(record)
    # Those of this run: elsewhere below out another process may write.
    remove_temporaries({out, *((out / target).parent for target in written)})
    record.start(done.values())
    try:
        new = job.run(done, record, progress)
    finally:
        record.close()
    found = done | new
    records = [found[index] for index in range(len(images))]
    record.finish(records, cluster_names)
    return _report(record.manifest, records, set(new), n_labels)


@dataclass(frozen=True)
class _Job:
    """Labels to be written."""

    label: Callable[[RGB], Labels]
    images: ImageSet
    names: list[str]
    out: Path
    targets: list[str]
    colors: Palette
    overlays: bool

    def finished(self, record: FolderRecord) -> dict[int, ImageRecord]:
        """Records of earlier runs that still hold, by position."""
        # By label file, of which no two are the same.
        records = record.done()
        done = {
            index: records[target]
            for index, target in enumerate(self.targets)
            if target in records and self._holds(index, records[target])
        }
        if not done and record.is_of_another_folder:
            self._check_source(records)
        return done

    def _check_source(self, records: Mapping[str, ImageRecord]) -> None:
        """Refuse to replace labels of other images, where they are of another folder.

        By content, for folders may be moved, and names such as 0001.png are in many.
        """
        if records and not self._shares_images(records):
            raise ValueError(
                f"out={str(self.out)!r} holds labels of {len(records)} other images, "
                "none of which is among these; choose another out, or pass "
                "overwrite=True to replace them and the record of them."
            )

    def _shares_images(self, records: Mapping[str, ImageRecord]) -> bool:
        """Whether an image is one of those of earlier runs, wherever its labels are."""
        stamps = {record.source: record.stamp for record in records.values()}
        for index, name in enumerate(self.names):
            try:
                if name in stamps and _stamp(self.images, index) == stamps[name]:
                    return True
            except ImageError:
                return True  # nobody can tell
        return False

    def _holds(self, index: int, record: ImageRecord) -> bool:
        target = self.targets[index]
        if record.source != self.names[index]:
            return False
        laid_over = record.overlay and (self.out / _overlay(target)).is_file()
        if self.overlays and not laid_over:
            return False
        try:
            written = image_size(self.out / target) == (record.height, record.width)
            return written and _stamp(self.images, index) == record.stamp
        except ImageError:  # of either file
            return False

    def run(
        self, done: Mapping[int, ImageRecord], record: FolderRecord, progress: bool
    ) -> dict[int, ImageRecord]:
        """Label what is not done."""
        pending = [i for i in range(len(self.images)) if i not in done]
        new = {}
        for index in _with_progress(pending, progress):
            new[index] = self._label(index)
            record.add(new[index])
        return new

    def _label(self, index: int) -> ImageRecord:
        name, target = self.names[index], self.targets[index]
        try:
            rgb = self.images[index]
            stamp = _stamp(self.images, index, rgb)
        except ImageError as error:
            return ImageRecord(name, error=str(error))
        labels = np.asarray(self.label(rgb))
        height, width = rgb.shape[:2]
        if labels.shape != (height, width):
            raise ValueError(
                f"label returned shape {labels.shape} for image {name!r} of shape "
                f"{(height, width)}; it must return one label per pixel."
            )
        check_labels(labels, len(self.colors))
        self._write(target, rgb, labels)
        counts = np.bincount(labels.ravel())
        pixels = {str(i): int(counts[i]) for i in np.flatnonzero(counts)}
        return ImageRecord(
            name, stamp, target, height, width, pixels, overlay=self.overlays
        )

    def _write(self, target: str, rgb: RGB, labels: Labels) -> None:
        path = self.out / target
        path.parent.mkdir(parents=True, exist_ok=True)
        write_labels(path, labels, self.colors)
        if self.overlays:
            path = self.out / _overlay(target)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, overlay(rgb, labels, self.colors))


def _overlay(target: str) -> str:
    return f"{OVERLAYS}/{target.removesuffix('.png')}.jpg"


def _source_images(source: Any, out: Path) -> ImageSet:  # noqa: ANN401
    if isinstance(source, str | os.PathLike) and out.exists():
        folder = Path(source)
        if folder.is_dir() and folder.samefile(out):
            raise ValueError(
                f"out={str(out)!r} is the folder of the images; choose another one, "
                "inside it if you like."
            )
    return as_image_set(source, exclude=out)


def _folder_of(images: ImageSet) -> str | None:
    """Folder that all images are in or below, or None where some have no file."""
    paths = [images.path(index) for index in range(len(images))]
    found = {str(path.parent.resolve()) for path in paths if path is not None}
    if None in paths:
        return None
    try:
        return os.path.commonpath(found)
    except ValueError:  # on several drives
        return None


def _check_targets(images: ImageSet, out: Path, targets: Sequence[str]) -> None:
    """Refuse to write over an image."""
    paths = [images.path(index) for index in range(len(images))]
    sources = set[Path]()
    for path in paths:
        if path is not None:
            # A link is lost too if its name is.
            sources |= {path.resolve(), path.parent.resolve() / path.name}
    root = out.resolve()
    for target in targets:
        # Of a link, what it leads to is written over.
        lost = sources & {root / target, (root / target).resolve()}
        if lost:
            raise ValueError(
                f"out={str(out)!r} would overwrite the image {str(min(lost))!r}; "
                "choose another folder."
            )


def _stamp(images: ImageSet, index: int, rgb: RGB | None = None) -> str:
    """Content of an image in short, without decoding where it has a file.

    Not its time: a copy is the same image. Nor its size alone, which all pictures of
    some formats share.
    """
    path = images.path(index)
    if path is None:
        pixels = images[index] if rgb is None else rgb
        head = repr(pixels.shape).encode()
        return hashlib.blake2b(head + pixels.tobytes(), digest_size=16).hexdigest()
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise ImageError(f"cannot read image {str(path)!r}: {error}") from error


def _with_progress(pending: Sequence[int], progress: bool) -> Iterable[int]:
    if not progress or not sys.stderr.isatty():
        return pending
    try:
        bar = importlib.import_module("tqdm").tqdm
    except ImportError:
        return pending
    found: Iterable[int] = bar(pending, desc="segment", unit="image")
    return found


def _report(
    manifest: Path, records: Sequence[ImageRecord], new: set[int], n_labels: int
) -> FolderReport:
    pixels = np.zeros(n_labels, dtype=np.int64)
    written: list[str] = []
    skipped: list[str] = []
    unreadable: list[tuple[str, str]] = []
    for index, record in enumerate(records):
        if record.error is not None:
            unreadable.append((record.source, record.error))
            continue
        (written if index in new else skipped).append(record.source)
        for label, count in record.pixels.items():
            pixels[int(label)] += count
    if unreadable:
        told = "; ".join(error for _, error in unreadable[:N_NAMED])
        more = ", ..." if len(unreadable) > N_NAMED else ""
        warn_user(
            f"{len(unreadable)} of {len(records)} images could not be read and have no "
            f"labels ({told}{more}); {str(manifest)!r} names them.",
            ImageWarning,
        )
    return FolderReport(manifest, written, skipped, unreadable, pixels)
