"""Predictions for rows, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from neuraleig._rows import draw_rows, slices_of
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting._fitted import final_step
from neuraleig.report._columns import Columns
from neuraleig.report._profile import CellCounts, Profile
from neuraleig.report._statistics import Confidences
from neuraleig.report._texts import Beside, KeywordCounts, near_duplicates

# Rows of a part that are texts.
TEXT_ROWS = 10_000


class Given(NamedTuple):
    """What is passed beside the rows: names of columns, and a value of each row."""

    feature_names: Sequence[str] | None = None
    texts: Iterable[Any] | None = None
    row_names: Iterable[Any] | None = None


@dataclass(frozen=True)
class RowSummary:
    """Statistics of all rows, and predictions for a sample of them.

    ``numbers`` are the row numbers of the sample, from 0; its ``cells``, ``functions``
    (without the constant one) and ``probabilities`` are matrices. ``keywords`` are
    those of each cluster; they, ``texts`` and ``row_names`` are ``None`` without texts
    and names. ``n_novel`` counts rows unlike the training rows, where the model knows
    any.
    """

    n_rows: int
    profile: Profile
    counts: Confidences
    cells: FloatArray
    numbers: IntArray
    functions: FloatArray
    probabilities: FloatArray
    keywords: KeywordCounts | None = None
    texts: NDArray[np.object_] | None = None
    row_names: NDArray[np.object_] | None = None
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
        Rows without columns are compared by their eigenfunctions.
        """
        members = np.flatnonzero(self.labels == cluster)
        if members.size == 0:
            return members
        confidences = self.confidences[members]
        sure = members[confidences >= np.median(confidences)]
        if self.profile.column.size:
            distances = self.profile.distances(self.cells[sure], cluster)
        else:
            middle = self.functions[members].mean(axis=0)
            distances = np.linalg.norm(self.functions[sure] - middle, axis=1)
        found: IntArray = sure[np.argsort(distances, kind="stable")[:n_rows]]
        return found

    def doubtful_rows(self, n_rows: int) -> IntArray:
        """Return positions of rows with the lowest probabilities, lowest first."""
        return np.argsort(self.confidences, kind="stable")[:n_rows]

    def medians(self, cluster: int) -> FloatArray:
        """Medians of the columns in the sample of a cluster; NaN without a number."""
        cells = self.cells[self.labels == cluster]
        # Missing numbers are at the end.
        ordered = np.sort(cells, axis=0)
        counts = (~np.isnan(cells)).sum(axis=0)
        if not len(cells):
            return np.full(cells.shape[1], np.nan)
        columns = np.arange(cells.shape[1])
        low, high = np.maximum(counts - 1, 0) // 2, counts // 2
        high = np.minimum(high, len(cells) - 1)
        middle: FloatArray = (ordered[low, columns] + ordered[high, columns]) / 2
        return middle

    def duplicates(self, cluster: int) -> list[IntArray]:
        """Return groups of positions of nearly equal rows of a cluster."""
        members = np.flatnonzero(self.labels == cluster)
        texts = None if self.texts is None else self.texts[members]
        cells = self.profile.scaled(self.cells[members])
        found = near_duplicates(self.functions[members], cells, texts)
        return [members[group] for group in found]


def summarize_rows(
    estimator: Any,  # noqa: ANN401 - clustering, embedding or pipeline
    data: Any,  # noqa: ANN401 - rows of any kind
    max_rows: int,
    seed: int,
    given: Given,
) -> RowSummary:
    """Evaluate an estimator at all rows, part by part, and draw a sample of them."""
    reader = _Reader(estimator, given)
    drawn = draw_rows(reader.parts(data), max_rows, seed)
    if drawn.n_rows == 0:
        raise ValueError("data has no rows; there must be at least one.")
    reader.check_end()
    numbers = np.arange(drawn.n_rows) if drawn.index is None else drawn.index
    kept: Any = drawn.rows
    return RowSummary(
        drawn.n_rows,
        reader.cells.profile(reader.counts.sizes),
        reader.counts,
        kept["cells"],
        numbers,
        kept["functions"],
        kept["probabilities"],
        reader.keywords,
        kept["text"] if reader.has_texts else None,
        kept["name"] if given.row_names is not None else None,
        reader.n_novel,
    )


class _Reader:
    """Source of rows with their predictions, which counts all that passes."""

    counts: Confidences
    cells: CellCounts
    keywords: KeywordCounts | None = None

    def __init__(self, estimator: Any, given: Given) -> None:  # noqa: ANN401
        self._estimator = estimator
        step = final_step(estimator)
        self._n_learned = step.eigenvalues_.size - 1
        self._columns = Columns(estimator, given.feature_names)
        texts, names = given.texts, given.row_names
        self._texts = None if texts is None else Beside("texts", texts)
        self._names = None if names is None else Beside("row_names", names)
        self._record: np.dtype[Any] | None = None
        self.has_texts = texts is not None
        # Models of former versions have no threshold.
        self._threshold: float | None = getattr(step, "novelty_threshold_", None)
        self.n_novel = None if self._threshold is None else 0

    def parts(self, data: Any) -> Iterator[Any]:  # noqa: ANN401
        """Yield records of cells, functions, probabilities, text and name of rows."""
        for part in _chunks(data):
            functions, probabilities = self._predictions(part)
            cells = self._columns.read(part)
            if self._record is None:
                self._begin(part, cells, functions, probabilities)
            if self.n_novel is not None:
                scores = self._estimator.score_samples(part)
                self.n_novel += int(np.count_nonzero(scores < self._threshold))
            labels = probabilities.argmax(axis=1)
            self.cells.add(cells, labels)
            self.counts.add(labels, probabilities.max(axis=1))
            found = np.empty(len(cells), dtype=self._record)
            found["cells"], found["functions"] = cells, functions
            found["probabilities"] = probabilities
            if self.keywords is not None:
                found["text"] = self._texts_of(part, len(cells))
                self.keywords.add(found["text"], labels)
            if self._names is not None:
                found["name"] = self._names.take(len(cells))
            yield found

    def check_end(self) -> None:
        """Refuse texts and names beyond the rows."""
        for beside in (self._texts, self._names):
            if beside is not None:
                beside.check_end()

    def _predictions(self, part: Any) -> tuple[FloatArray, FloatArray]:  # noqa: ANN401
        """Eigenfunctions without the constant one, and probabilities."""
        values = np.asarray(self._estimator.transform(part), dtype=np.float64)
        # A clustering returns the constant function as well.
        functions = values[:, values.shape[1] - self._n_learned :]
        if not hasattr(self._estimator, "predict_proba"):
            return functions, np.ones((len(functions), 1))
        found = self._estimator.predict_proba(part)
        return functions, np.asarray(found, dtype=np.float64)

    def _begin(
        self,
        part: Any,  # noqa: ANN401
        cells: FloatArray,
        functions: FloatArray,
        probabilities: FloatArray,
    ) -> None:
        n_clusters = probabilities.shape[1]
        self.counts = Confidences(n_clusters)
        self.cells = CellCounts(self._columns, n_clusters)
        # Rows that are texts are texts of their own.
        self.has_texts |= _are_texts(part)
        if self.has_texts:
            self.keywords = KeywordCounts(n_clusters)
        matrices = {
            "cells": cells,
            "functions": functions,
            "probabilities": probabilities,
        }
        self._record = np.dtype(
            [
                *((n, np.float64, (m.shape[1],)) for n, m in matrices.items()),
                ("text", object),
                ("name", object),
            ]
        )

    def _texts_of(self, part: Any, n_rows: int) -> NDArray[np.object_]:  # noqa: ANN401
        texts = Beside("data", part) if self._texts is None else self._texts
        return texts.take(n_rows)


def _are_texts(part: Any) -> bool:  # noqa: ANN401
    """Whether rows have one dimension: a pipeline begins with an encoder of texts."""
    return len(np.shape(part)) == 1


def _chunks(data: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield parts of limited size, of the type of the data."""
    for part in slices_of(data):
        rows: Any = np.asarray(part) if isinstance(part, list | tuple) else part
        # Not all formats have slices.
        rows = rows.tocsr() if sp.issparse(rows) else rows
        shape: tuple[int, ...] = getattr(rows, "shape", ())
        if len(shape) not in (1, 2) or shape[0] == 0:
            yield rows
            continue
        indexed = getattr(rows, "iloc", rows)
        size = TEXT_ROWS
        if len(shape) == 2:
            size = max(1, SLICE_ELEMENTS // max(1, shape[1]))
        for chunk in gen_batches(shape[0], size):
            yield indexed[chunk]
