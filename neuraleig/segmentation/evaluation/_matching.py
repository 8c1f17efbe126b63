"""Classes of clusters, by their confusion with masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from neuraleig._typing import IntArray
from neuraleig.segmentation.evaluation._confusion import IGNORE_INDEX
from neuraleig.segmentation.evaluation._scores import (
    SegmentationScores,
    checked_counts,
    segmentation_scores,
)

Matching = Literal["majority", "hungarian"]
MATCHINGS: tuple[str, ...] = get_args(Matching)
# Class of clusters without one.
UNMATCHED = -1


@dataclass(frozen=True, eq=False)
class ClusterMatching:
    """Class of each cluster.

    Parameters
    ----------
    classes : ndarray of shape (n_clusters,), int64
        Class of each cluster, -1 for none.
    n_classes : int
        Number of classes.
    how : str
        Rule by which classes were found, see :func:`match_clusters`.

    Raises
    ------
    ValueError
        If ``classes`` has another form or a value that is not a class.

    Examples
    --------
    >>> from neuraleig.segmentation import match_clusters
    >>> matching = match_clusters([[5, 0, 1, 0], [0, 3, 4, 0]])
    >>> matching.classes
    array([ 0,  1,  1, -1])
    >>> matching.apply([[0, 1], [2, 3]])
    array([[  0,   1],
           [  1, 255]])
    """

    classes: IntArray
    n_classes: int
    how: str

    def __post_init__(self) -> None:
        classes = np.asarray(self.classes)
        is_list = classes.ndim == 1 and classes.size > 0 and classes.dtype.kind in "iu"
        if not is_list or classes.min() < UNMATCHED or classes.max() >= self.n_classes:
            raise ValueError(
                f"classes={self.classes!r} must have one integer per cluster: a class "
                f"from 0 to {self.n_classes - 1}, or {UNMATCHED} for none."
            )

    def apply(self, labels: ArrayLike, ignore_index: int = IGNORE_INDEX) -> IntArray:
        """Map labels to classes.

        Parameters
        ----------
        labels : array-like of int
            Clusters, of any shape.
        ignore_index : int, default=255
            Value for clusters without a class.

        Returns
        -------
        classes : ndarray of the shape of ``labels``, int64
            Class of each pixel, or ``ignore_index``.

        Raises
        ------
        ValueError
            If a label is not a cluster, or ``ignore_index`` is a class.
        """
        array = np.asarray(labels)
        n_clusters = self.classes.size
        if array.dtype.kind not in "iu":
            raise ValueError(f"labels is of type {array.dtype}; it must hold integers.")
        if array.size and (array.min() < 0 or array.max() >= n_clusters):
            raise ValueError(
                f"labels has values from {array.min()} to {array.max()}, but the "
                f"matched clusters are 0 to {n_clusters - 1}; match the clusters of "
                "the model that made these labels."
            )
        if 0 <= ignore_index < self.n_classes:
            raise ValueError(
                f"ignore_index={ignore_index} is one of the {self.n_classes} classes; "
                "choose another value, such as 255 or -1."
            )
        lookup = np.where(self.classes == UNMATCHED, ignore_index, self.classes)
        return np.asarray(lookup[array], dtype=np.int64)

    def scores(
        self, confusion: ArrayLike, class_names: Sequence[str] | None = None
    ) -> SegmentationScores:
        """Score these classes on counted pixels.

        Parameters
        ----------
        confusion : array-like of shape (n_classes, n_clusters)
            Number of pixels of each class in each cluster, in the images to score.
        class_names : sequence of str or None, default=None
            Name of each class; None: "class 0", "class 1" and so on.

        Returns
        -------
        scores : SegmentationScores
            Pixel accuracy and IoU.

        Raises
        ------
        ValueError
            If ``confusion`` has another shape, does not hold counts or has no pixel,
            or there are too many or too few names.
        """
        counts = checked_counts(confusion)
        if counts.shape != (self.n_classes, self.classes.size):
            raise ValueError(
                f"confusion has shape {counts.shape} but the map is from "
                f"{self.classes.size} clusters to {self.n_classes} classes; count both "
                "with the same n_classes and n_clusters."
            )
        return segmentation_scores(counts, self.classes, class_names)


def match_clusters(confusion: ArrayLike, how: Matching = "majority") -> ClusterMatching:
    r"""Find the class of each cluster.

    ``"majority"`` is many to one: a cluster gets the class with the highest
    intersection over union,

    .. math:: \frac{n_{ck}}{n_{c \cdot} + n_{\cdot k} - n_{ck}},

    where :math:`n_{ck}` is the number of pixels of class :math:`c` in cluster
    :math:`k`. ``"hungarian"`` is one to one: the assignment with the most correct
    pixels.

    Parameters
    ----------
    confusion : array-like of shape (n_classes, n_clusters)
        Number of pixels of each class in each cluster, see
        :class:`~neuraleig.segmentation.evaluation.ConfusionMatrix`.
    how : {"majority", "hungarian"}, default="majority"
        Rule.

    Returns
    -------
    matching : ClusterMatching
        Class of each cluster; -1 for clusters that share no pixel with their class.

    Raises
    ------
    ValueError
        If ``confusion`` does not hold counts or has no pixel, or ``how`` is unknown.

    Notes
    -----
    Published tables say "majority" or "by IoU per cluster" and leave details open.
    Here counts are summed over all images first, so that rare clusters are judged by
    all their pixels; ignored pixels are in no union; of equal IoUs the first class is
    taken. IoU favours small classes more than a vote of the pixels: a cluster goes to a
    rare class of which it holds nearly all, rather than to a common class of which it
    holds little. With "majority" the result depends neither on the numbering of the
    clusters nor on splitting clusters whose pixels are all of one class. With
    "hungarian" several assignments may have the same number of correct pixels: their
    pixel accuracy is equal, and their mean IoU may differ.

    Examples
    --------
    >>> from neuraleig.segmentation import match_clusters
    >>> counts = [[4, 3, 0], [0, 2, 0]]
    >>> match_clusters(counts, "majority").classes
    array([ 0,  1, -1])
    >>> match_clusters(counts, "hungarian").classes
    array([ 0,  1, -1])
    """
    counts = checked_counts(confusion)
    if how not in MATCHINGS:
        raise ValueError(f"how={how!r} must be one of {', '.join(MATCHINGS)}.")
    if counts.sum() == 0:
        raise ValueError(
            "confusion holds no pixel: every pixel of the masks is ignored; check "
            "ignore_index."
        )
    rule = _by_iou if how == "majority" else _one_to_one
    return ClusterMatching(rule(counts), counts.shape[0], how)


def _by_iou(counts: IntArray) -> IntArray:
    union = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0) - counts
    # An empty union has no pixel in the numerator either.
    iou = counts / np.maximum(union, 1)
    return np.where(iou.max(axis=0) > 0, iou.argmax(axis=0), UNMATCHED)


def _one_to_one(counts: IntArray) -> IntArray:
    rows, columns = linear_sum_assignment(counts, maximize=True)
    classes = np.full(counts.shape[1], UNMATCHED, dtype=np.int64)
    shared = counts[rows, columns] > 0
    classes[columns[shared]] = rows[shared]
    return classes
