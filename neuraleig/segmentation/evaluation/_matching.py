"""Which class a cluster stands for: maps from clusters to classes.

Clusters have no names. To score them, each is given a class by its confusion with the
masks, either on the very images that are scored (as published; it reads the masks of
the test set and is an upper bound) or on other labelled images (held out).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from neuraleig._typing import IntArray
from neuraleig.segmentation.evaluation._confusion import IGNORE_INDEX
from neuraleig.segmentation.evaluation._metrics import (
    UNMATCHED,
    SegmentationScores,
    checked_counts,
    segmentation_scores,
)

Matching = Literal["majority", "hungarian"]
MATCHINGS: tuple[str, ...] = get_args(Matching)


@dataclass(frozen=True, eq=False)
class ClusterMatching:
    """A class for every cluster, or none.

    Attributes
    ----------
    classes : ndarray of shape (n_clusters,), int64
        Class of every cluster, -1 for a cluster without one.
    n_classes : int
        Number of classes.
    how : {"majority", "hungarian"}
        How the map was found, see :func:`match_clusters`.

    Examples
    --------
    >>> from neuraleig.segmentation.evaluation._matching import match_clusters
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

    def apply(self, labels: ArrayLike, ignore_index: int = IGNORE_INDEX) -> IntArray:
        """Classes of the pixels of a label map.

        Parameters
        ----------
        labels : array-like of integers
            Clusters, of any shape.
        ignore_index : int, default=255
            Stands for the pixels whose cluster has no class; not itself a class.

        Returns
        -------
        classes : ndarray of the shape of ``labels``, int64
            Class of every pixel, or ``ignore_index``.

        Raises
        ------
        ValueError
            If a label is not one of the clusters, or ``ignore_index`` is a class.
        """
        array = np.asarray(labels)
        n_clusters = self.classes.size
        if array.dtype.kind not in "iu":
            raise ValueError(
                f"labels is of type {array.dtype}; it must hold integers, the clusters."
            )
        if array.size and (array.min() < 0 or array.max() >= n_clusters):
            raise ValueError(
                f"labels has values from {array.min()} to {array.max()}, but clusters "
                f"are matched from 0 to {n_clusters - 1}; match the clusters of the "
                "segmenter that made these labels."
            )
        if 0 <= ignore_index < self.n_classes:
            raise ValueError(
                f"ignore_index={ignore_index} is one of the {self.n_classes} classes; "
                "choose a value outside of them, such as 255 or -1."
            )
        lookup = np.where(self.classes == UNMATCHED, ignore_index, self.classes)
        return np.asarray(lookup[array], dtype=np.int64)

    def scores(
        self, confusion: ArrayLike, class_names: Sequence[str] | None = None
    ) -> SegmentationScores:
        """Scores of this map on counted pixels.

        Parameters
        ----------
        confusion : array-like of shape (n_classes, n_clusters)
            Pixels of each class in each cluster, of the images to score.
        class_names : sequence of str or None, default=None
            One per class.

        Returns
        -------
        scores : SegmentationScores
            See :func:`segmentation_scores`.
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
    r"""Give every cluster a class.

    ``"majority"`` is many to one: every cluster goes to the class with which it has
    the highest intersection over union,

    .. math:: \frac{n_{ck}}{n_{c \cdot} + n_{\cdot k} - n_{ck}},

    :math:`n_{ck}` being the pixels of class :math:`c` in cluster :math:`k`.
    ``"hungarian"`` is one to one: the assignment under which most pixels are right.

    Parameters
    ----------
    confusion : array-like of shape (n_classes, n_clusters)
        Pixels of each class in each cluster, see :func:`confusion_matrix`.
    how : {"majority", "hungarian"}, default="majority"
        Which rule.

    Returns
    -------
    matching : ClusterMatching
        Clusters without a class are -1, never class 0.

    Raises
    ------
    ValueError
        If ``confusion`` does not hold counts or holds none, or ``how`` is unknown.

    Notes
    -----
    The published tables say "majority" and "by IoU per cluster" and leave the rest
    open. Here intersections and unions are summed over all images first (as mean IoU
    is), so that rare clusters are judged by all their pixels; pixels without a class
    are in no union; of classes with the same IoU the first is taken. IoU favours
    small classes more than a plain vote of the pixels does: a large cluster goes to a
    rare class of which it holds nearly all rather than to a common class of which it
    holds a sliver. Each cluster is judged alone by the majority rule, thus

    - the map does not depend on the numbering of clusters, and
    - clusters of pixels of one class only can be split or merged freely.

    Clusters without any pixel of a class have no IoU above 0 and get no class, and
    neither does a pair of the Hungarian assignment that shares no pixel: it is not a
    match but what was left over. Where several assignments have the same number of
    right pixels the Hungarian one is any of them, and pixel accuracy is the same for
    all, but mean IoU need not be.

    Examples
    --------
    >>> from neuraleig.segmentation.evaluation._matching import match_clusters
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
            "confusion holds no pixel, so that no cluster can be matched: every pixel "
            "of the masks is ignored; check ignore_index."
        )
    rule = _by_iou if how == "majority" else _one_to_one
    return ClusterMatching(rule(counts), counts.shape[0], how)


def _by_iou(counts: IntArray) -> IntArray:
    """Class of the highest IoU per cluster."""
    union = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0) - counts
    # Neither the class nor the cluster has a pixel where the union is empty.
    iou = counts / np.maximum(union, 1)
    return np.where(iou.max(axis=0) > 0, iou.argmax(axis=0), UNMATCHED)


def _one_to_one(counts: IntArray) -> IntArray:
    """Class per cluster under the best one-to-one assignment of pixels."""
    rows, columns = linear_sum_assignment(counts, maximize=True)
    classes = np.full(counts.shape[1], UNMATCHED, dtype=np.int64)
    shared = counts[rows, columns] > 0
    classes[columns[shared]] = rows[shared]
    return classes
