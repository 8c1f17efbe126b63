"""Labels of a folder of images, in files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
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
)
from neuraleig.segmentation.images._image_files import (
    stored_size,
    write_image,
    write_labels,
)
from neuraleig.segmentation.images._image_sets import ImageSet, as_image_set
from neuraleig.segmentation.outputs._label_files import (
    FolderRecord,
    ImageRecord,
    label_names,
)
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters
from neuraleig.segmentation.outputs._palette import Palette, overlay, resolve_colors

OVERLAYS = "overlays"
# Images that a warning names.
N_NAMED = 5


@dataclass(frozen=True)
class FolderReport:
    """Result of ``DenseSegmenter.predict_folder``.

    Parameters
    ----------
    manifest : Path
        JSON file that describes the clusters and every image.
    written : list of str
        Names of the images that were labelled.
    skipped : list of str
        Names of the images that an earlier run had labelled.
    unreadable : list of (str, str)
        Name of each image that cannot be read, and the reason.
    pixels : ndarray of shape (n_clusters,), int64
        Number of pixels in each cluster, over all labelled images.

    Examples
    --------
    >>> report = model.predict_folder("photos", "masks")  # doctest: +SKIP
    >>> report.written, report.skipped  # doctest: +SKIP
    (['china.jpg', 'flower.jpg'], [])
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
    """Write the labels of images to a folder, and skip those that are there.

    ``fingerprint`` changes whenever results of ``label`` would. An image is skipped if
    the record of a run with the same settings has its name and content, and its label
    file has its size: both folders may be moved. One process at a time may write to
    ``out``.
    """
    out = Path(out)
    images = _source_images(source, out)
    colors = resolve_colors(colors, n_labels)
    cluster_names = names_of_clusters(names, n_labels)
    image_names = images.names
    targets = label_names(image_names)
    job = _Job(label, images, image_names, out, targets, colors, overlays)
    written = [*targets, *map(_overlay, targets)]
    _check_targets(images, out, written)
    hexes = ["#" + bytes(color).hex() for color in colors]
    record = FolderRecord(out, fingerprint, hexes, _folder_of(images))
    out.mkdir(parents=True, exist_ok=True)
    if overwrite:
        record.forget()
    done = job.finished(record)
    # In folders of this run only: another process may write elsewhere below out.
    remove_temporaries({out, *((out / target).parent for target in written)})
    record.start(done.values())
    found = dict(done)
    pending = [i for i in range(len(images)) if i not in done]
    for index in _with_progress(pending, progress):
        found[index] = job.run(index)
        record.add(found[index])
    records = [found[index] for index in range(len(images))]
    record.finish(records, cluster_names)
    return _report(record.manifest, records, set(pending), n_labels)


@dataclass(frozen=True)
class _Job:
    """Images to label, and where the labels go."""

    label: Callable[[RGB], Labels]
    images: ImageSet
    names: list[str]
    out: Path
    targets: list[str]
    colors: Palette
    overlays: bool

    def finished(self, record: FolderRecord) -> dict[int, ImageRecord]:
        """Records of earlier runs that still hold, by index."""
        records = record.done()
        same = {
            index: records[target]
            for index, target in enumerate(self.targets)
            if target in records and self._is_of(index, records[target])
        }
        if records and not same and record.is_of_another_folder:
            raise ValueError(
                f"out={str(self.out)!r} holds labels of {len(records)} other images "
                "and of none of these; choose another out, or pass overwrite=True to "
                "replace them and their record."
            )
        return {i: found for i, found in same.items() if self._is_whole(found)}

    def _is_of(self, index: int, record: ImageRecord) -> bool:
        """Compare by content, too: many folders have a 0001.png."""
        try:
            stamp = _stamp(self.images, index)
        except ImageError:
            return False
        return (record.source, record.stamp) == (self.names[index], stamp)

    def _is_whole(self, record: ImageRecord) -> bool:
        target = str(record.labels)
        has_overlay = record.overlay and (self.out / _overlay(target)).is_file()
        try:
            size = stored_size(self.out / target)
        except ImageError:
            return False
        wanted = has_overlay or not self.overlays
        return wanted and size == (record.height, record.width)

    def run(self, index: int) -> ImageRecord:
        """Label an image and write its files."""
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
        write_labels(self._in_folder(target), labels, self.colors)
        if self.overlays:
            picture = overlay(rgb, labels, self.colors)
            write_image(self._in_folder(_overlay(target)), picture)
        counts = np.bincount(labels.ravel())
        pixels = {str(i): int(counts[i]) for i in np.flatnonzero(counts)}
        return ImageRecord(name, stamp, target, height, width, pixels, self.overlays)

    def _in_folder(self, target: str) -> Path:
        """Path of a file to write, in a folder that exists."""
        path = self.out / target
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _overlay(target: str) -> str:
    return f"{OVERLAYS}/{target.removesuffix('.png')}.jpg"


def _source_images(source: Any, out: Path) -> ImageSet:  # noqa: ANN401
    is_path = isinstance(source, str | os.PathLike)
    if is_path and out.exists() and Path(source).is_dir() and out.samefile(source):
        raise ValueError(
            f"out={str(out)!r} is the folder of the images; choose another one, such "
            "as a folder in it."
        )
    return as_image_set(source, exclude=out)


def _folder_of(images: ImageSet) -> str | None:
    """Common folder of all images; None if some have no file."""
    paths = [path for path in images.paths if path is not None]
    if len(paths) < len(images):
        return None
    try:
        return os.path.commonpath({str(path.parent.resolve()) for path in paths})
    except ValueError:  # on several drives
        return None


def _check_targets(images: ImageSet, out: Path, targets: Sequence[str]) -> None:
    """Refuse to overwrite an image, also through links."""
    sources = set[Path]()
    for path in filter(None, images.paths):
        sources |= {path.resolve(), path.parent.resolve() / path.name}
    root = out.resolve()
    for target in targets:
        lost = sources & {root / target, (root / target).resolve()}
        if lost:
            raise ValueError(
                f"out={str(out)!r} would overwrite the image {str(min(lost))!r}; "
                "choose another folder."
            )


def _stamp(images: ImageSet, index: int, rgb: RGB | None = None) -> str:
    """Digest of the content of an image: of its file, if it has one."""
    path = images.path(index)
    if path is None:
        pixels = images[index] if rgb is None else rgb
        content = repr(pixels.shape).encode() + pixels.tobytes()
    else:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ImageError(f"cannot read image {str(path)!r}: {error}") from error
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _with_progress(pending: Sequence[int], progress: bool) -> Iterable[int]:
    try:
        from tqdm import tqdm
    except ImportError:
        return pending
    # None: only on a terminal.
    disable = None if progress else True
    bar: Iterable[int] = tqdm(pending, desc="segment", unit="image", disable=disable)
    return bar


def _report(
    manifest: Path, records: Sequence[ImageRecord], new: set[int], n_labels: int
) -> FolderReport:
    pixels = np.zeros(n_labels, dtype=np.int64)
    for record in records:
        for label, count in record.pixels.items():
            pixels[int(label)] += count
    unreadable = [(r.source, r.error) for r in records if r.error is not None]
    labelled = [(i in new, r.source) for i, r in enumerate(records) if r.error is None]
    written = [source for is_new, source in labelled if is_new]
    skipped = [source for is_new, source in labelled if not is_new]
    if unreadable:
        reasons = "; ".join(error for _, error in unreadable[:N_NAMED])
        more = ", ..." if len(unreadable) > N_NAMED else ""
        warn_user(
            f"{len(unreadable)} of {len(records)} images could not be read and have no "
            f"labels ({reasons}{more}); {str(manifest)!r} names them.",
            ImageWarning,
        )
    return FolderReport(manifest, written, skipped, unreadable, pixels)
