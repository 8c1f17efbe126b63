"""Counts of pixels by class and cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._typing import IntArray
from neuraleig._validation import is_count

# Customary value of pixels without a class.
IGNORE_INDEX = 255


class ConfusionMatrix:
    """Number of pixels of each class in each cluster, summed over images.

    Parameters
    ----------
    n_classes : int
        Number of classes in the masks.
    n_clusters : int
        Number of clusters in the labels.
    ignore_index : int or None, default=255
        Value of mask pixels that are not counted; None counts all pixels.

    Attributes
    ----------
    counts : ndarray of shape (n_classes, n_clusters), int64
        Number of pixels.
    n_images : int
        Number of images counted.

    Raises
    ------
    ValueError
        If there is no class or no cluster.

    Examples
    --------
    >>> from neuraleig.segmentation.evaluation import ConfusionMatrix
    >>> confusion = ConfusionMatrix(n_classes=2, n_clusters=3)
    >>> confusion.update([[0, 0], [1, 255]], [[2, 2], [0, 1]]).counts
    array([[0, 0, 2],
           [1, 0, 0]])
    """

    def __init__(
        self, n_classes: int, n_clusters: int, ignore_index: int | None = IGNORE_INDEX
    ) -> None:
        for name, value in (("n_classes", n_classes), ("n_clusters", n_clusters)):
            if not is_count(value):
                raise ValueError(f"{name}={value!r} must be an integer of at least 1.")
        self.n_classes = n_classes
        self.n_clusters = n_clusters
        self.ignore_index = ignore_index
        self.counts: IntArray = np.zeros((n_classes, n_clusters), dtype=np.int64)
        self.n_images = 0

    def update(
        self, mask: ArrayLike, labels: ArrayLike, *, image: str | None = None
    ) -> ConfusionMatrix:
        """Count the pixels of an image.

        Parameters
        ----------
        mask : array-like of shape (height, width)
            Class of each pixel, or ``ignore_index``.
        labels : array-like of shape (height, width)
            Cluster of each pixel.
        image : str or None, default=None
            Name of the image in errors; None: its number.

        Returns
        -------
        self : ConfusionMatrix
            This object.

        Raises
        ------
        ValueError
            If the shapes differ or a value is out of range. Nothing is counted then.
        """
        image = f"image {self.n_images}" if image is None else image
        classes = _integer_map(mask, "mask", image)
        clusters = _integer_map(labels, "labels", image)
        if classes.shape != clusters.shape:
            raise ValueError(
                f"{image}: the mask has shape {classes.shape} but the labels have "
                f"shape {clusters.shape}; predict at the size of the mask, or resize "
                "the mask with nearest neighbours."
            )
        wrong = clusters[(clusters < 0) | (clusters >= self.n_clusters)]
        if wrong.size:
            raise ValueError(
                f"{image}: the labels have the value {wrong[0]}; clusters are 0 to "
                f"{self.n_clusters - 1} (n_clusters={self.n_clusters}): pass the "
                "number of clusters of the segmenter, and set the mask to "
                "ignore_index in pixels without a cluster."
            )
        if self.ignore_index is not None:
            counted = classes != self.ignore_index
            classes, clusters = classes[counted], clusters[counted]
        wrong = classes[(classes < 0) | (classes >= self.n_classes)]
        if wrong.size:
            raise ValueError(
                f"{image}: the mask has the value {wrong[0]}; classes are 0 to "
                f"{self.n_classes - 1} (n_classes={self.n_classes}), and pixels "
                f"without a class ignore_index={self.ignore_index}: set ignore_index, "
                "map the mask to class ids, or pass a larger n_classes, also to match "
                "if the images of the map lack the class."
            )
        pairs = classes.ravel().astype(np.int64) * self.n_clusters
        pairs += clusters.ravel().astype(np.int64)
        counts = np.bincount(pairs, minlength=self.counts.size)
        self.counts += counts.astype(np.int64).reshape(self.counts.shape)
        self.n_images += 1
        return self


def _integer_map(values: ArrayLike, name: str, image: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{image}: {name} of shape {array.shape} and type {array.dtype} must be "
            "integers of shape (height, width), one per pixel."
        )
    return array
