"""Columns that ``neuraleig predict`` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from neuraleig._cli._options import Names
from neuraleig._cli._readers import one_of
from neuraleig._tables import MixedRows
from neuraleig._warnings import warn_user
from neuraleig._words import share_text

# Rows at the beginning whose novelty is looked at, the share of novel ones from which
# their units are in doubt, and rows of which that can be said.
LOOKED_AT, MOST_NOVEL, FEWEST = 1000, 0.9, 20


def with_warning(
    predict: Callable[[Any], NDArray[Any]],
    estimator: Any,  # noqa: ANN401
) -> Callable[[Any], NDArray[Any]]:
    """Function that warns once if nearly all of its first rows are unlike the fit's."""
    first = [True]

    def checked(rows: Any) -> NDArray[Any]:  # noqa: ANN401
        if first and len(rows) >= FEWEST:
            share = float(estimator.is_novel(rows[:LOOKED_AT]).mean())
            if share >= MOST_NOVEL:
                warn_user(
                    f"{share_text(share)} of the first rows are unlike those of the "
                    "fit: are they in the same units, with the same columns, and "
                    "scaled as these were? Their labels mean little."
                )
        first.clear()
        return predict(rows)

    return checked


@dataclass(frozen=True)
class PredictedColumns:
    """What is written of every row.

    Parameters
    ----------
    proba
        Write the probability of every cluster.
    confidence
        Write the probability of the label beside it.
    novelty
        Write the log density of the row beside it, and 1 for rows unlike the training
        rows, or else 0.
    keep : A,B
        Columns of the file to write first, such as an id (default: those of --keep of
        the fit, where the file has them).
    bad_rows : NAME
        stop at the first row with a cell that is no number, or skip: leave such rows
        without a label.
    """

    proba: bool = False
    confidence: bool = False
    novelty: bool = False
    keep: Names = None
    bad_rows: Annotated[str, one_of(("stop", "skip"))] = "stop"

    @property
    def skips(self) -> bool:
        """Whether rows with a wrong cell have no label."""
        return self.bad_rows == "skip"

    @property
    def beside(self) -> bool:
        """Whether there are columns beside labels or probabilities."""
        return self.confidence or self.novelty

    def header(self, n_columns: int, *, has_names: bool) -> Sequence[str]:
        """Names of so many columns, for clusters with or without names."""
        beside = ["confidence"] if self.confidence else []
        beside += ["log_density", "novel"] if self.novelty else []
        if not self.proba:
            return ["label", *(["name"] if has_names else []), *beside]
        n_clusters = n_columns - len(beside)
        return [*(f"cluster_{cluster}" for cluster in range(n_clusters)), *beside]

    def of(
        self,
        estimator: Any,  # noqa: ANN401
        names: Mapping[int, str],
        *,
        as_text: bool,
    ) -> Callable[[Any], NDArray[Any]]:
        """Function from rows to the columns of an estimator.

        Columns of several kinds are objects where they become text, in which labels
        have no decimals, and otherwise floating point. Names of clusters stand beside
        labels, in text only.
        """
        if not self.beside and (self.proba or not names):
            one: Callable[[Any], NDArray[Any]] = (
                estimator.predict_proba if self.proba else estimator.predict
            )
            return one

        def columns(rows: Any) -> NDArray[Any]:  # noqa: ANN401
            found = self._columns(estimator, rows)
            if names and not self.proba:
                named = [names.get(label) for label in found[0].tolist()]
                found.insert(1, np.array(named, dtype=object))
            if not as_text:
                return np.column_stack(found).astype(np.float64)
            return np.column_stack([_objects(column[:, None]) for column in found])

        return columns

    def with_cells(
        self,
        predict: Callable[[Any], NDArray[Any]],
        table: MixedRows,
        n_columns: int,
        n_bad: list[int],
    ) -> Iterator[NDArray[Any]]:
        """Cells that are kept beside the columns of every row, part by part.

        Numbers of bad rows are added to ``n_bad``.
        """
        for rows, is_bad, kept in table.rows_and_cells():
            n_bad.append(int(is_bad.sum()))
            found = np.full((len(is_bad), n_columns), None, dtype=object)
            if len(rows):
                own = predict(rows)
                found[~is_bad] = _objects(own.reshape(len(own), -1))
            yield np.concatenate([kept, found], axis=1)

    def _columns(self, estimator: Any, rows: Any) -> list[NDArray[Any]]:  # noqa: ANN401
        columns: list[NDArray[Any]] = []
        if self.proba or self.confidence:
            probabilities = estimator.predict_proba(rows)
            labels = probabilities.argmax(axis=1)
            columns += [*probabilities.T] if self.proba else [labels]
            columns += [probabilities.max(axis=1)] if self.confidence else []
        else:
            columns.append(estimator.predict(rows))
        if self.novelty:
            scores = estimator.score_samples(rows)
            novel = scores < estimator.novelty_threshold_
            columns += [scores, novel.astype(np.int64)]
        return columns


def _objects(values: NDArray[Any]) -> NDArray[np.object_]:
    """Values as objects; floats in float32, of which more digits say nothing."""
    if values.dtype.kind != "f":
        return values.astype(object)
    cells = np.empty(values.size, dtype=object)
    # Not by astype, which makes Python's floats of twice the digits.
    cells[:] = list(values.astype(np.float32).ravel())
    return cells.reshape(values.shape)
