"""Counts of pixels by class and cluster, image by image."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._typing import IntArray

# The value of masks that is usually kept for pixels without a class.
IGNORE_INDEX = 255


class ConfusionMatrix:
    """Counts of pixels by class and cluster, added up image by image.

    Parameters
    ----------
    n_classes : int
        Number of classes in the masks.
    n_clusters : int
        Number of clusters in the labels.
    ignore_index : int or None, default=255
        Value of the mask whose pixels are left out, whatever their label; None
        leaves out nothing.

    Attributes
    ----------
    counts : ndarray of shape (n_classes, n_clusters), int64
        Pixels of each class with each label.
    n_images : int
        Images counted.

    Examples
    --------
    >>> from neuraleig.segmentation.evaluation._confusion import ConfusionMatrix
    >>> confusion = ConfusionMatrix(n_classes=2, n_clusters=3)
    >>> confusion.update([[0, 0], [1, 255]], [[2, 2], [0, 1]]).counts
    array([[0, 0, 2],
           [1, 0, 0]])
    """

    def __init__(
        self, n_classes: int, n_clusters: int, ignore_index: int | None = IGNORE_INDEX
    ) -> None:
        for name, value in (("n_classes", n_classes), ("n_clusters", n_clusters)):
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name}={value!r} must be an integer of at least 1.")
        self.n_classes = n_classes
        self.n_clusters = n_clusters
        self.ignore_index = ignore_index
        self.counts: IntArray = np.zeros((n_classes, n_clusters), dtype=np.int64)
        self.n_images = 0

    def update(
        self, mask: ArrayLike, labels: ArrayLike, *, image: str | None = None
    ) -> ConfusionMatrix:
        """Add the pixels of one image.

        Parameters
        ----------
        mask : array-like of shape (height, width)
            Class of every pixel, or ``ignore_index``.
        labels : array-like of shape (height, width)
            Cluster of every pixel.
        image : str or None, default=None
            How errors name the image; its number if None.

        Returns
        -------
        confusion : ConfusionMatrix
            This object.

        Raises
        ------
        ValueError
            If the shapes differ or a value is out of range; nothing is added then.
        """
        self.counts += pixel_counts(
            mask,
            labels,
            self.n_classes,
            self.n_clusters,
            ignore_index=self.ignore_index,
            image=f"image {self.n_images}" if image is None else image,
        )
        self.n_images += 1
        return self


def pixel_counts(
    mask: ArrayLike,
    labels: ArrayLike,
    n_classes: int,
    n_clusters: int,
    *,
    ignore_index: int | None = IGNORE_INDEX,
    image: str = "image 0",
) -> IntArray:
    """Pixels of each class with each label in one image.

    Parameters
    ----------
    mask : array-like of shape (height, width)
        Class of every pixel, or ``ignore_index``.
    labels : array-like of shape (height, width)
        Cluster of every pixel.
    n_classes, n_clusters : int
        Number of classes and of clusters.
    ignore_index : int or None, default=255
        Value of the mask whose pixels are left out.
    image : str, default="image 0"
        How errors name the image.

    Returns
    -------
    counts : ndarray of shape (n_classes, n_clusters), int64
        Their sum is the number of pixels that are not ignored.

    Raises
    ------
    ValueError
        If the shapes differ or a value is out of range.
    """
    truth = _integer_map(mask, "mask", image)
    found = _integer_map(labels, "labels", image)
    if truth.shape != found.shape:
        raise ValueError(
            f"{image}: the mask has shape {truth.shape} but the labels have shape "
            f"{found.shape}; predict at the size of the mask, or resize the mask with "
            "nearest neighbours."
        )
    _check_labels(found, n_clusters, image)
    if ignore_index is not None:
        counted = truth != ignore_index
        truth, found = truth[counted], found[counted]
    _check_classes(truth, n_classes, ignore_index, image)
    pairs = truth.ravel().astype(np.int64) * n_clusters + found.ravel().astype(np.int64)
    counts = np.bincount(pairs, minlength=n_classes * n_clusters)
    return counts.astype(np.int64).reshape(n_classes, n_clusters)


def confusion_matrix(
    masks: Iterable[ArrayLike],
    labels: Iterable[ArrayLike],
    n_classes: int,
    n_clusters: int,
    ignore_index: int | None = IGNORE_INDEX,
) -> IntArray:
    """Pixels of each class with each label, over pairs of a mask and a label map.

    Parameters
    ----------
    masks : iterable of array-like of shape (height, width)
        Class of every pixel, or ``ignore_index``; sizes may differ between images.
    labels : iterable of array-like of shape (height, width)
        Cluster of every pixel, image by image as ``masks``.
    n_classes, n_clusters : int
        Number of classes and of clusters.
    ignore_index : int or None, default=255
        Value of the mask whose pixels are left out; None leaves out nothing.

    Returns
    -------
    counts : ndarray of shape (n_classes, n_clusters), int64
        Number of pixels.

    Raises
    ------
    ValueError
        If a mask is of another size than its labels, a value is out of range, or
        there are more of the one than of the other.

    Notes
    -----
    Generators are read image by image: memory is that of one pair.

    Examples
    --------
    >>> from neuraleig.segmentation.evaluation._confusion import confusion_matrix
    >>> confusion_matrix([[[0, 1]], [[1, 255]]], [[[1, 0]], [[0, 0]]], 2, 2)
    array([[0, 1],
           [2, 0]])
    """
    confusion = ConfusionMatrix(n_classes, n_clusters, ignore_index)
    nothing: Any = object()
    for mask, label_map in zip_longest(masks, labels, fillvalue=nothing):
        if mask is nothing or label_map is nothing:
            more, fewer = ("masks", "labels")
            if mask is nothing:
                more, fewer = fewer, more
            raise ValueError(
                f"there are more {more} than {fewer}, of which there are "
                f"{confusion.n_images}; pass one of each per image, in the same order."
            )
        confusion.update(mask, label_map)
    return confusion.counts


def _integer_map(values: ArrayLike, name: str, image: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 2:
        raise ValueError(
            f"{image}: {name} has shape {array.shape}; it must be (height, width), one "
            "integer per pixel (and several images a list of such arrays)."
        )
    if array.dtype.kind not in "iu":
        raise ValueError(
            f"{image}: {name} is of type {array.dtype}; it must hold integers, such as "
            f"{name}.astype(np.int64)."
        )
    return array


def _check_labels(labels: NDArray[Any], n_clusters: int, image: str) -> None:
    if labels.size and labels.min() < 0:
        raise ValueError(
            f"{image}: the labels have the value {labels.min()}; clusters count from "
            "0: give pixels without a cluster one of their own, or the mask the value "
            "ignore_index there."
        )
    if labels.size and labels.max() >= n_clusters:
        raise ValueError(
            f"{image}: the labels have the value {labels.max()}, which is not below "
            f"n_clusters={n_clusters}; set n_clusters to the number of clusters of the "
            "segmenter."
        )


def _check_classes(
    classes: NDArray[Any], n_classes: int, ignore_index: int | None, image: str
) -> None:
    wrong = classes[(classes < 0) | (classes >= n_classes)]
    if wrong.size:
        raise ValueError(
            f"{image}: the mask has the value {wrong[0]}; it must hold classes from 0 "
            f"to {n_classes - 1} (n_classes={n_classes}) or ignore_index="
            f"{ignore_index}: set ignore_index to the value of pixels without a class, "
            "map the mask to class ids, or pass a larger n_classes, to match where the "
            "map was found on images that lack the class."
        )
