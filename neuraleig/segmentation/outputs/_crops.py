"""Crops that show what a cluster is made of."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from neuraleig.segmentation.images import resized_to
from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.outputs._palette import boundaries

# Side of a crop in sides of a square with the area of its region: with surroundings.
CONTEXT = 1.5
# Regions are looked for among so many pixels of an image: every other one of a larger
# image, or every third, shows the same regions.
MAX_PIXELS = 2**16
# What is not the cluster is grey, and seen through so much white.
VEIL = 0.5


@dataclass(order=True, frozen=True)
class Crop:
    """A region of a cluster with what is around it.

    The least is the first to be given up: one that is not the largest of its image,
    then a small one, then a late one.

    Parameters
    ----------
    rank : int
        0 for the largest region of the cluster in its image, -1 for the next.
    share : float
        Area of the region as a share of its image.
    order : int
        Falls from image to image.
    rgb : uint8 ndarray of shape (size, size, 3)
        Pixels.
    inside : bool ndarray of shape (size, size)
        Where the cluster is.
    """

    rank: int
    share: float
    order: int
    rgb: RGB = field(compare=False)
    inside: NDArray[np.bool_] = field(compare=False)


def outlined_crop(crop: Crop, color: NDArray[np.uint8]) -> RGB:
    """Draw a crop with its cluster outlined, and the rest pale and grey.

    Parameters
    ----------
    crop : Crop
        Region and what is around it.
    color : uint8 ndarray of shape (3,)
        Colour of its cluster.

    Returns
    -------
    rgb : uint8 ndarray of shape (size, size, 3)
        A new image.
    """
    drawn = crop.rgb.copy()
    outside = ~crop.inside
    grey = drawn[outside].mean(axis=1, keepdims=True)
    drawn[outside] = (grey * (1 - VEIL) + 255 * VEIL).astype(np.uint8)
    # Beside the cluster, of which nothing is hidden.
    drawn[boundaries(crop.inside) & outside] = color
    return drawn


class BestCrops:
    """The best crops of every cluster, of images that come one by one.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    n_crops : int
        Crops to keep of each.
    size : int
        Side of a crop, in pixels.
    """

    def __init__(self, n_clusters: int, n_crops: int, size: int) -> None:
        self.n_crops = n_crops
        self.size = size
        self._heaps: list[list[Crop]] = [[] for _ in range(n_clusters)]
        self._n_seen = 0

    def add(self, rgb: RGB, labels: Labels, counts: NDArray[np.int64]) -> None:
        """Look at an image with ``counts`` pixels per cluster."""
        if self.n_crops == 0:
            return
        boxes = ndimage.find_objects(labels.astype(np.int64) + 1)
        for label, box in enumerate(boxes):
            # No region is larger than all the pixels of its cluster.
            if box is not None and self._wants(label, 0, counts[label] / labels.size):
                self._add_regions(label, rgb, labels, box)
        self._n_seen += 1

    def best(self, label: int) -> list[Crop]:
        """Crops of a cluster, the best first."""
        return sorted(self._heaps[label], reverse=True)

    def _wants(self, label: int, rank: int, share: float) -> bool:
        heap = self._heaps[label]
        if len(heap) < self.n_crops:
            return True
        worst = heap[0]
        return (rank, share, -self._n_seen) > (worst.rank, worst.share, worst.order)

    def _add_regions(
        self, label: int, rgb: RGB, labels: Labels, box: tuple[slice, slice]
    ) -> None:
        for rank, (area, center) in enumerate(self._regions(labels[box] == label)):
            share = area / labels.size
            if not self._wants(label, -rank, share):
                return
            middle = (center[0] + box[0].start, center[1] + box[1].start)
            side = max(round(CONTEXT * area**0.5), self.size)
            window = _window(labels.shape, middle, side)
            inside = labels[window] == label
            pixels, mask = _square(rgb[window], inside, self.size)
            crop = Crop(-rank, share, -self._n_seen, pixels, mask)
            heap = self._heaps[label]
            if len(heap) < self.n_crops:
                heapq.heappush(heap, crop)
            else:
                heapq.heapreplace(heap, crop)

    def _regions(
        self, inside: NDArray[np.bool_]
    ) -> Iterator[tuple[int, tuple[int, int]]]:
        """Area and innermost pixel of the largest regions, the largest first."""
        step = math.ceil((inside.size / MAX_PIXELS) ** 0.5)
        if not inside[::step, ::step].any():  # too thin to be left pixels out of
            step = 1
        regions, _ = ndimage.label(inside[::step, ::step])
        areas = np.bincount(regions.ravel())[1:]
        boxes = ndimage.find_objects(regions)
        for region in np.argsort(-areas, kind="stable")[: self.n_crops]:
            box = boxes[region]
            # Farthest from the border of the region and from that of the image.
            alone = np.pad(regions[box] == region + 1, 1)
            depth = ndimage.distance_transform_cdt(alone)[1:-1, 1:-1]
            row, column = np.unravel_index(depth.argmax(), depth.shape)
            center = (int(row) + box[0].start, int(column) + box[1].start)
            yield int(areas[region]) * step**2, (center[0] * step, center[1] * step)


def _window(
    shape: tuple[int, ...], middle: tuple[int, int], side: int
) -> tuple[slice, slice]:
    """Square around a pixel, moved and shrunk into the image."""
    side = min(side, *shape)
    starts = [
        min(max(at - side // 2, 0), length - side)
        for at, length in zip(middle, shape, strict=True)
    ]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)


def _square(
    rgb: RGB, inside: NDArray[np.bool_], size: int
) -> tuple[RGB, NDArray[np.bool_]]:
    """Pixels at the size of a crop, and where the cluster is among them."""
    # Nearest neighbours: a mask has nothing in between.
    rows = (np.arange(size) * inside.shape[0] + inside.shape[0] // 2) // size
    columns = (np.arange(size) * inside.shape[1] + inside.shape[1] // 2) // size
    rows = np.minimum(rows, inside.shape[0] - 1)
    columns = np.minimum(columns, inside.shape[1] - 1)
    return resized_to(rgb, size, size), inside[np.ix_(rows, columns)]
