"""Contact sheets, to see what clusters are and to name them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuraleig._typing import FloatArray
from neuraleig.segmentation.images._drawing import draw_text
from neuraleig.segmentation.images._image_arrays import RGB, Labels, check_labels
from neuraleig.segmentation.images._image_files import write_image
from neuraleig.segmentation.outputs._crops import BestCrops, outlined_crop
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters
from neuraleig.segmentation.outputs._palette import Palette, resolve_colors

MARGIN = 6
SWATCH = 24
TEXT_WIDTH = 150
FONT_SIZE = 14
SMALL_FONT_SIZE = 12
INK, PALE_INK, PAPER, EMPTY = (20, 20, 20), (110, 110, 110), 255, 242


@dataclass(frozen=True)
class ClusterSheet:
    """A page with a row of crops for every cluster.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, 3)
        The page.
    shares : ndarray of shape (n_clusters,)
        Share of all pixels that each cluster has.
    """

    image: RGB
    shares: FloatArray

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to an image file, in the format that the suffix says."""
        write_image(path, self.image)


def cluster_sheet(
    items: Iterable[tuple[RGB, Labels]],
    n_clusters: int,
    *,
    n_crops: int = 8,
    crop_size: int = 96,
    names: ClusterNames | None = None,
    colors: Palette | None = None,
) -> ClusterSheet:
    """Draw a row for every cluster: its colour, number, name, share and crops.

    Parameters
    ----------
    items : iterable of (ndarray, ndarray)
        Images of shape (height, width, 3), uint8, with their labels of shape (height,
        width). They are looked at one by one and not kept.
    n_clusters : int
        Number of clusters.
    n_crops : int, default=8
        Crops per cluster: its largest regions, of as many images as there are. The
        rest of a crop is pale and grey, and the cluster is outlined in its colour.
    crop_size : int, default=96
        Side of a crop, in pixels.
    names : mapping from int to str, or sequence of str, optional
        Names of clusters.
    colors : uint8 ndarray of shape (n_clusters, 3), optional
        Colour per cluster; by default those of :func:`label_colors`.

    Returns
    -------
    sheet : ClusterSheet
        The same for the same items in the same order.

    Raises
    ------
    ValueError
        If there are no items, if the labels are not those of their image, or if a
        number is out of range.

    Notes
    -----
    Memory: the page and ``n_clusters * n_crops`` crops.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation.outputs._sheets import cluster_sheet
    >>> image = np.zeros((40, 40, 3), np.uint8)
    >>> labels = np.repeat([0, 1], [10, 30])[:, None].repeat(40, axis=1)
    >>> sheet = cluster_sheet([(image, labels)], 2, names={1: "road"})
    >>> sheet.shares.tolist()
    [0.25, 0.75]
    """
    if n_clusters < 1 or n_crops < 0 or crop_size < 8:
        raise ValueError(
            f"n_clusters={n_clusters} must be at least 1, n_crops={n_crops} at least 0 "
            f"and crop_size={crop_size} at least 8."
        )
    labels_of = names_of_clusters(names, n_clusters)
    colors = resolve_colors(colors, n_clusters)
    crops = BestCrops(n_clusters, n_crops, crop_size)
    totals = np.zeros(n_clusters, dtype=np.int64)
    for rgb, labels in items:
        _check_item(rgb, labels, n_clusters)
        counts = np.bincount(labels.ravel(), minlength=n_clusters)
        totals += counts
        crops.add(rgb, labels, counts)
    if not totals.any():
        raise ValueError("items is empty; pass at least one image with its labels.")
    shares = totals / totals.sum()
    rows = [
        _row(label, labels_of[label], shares[label], colors[label], crops)
        for label in range(n_clusters)
    ]
    page = np.concatenate(rows)
    return ClusterSheet(np.pad(page, _frame(), constant_values=PAPER), shares)


def _check_item(rgb: RGB, labels: Labels, n_clusters: int) -> None:
    if labels.shape != rgb.shape[:2]:
        raise ValueError(
            f"labels have shape {labels.shape}, but their image has {rgb.shape[:2]}."
        )
    check_labels(labels, n_clusters)


def _frame() -> tuple[tuple[int, int], ...]:
    """Paper at the top and at the right: rows bring the rest."""
    return (MARGIN, 0), (0, MARGIN), (0, 0)


def _row(
    label: int, name: str, share: float, color: NDArray[np.uint8], crops: BestCrops
) -> RGB:
    size = crops.size
    height = max(size, SWATCH + 2 * SMALL_FONT_SIZE) + MARGIN
    left = 2 * MARGIN + SWATCH + TEXT_WIDTH
    width = left + crops.n_crops * (size + MARGIN)
    row = np.full((height, width, 3), PAPER, dtype=np.uint8)
    middle = (height - MARGIN) // 2
    _write_words(row, label, name, share, middle)
    row[: height - MARGIN, MARGIN : MARGIN + SWATCH] = color
    found = crops.best(label)
    for position in range(crops.n_crops):
        at = left + position * (size + MARGIN)
        place = row[:size, at : at + size]
        place[:] = (
            outlined_crop(found[position], color) if position < len(found) else EMPTY
        )
    return row


def _write_words(row: RGB, label: int, name: str, share: float, middle: int) -> None:
    left = 2 * MARGIN + SWATCH
    width = TEXT_WIDTH - 2 * MARGIN
    title = f"{label} {name}".rstrip()
    percent = f"{100 * share:.2f} %"
    if share < 1e-4:  # "0.00 %" would leave open whether there are any
        percent = "< 0.01 %" if share else "no pixels"
    draw_text(row, title, left, middle - 9, size=FONT_SIZE, color=INK, max_width=width)
    draw_text(row, percent, left, middle + 10, size=SMALL_FONT_SIZE, color=PALE_INK)
