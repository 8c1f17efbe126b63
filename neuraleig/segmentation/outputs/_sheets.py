"""Contact sheets: a row of crops for each cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuraleig._typing import FloatArray, IntArray
from neuraleig._words import count_text
from neuraleig.segmentation.images._drawing import draw_text
from neuraleig.segmentation.images._image_arrays import (
    RGB,
    Labels,
    check_labels,
    check_one_per_pixel,
)
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
    """Contact sheet: a row of crops for each cluster.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, 3)
        The sheet.
    shares : ndarray of shape (n_clusters,)
        Share of each cluster in all pixels.
    n_images : ndarray of shape (n_clusters,), int64
        Images in which each cluster occurs.

    Examples
    --------
    >>> sheet = model.contact_sheet("photos")  # doctest: +SKIP
    >>> sheet.save("clusters.png")  # doctest: +SKIP
    """

    image: RGB
    shares: FloatArray
    n_images: IntArray

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sheet to an image file.

        Parameters
        ----------
        path : path
            File, in the format of its suffix; it is replaced atomically.

        Raises
        ------
        ValueError
            If no image format has such a suffix.
        OSError
            If the file cannot be written.
        """
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
    """Draw a row of ``n_crops`` crops per cluster; images are read one by one."""
    if n_clusters < 1 or n_crops < 0 or crop_size < 8:
        raise ValueError(
            f"n_clusters={n_clusters} must be at least 1, n_crops={n_crops} at least 0 "
            f"and crop_size={crop_size} at least 8."
        )
    labels_of = names_of_clusters(names, n_clusters)
    colors = resolve_colors(colors, n_clusters)
    crops = BestCrops(n_clusters, n_crops, crop_size)
    totals, n_images = np.zeros((2, n_clusters), dtype=np.int64)
    for rgb, labels in items:
        check_one_per_pixel(labels, rgb)
        check_labels(labels, n_clusters)
        counts = np.bincount(labels.ravel(), minlength=n_clusters)
        totals += counts
        n_images += counts > 0
        crops.add(rgb, labels, counts)
    if not totals.any():
        raise ValueError("items is empty; pass at least one image with its labels.")
    shares = totals / totals.sum()
    texts = [_size_text(*size) for size in zip(shares, n_images, strict=True)]
    rows = [
        _row(label, labels_of[label], texts[label], colors[label], crops)
        for label in range(n_clusters)
    ]
    # Rows have a margin at the left and at the bottom.
    frame = (MARGIN, 0), (0, MARGIN), (0, 0)
    page = np.pad(np.concatenate(rows), frame, constant_values=PAPER)
    return ClusterSheet(page, shares, n_images)


def _size_text(share: float, n_images: int) -> str:
    if not n_images:
        return "no pixels"
    # Not "0.00 %": there are some.
    percent = f"{100 * share:.2f} %" if share >= 1e-4 else "< 0.01 %"
    return f"{percent}, {count_text(n_images, 'image')}"


def _row(
    label: int, name: str, size_text: str, color: NDArray[np.uint8], crops: BestCrops
) -> RGB:
    size = crops.size
    height = max(size, SWATCH + 2 * SMALL_FONT_SIZE) + MARGIN
    left = 2 * MARGIN + SWATCH + TEXT_WIDTH
    width = left + crops.n_crops * (size + MARGIN)
    row = np.full((height, width, 3), PAPER, dtype=np.uint8)
    middle, text_left = (height - MARGIN) // 2, 2 * MARGIN + SWATCH
    title = f"{label} {name}".rstrip()
    for text, top, font_size, ink in (
        (title, middle - 9, FONT_SIZE, INK),
        (size_text, middle + 10, SMALL_FONT_SIZE, PALE_INK),
    ):
        limit = TEXT_WIDTH - 2 * MARGIN
        draw_text(row, text, text_left, top, size=font_size, color=ink, max_width=limit)
    row[: height - MARGIN, MARGIN : MARGIN + SWATCH] = color
    found = crops.best(label)
    for position in range(crops.n_crops):
        at = left + position * (size + MARGIN)
        row[:size, at : at + size] = (
            outlined_crop(found[position], color) if position < len(found) else EMPTY
        )
    return row
