"""Crops of images that show the largest regions of each cluster."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.images._resize import resize_mask, resized_to
from neuraleig.segmentation.outputs._palette import boundaries

# Side of a crop, relative to a square with the area of its region.
CONTEXT = 1.5
# Regions of larger images are found among every second pixel, third pixel and so on.
MAX_PIXELS = 2**16
# Share of white over what is not the cluster.
VEIL = 0.5


@dataclass(order=True, frozen=True)
class Crop:
    """A region of a cluster with its surroundings; worse crops compare as less.

    ``rank`` is 0 for the largest region of the cluster in its image, -1 for the next;
    ``share`` is its area relative to the image; ``order`` falls from image to image.
    """

    rank: int
    share: float
    order: int
    rgb: RGB = field(compare=False)
    inside: NDArray[np.bool_] = field(compare=False)


def outlined_crop(crop: Crop, color: NDArray[np.uint8]) -> RGB:
    """Image of a crop: its cluster outlined in a colour, the rest pale and grey."""
    drawn = crop.rgb.copy()
    outside = ~crop.inside
    grey = drawn[outside].mean(axis=1, keepdims=True)
    drawn[outside] = (grey * (1 - VEIL) + 255 * VEIL).astype(np.uint8)
    # Outside, so that the outline hides nothing of the cluster.
    drawn[boundaries(crop.inside) & outside] = color
    return drawn


class BestCrops:
    """The best ``n_crops`` crops of each cluster, ``size`` pixels wide, of a stream."""

    def __init__(self, n_clusters: int, n_crops: int, size: int) -> None:
        self.n_crops = n_crops
        self.size = size
        # The worst first.
        self._found: list[list[Crop]] = [[] for _ in range(n_clusters)]
        self._n_seen = 0

    def add(self, rgb: RGB, labels: Labels, counts: NDArray[np.int64]) -> None:
        """Take the crops of an image with ``counts`` pixels in each cluster."""
        if self.n_crops == 0:
            return
        boxes = ndimage.find_objects(labels.astype(np.int64) + 1)
        for label, box in enumerate(boxes):
            # A region has at most all pixels of its cluster.
            if box is not None and self._wants(label, 0, counts[label] / labels.size):
                self._add_regions(label, rgb, labels, box)
        self._n_seen += 1

    def best(self, label: int) -> list[Crop]:
        """Crops of a cluster, the best first."""
        return self._found[label][::-1]

    def _wants(self, label: int, rank: int, share: float) -> bool:
        found = self._found[label]
        if len(found) < self.n_crops:
            return True
        worst = found[0]
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
            pixels = resized_to(rgb[window], self.size, self.size)
            inside = resize_mask(labels[window] == label, self.size, self.size)
            crop = Crop(-rank, share, -self._n_seen, pixels, inside)
            bisect.insort(self._found[label], crop)
            del self._found[label][: -self.n_crops]

    def _regions(
        self, inside: NDArray[np.bool_]
    ) -> Iterator[tuple[int, tuple[int, int]]]:
        """Area and innermost pixel of the largest regions, the largest first."""
        step = math.ceil((inside.size / MAX_PIXELS) ** 0.5)
        if not inside[::step, ::step].any():  # too thin for larger steps
            step = 1
        regions, _ = ndimage.label(inside[::step, ::step])
        areas = np.bincount(regions.ravel())[1:]
        boxes = ndimage.find_objects(regions)
        for region in np.argsort(-areas, kind="stable")[: self.n_crops]:
            box = boxes[region]
            # Farthest from the borders of the region and of the image.
            alone = np.pad(regions[box] == region + 1, 1)
            depth = ndimage.distance_transform_cdt(alone)[1:-1, 1:-1]
            row, column = np.unravel_index(depth.argmax(), depth.shape)
            center = (int(row) + box[0].start, int(column) + box[1].start)
            yield int(areas[region]) * step**2, (center[0] * step, center[1] * step)


def _window(
    shape: tuple[int, ...], middle: tuple[int, int], side: int
) -> tuple[slice, slice]:
    """Square around a pixel, moved and shrunk to lie in the image."""
    side = min(side, *shape)
    starts = [
        min(max(at - side // 2, 0), length - side)
        for at, length in zip(middle, shape, strict=True)
    ]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)
