"""Predictions for rows, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import gen_batches

from neuraleig._rows import draw_rows, slices_of
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting._fitted import final_step
from neuraleig.report._statistics import Confidences, FeatureMoments

# Eigenfunctions that are kept for the plot.
N_FUNCTIONS = 2


@dataclass(frozen=True)
class RowSummary:
    """Statistics of all rows, and predictions for a sample of them.

    ``numbers`` are the row numbers of the sample, from 0; its ``rows``, ``functions``
    (two at most, without the constant one) and ``probabilities`` are matrices.
    ``n_novel`` counts rows unlike the training rows, where the model knows any.
    """

    n_rows: int
    moments: FeatureMoments
    counts: Confidences
    rows: FloatArray
    numbers: IntArray
    functions: FloatArray
    probabilities: FloatArray
    n_novel: int | None = None

    @property
    def labels(self) -> IntArray:
        """Cluster of each row of the sample."""
        labels: IntArray = self.probabilities.argmax(axis=1)
        return labels

    @property
    def confidences(self) -> FloatArray:
        """Probability of this cluster."""
        largest: FloatArray = self.probabilities.max(axis=1)
        return largest

    def typical_rows(self, cluster: int, n_rows: int) -> IntArray:
        """Return positions of rows near the mean of a cluster, the nearest first.

        They are taken from the half of the members with the higher probability.
        Probabilities alone would not do: they are nearly 1 for well separated clusters.
        """
        members = np.flatnonzero(self.labels == cluster)
        if members.size == 0:
            return members
        confidences = self.confidences[members]
        sure = members[confidences >= np.median(confidences)]
        deviations = self.moments.deviations
        varies = deviations > 0
        moved = self.rows[sure] - self.moments.cluster_means[cluster]
        distances = np.linalg.norm(moved[:, varies] / deviations[varies], axis=1)
        found: IntArray = sure[np.argsort(distances, kind="stable")[:n_rows]]
        return found

    def doubtful_rows(self, n_rows: int) -> IntArray:
        """Return positions of rows with the lowest probabilities, lowest first."""
        return np.argsort(self.confidences, kind="stable")[:n_rows]


def summarize_rows(
    estimator: Any,  # noqa: ANN401 - clustering, embedding or pipeline
    data: Any,  # noqa: ANN401 - rows of any kind
    max_rows: int,
    seed: int,
) -> RowSummary:
    """Evaluate an estimator at all rows, part by part, and draw a sample of them."""
    reader = _Reader(estimator)
    drawn = draw_rows(reader.parts(data), max_rows, seed)
    if reader.moments is None:
        raise ValueError("data has no rows; there must be at least one.")
    numbers = np.arange(drawn.n_rows) if drawn.index is None else drawn.index
    kept: FloatArray = np.asarray(drawn.rows, dtype=np.float64)
    rows, functions, probabilities = np.split(kept, reader.splits, axis=1)
    return RowSummary(
        drawn.n_rows,
        reader.moments,
        reader.counts,
        rows,
        numbers,
        functions,
        probabilities,
        reader.n_novel,
    )


class _Reader:
    """Source of rows with their predictions, which counts all that passes."""

    moments: FeatureMoments | None = None
    counts: Confidences
    splits: tuple[int, int]

    def __init__(self, estimator: Any) -> None:  # noqa: ANN401
        self._estimator = estimator
        step = final_step(estimator)
        self._n_learned = step.eigenvalues_.size - 1
        # Models of former versions have no threshold.
        self._threshold: float | None = getattr(step, "novelty_threshold_", None)
        self.n_novel = None if self._threshold is None else 0

    def parts(self, data: Any) -> Iterator[FloatArray]:  # noqa: ANN401
        """Yield columns of features, functions and probabilities, part by part."""
        for part in _chunks(data):
            values = np.asarray(self._estimator.transform(part), dtype=np.float64)
            # A clustering returns the constant function as well.
            first = values.shape[1] - self._n_learned
            functions = values[:, first : first + N_FUNCTIONS]
            probabilities = np.ones((len(functions), 1))
            if hasattr(self._estimator, "predict_proba"):
                found = self._estimator.predict_proba(part)
                probabilities = np.asarray(found, dtype=np.float64)
            rows = _numbers(part)
            if self.moments is None:
                width, n_clusters = rows.shape[1], probabilities.shape[1]
                self.splits = (width, width + functions.shape[1])
                self.moments = FeatureMoments(n_clusters)
                self.counts = Confidences(n_clusters)
            if self.n_novel is not None:
                scores = self._estimator.score_samples(part)
                self.n_novel += int(np.count_nonzero(scores < self._threshold))
            labels = probabilities.argmax(axis=1)
            self.moments.add(rows, labels)
            self.counts.add(labels, probabilities.max(axis=1))
            yield np.column_stack([rows, functions, probabilities])


def _chunks(data: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield parts of limited size, of the type of the data."""
    for part in slices_of(data):
        rows: Any = np.asarray(part) if isinstance(part, list | tuple) else part
        # Not all formats have slices.
        rows = rows.tocsr() if sp.issparse(rows) else rows
        shape: tuple[int, ...] = getattr(rows, "shape", ())
        if len(shape) != 2 or shape[0] == 0:
            yield rows
            continue
        indexed = getattr(rows, "iloc", rows)
        for chunk in gen_batches(shape[0], max(1, SLICE_ELEMENTS // max(1, shape[1]))):
            yield indexed[chunk]


def _numbers(part: Any) -> FloatArray:  # noqa: ANN401
    part = part.toarray() if sp.issparse(part) else part
    try:
        return np.asarray(part, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "data has columns that are not numeric, whose means a report cannot show; "
            "pass the last step of the pipeline and the rows that it receives."
        ) from error
