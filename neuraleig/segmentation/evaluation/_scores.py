"""Scores of classes against masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class SegmentationScores:
    """Pixel accuracy and intersection over union (IoU) of predicted classes.

    Parameters
    ----------
    pixel_accuracy : float
        Share of correctly classified pixels among the pixels with a class.
    mean_iou : float
        Mean of ``class_iou`` without its NaN.
    class_iou : ndarray of shape (n_classes,)
        IoU of each class; NaN if neither the masks nor the predictions have it.
    class_accuracy : ndarray of shape (n_classes,)
        Share of correctly classified pixels of each class (recall); NaN if the masks do
        not have it.
    class_pixels : ndarray of shape (n_classes,), int64
        Pixels of each class in the masks.
    class_names : tuple of str
        Name of each class.

    Notes
    -----
    Pixels in clusters without a class are wrong: false negatives of their class, and
    false positives of none.

    Examples
    --------
    >>> from neuraleig.segmentation import match_clusters
    >>> confusion = [[3, 0, 1], [0, 4, 0]]
    >>> scores = match_clusters(confusion).scores(confusion, ["sky", "road"])
    >>> scores.pixel_accuracy, scores.class_iou
    (1.0, array([1., 1.]))
    """

    pixel_accuracy: float
    mean_iou: float
    class_iou: FloatArray
    class_accuracy: FloatArray
    class_pixels: IntArray
    class_names: tuple[str, ...]

    def table(self) -> str:
        """Table of the scores of each class as plain text, in percent.

        Returns
        -------
        table : str
            Lines with the IoU, accuracy and share of the pixels of each class, ``-``
            for NaN; the means are in the last line.
        """
        share = self.class_pixels / self.class_pixels.sum()
        columns = (self.class_iou, self.class_accuracy, share)
        rows = [
            (name, *map(_percent, scores))
            for name, *scores in zip(self.class_names, *columns, strict=True)
        ]
        overall = ("all", _percent(self.mean_iou), _percent(self.pixel_accuracy), "")
        rows = [("class", "IoU", "accuracy", "share"), *rows, overall]
        width = max(len(row[0]) for row in rows)
        head, *lines, last = (
            f"{name:<{width}}  {iou:>6}  {accuracy:>8}  {share:>6}".rstrip()
            for name, iou, accuracy, share in rows
        )
        rule = "-" * len(head)
        legend = "(all: mean IoU and pixel accuracy)"
        return "\n".join([head, rule, *lines, rule, last, legend])


def segmentation_scores(
    counts: IntArray, classes: IntArray, class_names: Sequence[str] | None
) -> SegmentationScores:
    """Scores of clusters with the given classes (-1: none), from checked counts."""
    n_classes = len(counts)
    if class_names is None:
        class_names = [f"class {i}" for i in range(n_classes)]
    if len(class_names) != n_classes:
        raise ValueError(
            f"class_names has {len(class_names)} names but confusion has {n_classes} "
            "rows; give one name per class, without ignored ones."
        )
    if counts.sum() == 0:
        raise ValueError(
            "confusion has no pixel to score: every pixel of the masks is ignored; "
            "check ignore_index and the reading of the masks."
        )
    # The last row, index -1, is for clusters without a class.
    predicted = np.zeros((n_classes + 1, n_classes), dtype=np.int64)
    np.add.at(predicted, classes, counts.T)
    hits = np.diagonal(predicted).astype(np.float64)
    pixels = counts.sum(axis=1)
    iou = _ratio(hits, pixels + predicted[:n_classes].sum(axis=1) - hits)
    return SegmentationScores(
        pixel_accuracy=float(hits.sum() / pixels.sum()),
        mean_iou=float(np.nanmean(iou)),
        class_iou=iou,
        class_accuracy=_ratio(hits, pixels),
        class_pixels=pixels,
        class_names=tuple(class_names),
    )


def checked_counts(confusion: ArrayLike) -> IntArray:
    """Confusion matrix as int64; other values than counts are refused."""
    counts = np.asarray(confusion)
    is_matrix = counts.ndim == 2 and counts.size > 0
    if not is_matrix or counts.dtype.kind not in "iu" or counts.min() < 0:
        raise ValueError(
            f"confusion of shape {counts.shape} and type {counts.dtype} must have "
            "numbers of pixels: integers of at least 0, of shape (n_classes, "
            "n_clusters), such as ConfusionMatrix.counts."
        )
    return counts.astype(np.int64)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> FloatArray:
    """Elementwise quotient; NaN for 0 / 0."""
    nothing = np.full(part.shape, np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=whole > 0))


def _percent(score: float) -> str:
    return "-" if np.isnan(score) else f"{100 * score:.2f}"
