"""Files for pipelines that were fitted to data frames with columns of several kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from neuraleig._interchange import data_frame
from neuraleig._sklearn import column_places, used_places
from neuraleig._tables import Kinds, MixedTable, Table


def takes_frames(model: Pipeline) -> bool:
    """Whether a pipeline begins with a transformer of the columns of data frames."""
    first = model.steps[0][1]
    return isinstance(first, ColumnTransformer) and hasattr(first, "feature_names_in_")


def fills_gaps(step: Any) -> bool:  # noqa: ANN401 - any step
    """Whether a fitted step, or one inside of it, takes rows with missing numbers."""
    inner = getattr(step, "steps", getattr(step, "transformers_", ()))
    if inner:
        return any(fills_gaps(part[1]) for part in inner)
    return isinstance(step, SimpleImputer) or hasattr(step, "categories_")


class Frames:
    """Columns of a table as the data frames that a pipeline takes.

    Columns are found by their names where the table has names, and otherwise by their
    positions. Columns that the pipeline drops are left out.

    Parameters
    ----------
    model : Pipeline
        Fitted pipeline that :func:`takes_frames`.
    table : Table
        Columns of a file.
    """

    def __init__(self, model: Pipeline, table: Table) -> None:
        first = model[0]
        names = [str(name) for name in first.feature_names_in_]
        texts = _text_places(first)
        numbers = [place for place in used_places(first) if place not in texts]
        categories = [place for place in used_places(first) if place in texts]
        used = numbers + categories
        self._names = [names[place] for place in used]
        self._n_numbers = len(numbers)
        if table.feature_names is None:
            columns = table.matched(names, len(names)).columns
            columns = [columns[place] for place in used]
        else:
            columns = table.matched(self._names, len(used)).columns
        self.kinds = Kinds(
            tuple(columns[: len(numbers)]),
            tuple(columns[len(numbers) :]),
            may_lack=fills_gaps(model),
        )
        self._source = table.source

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows part by part."""
        for part in MixedTable(self._source, self.kinds).parts():
            yield self.frame(part.cells)

    def frame(self, cells: NDArray[np.object_]) -> Any:  # noqa: ANN401
        """Frame of the first columns of cells (n_rows, n_columns)."""
        columns: dict[str, Any] = {}
        for place, name in enumerate(self._names):
            own = cells[:, place]
            if place < self._n_numbers:
                columns[name] = own.astype(np.float64)
            else:
                columns[name] = [cell or None for cell in own]
        return data_frame(columns)


def _text_places(step: Any) -> set[int]:  # noqa: ANN401 - any transformer
    """Positions of the features that a fitted transformer takes as text."""
    if isinstance(step, Pipeline):
        return _text_places(step.steps[0][1])
    if isinstance(step, ColumnTransformer):
        places = column_places(step)
        return {
            places[name][place]
            for name, part, _ in step.transformers_
            for place in _text_places(part)
        }
    if isinstance(step, SimpleImputer):
        return {n for n, value in enumerate(step.statistics_) if isinstance(value, str)}
    # Encoders, whose categories may be numbers.
    found = getattr(step, "categories_", ())
    return {n for n, values in enumerate(found) if values.dtype.kind in "OUS"}
