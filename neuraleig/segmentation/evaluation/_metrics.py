"""Scores of a segmentation against masks of classes: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._typing import FloatArray, IntArray
from neuraleig.segmentation.evaluation._confusion import (
    IGNORE_INDEX,
    ConfusionMatrix,
    confusion_matrix,
    pixel_counts,
)

__all__ = [
    "IGNORE_INDEX",
    "UNMATCHED",
    "ConfusionMatrix",
    "SegmentationScores",
    "checked_counts",
    "confusion_matrix",
    "pixel_counts",
    "segmentation_scores",
]

# Stands for "no class" among the classes of clusters.
UNMATCHED = -1


@dataclass(frozen=True, eq=False)
class SegmentationScores:
    """How well classes were predicted, pixel by pixel.

    Parameters
    ----------
    pixel_accuracy : float
        Share of the pixels with a class whose predicted class is right.
    mean_iou : float
        Mean of ``class_iou`` over the classes that the masks hold or that were
        predicted; a class that is in neither has no IoU and does not count.
    class_iou : ndarray of shape (n_classes,)
        Intersection over union of the pixels of the class and those predicted as it;
        NaN for a class that is in neither.
    class_accuracy : ndarray of shape (n_classes,)
        Share of the pixels of the class that were predicted as it (recall); NaN for
        a class that the masks do not hold.
    class_pixels : ndarray of shape (n_classes,), int64
        Pixels of the class in the masks.
    class_names : tuple of str
        One per class.

    Notes
    -----
    A pixel that has a class but whose cluster has none counts as wrong: it lowers the
    pixel accuracy and the accuracy and IoU of its class (a false negative), and is a
    false positive of no class.
    """

    pixel_accuracy: float
    mean_iou: float
    class_iou: FloatArray
    class_accuracy: FloatArray
    class_pixels: IntArray
    class_names: tuple[str, ...]

    def table(self) -> str:
        """Scores per class as aligned plain text, in percent.

        Returns
        -------
        table : str
            A line per class with its IoU, accuracy and share of the pixels, ``-``
            where a class has no score; the means last.
        """
        share = self.class_pixels / self.class_pixels.sum()
        rows = [
            [name, *map(_percent, scores)]
            for name, *scores in zip(
                self.class_names,
                self.class_iou,
                self.class_accuracy,
                share,
                strict=True,
            )
        ]
        overall = ["all", _percent(self.mean_iou), _percent(self.pixel_accuracy)]
        rows = [["class", "IoU", "accuracy", "share"], *rows, [*overall, ""]]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0])]
                + [row[i].rjust(widths[i]) for i in range(1, 4)]
            ).rstrip()
            for row in rows
        ]
        rule = "-" * len(lines[0])
        lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
        return "\n".join([*lines, "(all: mean IoU and pixel accuracy)"])


def segmentation_scores(
    confusion: ArrayLike, classes: ArrayLike, class_names: Sequence[str] | None = None
) -> SegmentationScores:
    """Scores of clusters that stand for classes.

    Parameters
    ----------
    confusion : array-like of shape (n_classes, n_clusters)
        Pixels of each class in each cluster.
    classes : array-like of shape (n_clusters,)
        Class of every cluster, -1 for none.
    class_names : sequence of str or None, default=None
        One per class; "class 0", "class 1", ... if None.

    Returns
    -------
    scores : SegmentationScores
        With the conventions that its notes state.

    Raises
    ------
    ValueError
        If the shapes do not fit or there is no pixel to score.

    Examples
    --------
    >>> from neuraleig.segmentation.evaluation._metrics import segmentation_scores
    >>> scores = segmentation_scores([[3, 0, 1], [0, 4, 0]], [0, 1, 1])
    >>> scores.pixel_accuracy, scores.class_iou
    (0.875, array([0.75, 0.8 ]))
    """
    counts = checked_counts(confusion)
    n_classes, n_clusters = counts.shape
    mapped = _checked_mapping(classes, n_classes, n_clusters)
    names = _checked_names(class_names, n_classes)
    if counts.sum() == 0:
        raise ValueError(
            "there is no pixel to score: every pixel of the masks is ignored; check "
            "ignore_index and how the masks are read."
        )
    # Clusters without a class are added to a last column, which index -1 is.
    predicted = np.zeros((n_classes + 1, n_classes), dtype=np.int64)
    np.add.at(predicted, mapped, counts.T)
    hits = np.diagonal(predicted).astype(np.float64)
    pixels = counts.sum(axis=1)
    union = pixels + predicted[:n_classes].sum(axis=1) - hits
    iou = _ratio(hits, union)
    return SegmentationScores(
        pixel_accuracy=float(hits.sum() / pixels.sum()),
        mean_iou=float(np.nanmean(iou)),
        class_iou=iou,
        class_accuracy=_ratio(hits, pixels),
        class_pixels=pixels,
        class_names=names,
    )


def checked_counts(confusion: ArrayLike, name: str = "confusion") -> IntArray:
    """Confusion matrix as int64, refused unless it holds counts."""
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.size == 0:
        raise ValueError(
            f"{name} has shape {counts.shape}; it must be (n_classes, n_clusters), as "
            "confusion_matrix returns it."
        )
    if counts.dtype.kind not in "iu":
        raise ValueError(
            f"{name} is of type {counts.dtype}; it must hold integers: counts of "
            "pixels, not shares."
        )
    if counts.min() < 0:
        raise ValueError(
            f"{name} has a minimum of {counts.min()}; counts of pixels are not "
            "negative: pass what confusion_matrix returns."
        )
    return counts.astype(np.int64)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> FloatArray:
    """Elementwise quotient, NaN where there is nothing to divide by."""
    nothing = np.full(part.shape, np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=whole > 0))


def _percent(score: float) -> str:
    return "-" if np.isnan(score) else f"{100 * score:.2f}"


def _checked_mapping(classes: ArrayLike, n_classes: int, n_clusters: int) -> IntArray:
    mapped = np.asarray(classes)
    if mapped.shape != (n_clusters,) or mapped.dtype.kind not in "iu":
        raise ValueError(
            f"classes has shape {mapped.shape} and type {mapped.dtype}; it must be "
            f"{n_clusters} integers, one class per column of confusion."
        )
    if mapped.min() < UNMATCHED or mapped.max() >= n_classes:
        raise ValueError(
            f"classes has values from {mapped.min()} to {mapped.max()}; they must be "
            f"from 0 to {n_classes - 1}, or {UNMATCHED} for a cluster without a class."
        )
    return mapped.astype(np.int64)


def _checked_names(names: Sequence[str] | None, n_classes: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"class {i}" for i in range(n_classes))
    if len(names) != n_classes:
        raise ValueError(
            f"class_names has {len(names)} names but confusion has {n_classes} rows; "
            "give one name per class, without those that are ignored."
        )
    return tuple(names)
