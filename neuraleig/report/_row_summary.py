"""What a fitted estimator says of rows, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuraleig._rows import draw_rows, slices_of
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import FloatArray, IntArray
from neuraleig.report._confidence import ConfidenceCounts, Confidences
from neuraleig.report._moments import FeatureMoments, MomentSums


@dataclass(frozen=True)
class InspectedRows:
    """Rows that were drawn, with what is said of them.

    Parameters
    ----------
    rows : ndarray of shape (n_drawn, n_features)
        In the order of the data.
    numbers : ndarray of shape (n_drawn,)
        Which rows of the data they are, counted from 0.
    probabilities : ndarray of shape (n_drawn, n_clusters)
        Of every cluster.
    """

    rows: FloatArray
    numbers: IntArray
    probabilities: FloatArray

    @property
    def labels(self) -> IntArray:
        """Cluster of every row."""
        labels: IntArray = self.probabilities.argmax(axis=1)
        return labels

    @property
    def confidences(self) -> FloatArray:
        """Probability of this cluster."""
        largest: FloatArray = self.probabilities.max(axis=1)
        return largest


@dataclass(frozen=True)
class RowSummary:
    """What is known of rows after one pass.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    moments : FeatureMoments
        Of their features.
    confidences : Confidences
        Sizes of clusters, and how probable labels are, over all rows.
    inspected : InspectedRows
        Some of the rows, or all.
    """

    n_rows: int
    moments: FeatureMoments
    confidences: Confidences
    inspected: InspectedRows


def summarize_rows(
    estimator: Any,  # noqa: ANN401 - clustering, embedding or pipeline
    data: Any,  # noqa: ANN401 - rows of any kind
    most: int,
    seed: int,
) -> RowSummary:
    """Look at all rows once, and keep some.

    Parameters
    ----------
    estimator : estimator
        Fitted. One without ``predict_proba`` is taken to have one cluster.
    data : array-like, sliceable or iterable of batches
        Rows, of shape (n_samples, n_features) in all.
    most : int
        Rows to keep.
    seed : int
        Seed of the draw.

    Returns
    -------
    summary : RowSummary
        Memory: that of one part, and a few times the rows that are kept.

    Raises
    ------
    ValueError
        If there are no rows, or they are not those that the estimator takes.
    """
    reader = _Reader(estimator)
    drawn = draw_rows(reader.parts(data), most, seed)
    if reader.sums is None:
        raise ValueError("data has no rows; there must be at least one.")
    numbers = np.arange(drawn.n_rows) if drawn.index is None else drawn.index
    split = reader.n_features
    kept: FloatArray = drawn.rows.astype(np.float64, copy=False)
    inspected = InspectedRows(kept[:, :split], numbers, kept[:, split:])
    return RowSummary(
        drawn.n_rows,
        reader.sums.moments(),
        reader.counts.confidences(),
        inspected,
    )


class _Reader:
    """Rows with their probabilities, counted when they pass."""

    sums: MomentSums | None = None
    counts: ConfidenceCounts
    n_features: int

    def __init__(self, estimator: Any) -> None:  # noqa: ANN401
        self._estimator = estimator

    def parts(self, data: Any) -> Iterator[FloatArray]:  # noqa: ANN401
        """Parts of shape (n_part, n_features + n_clusters)."""
        for part in _chunks(data):
            probabilities = self._probabilities(part)
            rows = _numbers(part)
            if self.sums is None:
                self.n_features = rows.shape[1]
                self.sums = MomentSums(probabilities.shape[1])
                self.counts = ConfidenceCounts(probabilities.shape[1])
            labels = probabilities.argmax(axis=1)
            self.sums.add(rows, labels)
            self.counts.add(labels, probabilities.max(axis=1))
            yield np.column_stack([rows, probabilities])

    def _probabilities(self, part: Any) -> FloatArray:  # noqa: ANN401
        if hasattr(self._estimator, "predict_proba"):
            return np.asarray(self._estimator.predict_proba(part), dtype=np.float64)
        # Checks the rows, too.
        n_rows = len(self._estimator.transform(part))
        return np.ones((n_rows, 1))


def _chunks(data: Any) -> Iterator[Any]:  # noqa: ANN401
    """Parts of the data that can be held, of their own type, so that names stay."""
    for part in slices_of(data):
        rows: Any = np.asarray(part) if isinstance(part, list | tuple) else part
        shape: tuple[int, ...] = getattr(rows, "shape", ())
        if len(shape) != 2 or shape[0] == 0:
            yield rows
            continue
        step = max(1, SLICE_ELEMENTS // max(1, shape[1]))
        for start in range(0, shape[0], step):
            stop = start + step
            yield rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def _numbers(part: Any) -> FloatArray:  # noqa: ANN401
    try:
        return np.asarray(part, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "data has columns that are no numbers, which a report cannot average; "
            "pass what the pipeline makes of them to its last step instead."
        ) from error
