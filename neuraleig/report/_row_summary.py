"""What a fitted estimator says of rows, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuraleig._rows import draw_rows, slices_of
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting._fitted import final_step
from neuraleig.report._confidence import ConfidenceCounts, Confidences
from neuraleig.report._moments import FeatureMoments, MomentSums

# Functions that are kept: those of a plane.
N_FUNCTIONS = 2


@dataclass(frozen=True)
class InspectedRows:
    """Rows that were drawn, with what is said of them.

    Parameters
    ----------
    rows : ndarray of shape (n_drawn, n_features)
        In the order of the data.
    numbers : ndarray of shape (n_drawn,)
        Which rows of the data they are, counted from 0.
    functions : ndarray of shape (n_drawn, n_functions)
        Leading eigenfunctions without the constant one: two, or as many as there are.
    probabilities : ndarray of shape (n_drawn, n_clusters)
        Of every cluster.
    """

    rows: FloatArray
    numbers: IntArray
    functions: FloatArray
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
    kept: FloatArray = drawn.rows.astype(np.float64, copy=False)
    rows, functions, probabilities = np.split(kept, reader.splits, axis=1)
    inspected = InspectedRows(rows, numbers, functions, probabilities)
    return RowSummary(
        drawn.n_rows,
        reader.sums.moments(),
        reader.counts.confidences(),
        inspected,
    )


class _Reader:
    """Rows with what the estimator says of them, counted when they pass.

    All is asked of the parts as they come: rows that were kept as numbers have lost
    the names by which the steps of a pipeline may take their columns.
    """

    sums: MomentSums | None = None
    counts: ConfidenceCounts
    # Where the functions begin among the columns, and where the probabilities do.
    splits: tuple[int, int]

    def __init__(self, estimator: Any) -> None:  # noqa: ANN401
        self._estimator = estimator
        self._n_learned = final_step(estimator).eigenvalues_.size - 1

    def parts(self, data: Any) -> Iterator[FloatArray]:  # noqa: ANN401
        """Parts whose columns are features, functions and probabilities."""
        for part in _chunks(data):
            functions = self._functions(part)
            probabilities = self._probabilities(part, len(functions))
            rows = _numbers(part)
            if self.sums is None:
                width = rows.shape[1]
                self.splits = (width, width + functions.shape[1])
                self.sums = MomentSums(probabilities.shape[1])
                self.counts = ConfidenceCounts(probabilities.shape[1])
            labels = probabilities.argmax(axis=1)
            self.sums.add(rows, labels)
            self.counts.add(labels, probabilities.max(axis=1))
            yield np.column_stack([rows, functions, probabilities])

    def _functions(self, part: Any) -> FloatArray:  # noqa: ANN401
        values = np.asarray(self._estimator.transform(part), dtype=np.float64)
        # The clustering returns the constant function too, the embedding does not.
        learned = values[:, values.shape[1] - self._n_learned :]
        return learned[:, :N_FUNCTIONS]

    def _probabilities(self, part: Any, n_rows: int) -> FloatArray:  # noqa: ANN401
        if hasattr(self._estimator, "predict_proba"):
            return np.asarray(self._estimator.predict_proba(part), dtype=np.float64)
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
