"""Columns of rows as a pipeline takes them: numbers and categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from neuraleig._sklearn import used_places
from neuraleig._typing import FloatArray
from neuraleig._validation import is_missing
from neuraleig.report._page import NO_NUMBER, number_text

# Different values of a column from which it names rows or is text, and is not shown.
MOST_VALUES = 1_000
# Most features of sparse rows that are shown: wider ones are counts of words, of which
# texts have the keywords.
MOST_SPARSE = 1_000
# Value of categories that are missing.
MISSING = "(missing)"


class Columns:
    """Reader of the columns that an estimator uses; categories become numbers.

    Kinds and names are those of the first rows. Rows that are texts, or sparse and of
    more than 1,000 features, have no columns.

    Parameters
    ----------
    estimator : estimator
        Estimator of rows, or a pipeline. Columns that its first step drops are left
        out.
    names : sequence of str or None
        Names of all columns of the rows.
    """

    def __init__(self, estimator: Any, names: Sequence[str] | None) -> None:  # noqa: ANN401
        self._estimator = estimator
        self._given = names
        self._used: list[int] | None = None
        self.names: list[str] = []
        # Number of each value, by column; None for numbers.
        self._codes: list[dict[str, int] | None] = []

    @property
    def is_category(self) -> NDArray[np.bool_]:
        """Which columns hold categories, of shape (n_columns,)."""
        return np.array([codes is not None for codes in self._codes], dtype=bool)

    @property
    def is_shown(self) -> NDArray[np.bool_]:
        """Which columns do not have too many categories, of shape (n_columns,)."""
        sizes = [0 if codes is None else len(codes) for codes in self._codes]
        return np.array(sizes, dtype=np.int64) <= MOST_VALUES

    def values(self, column: int) -> list[str]:
        """Categories of a column, in the order of their numbers."""
        return list(self._codes[column] or ())

    def text(self, column: int, number: float) -> str:
        """Text of a cell."""
        if np.isnan(number):
            return NO_NUMBER
        codes = self._codes[column]
        return number_text(number) if codes is None else list(codes)[int(number)]

    def read(self, part: Any) -> FloatArray:  # noqa: ANN401 - whatever a pipeline takes
        """Cells of some rows, of shape (n_rows, n_columns); NaN where missing."""
        if isinstance(part, list | tuple):
            part = np.asarray(part)
        if sp.issparse(part) and part.shape[1] <= MOST_SPARSE:
            part = part.toarray()
        if sp.issparse(part) or len(part.shape) == 1:
            return np.empty((part.shape[0], 0))
        frame = hasattr(part, "columns")
        if self._used is None:
            self._begin(part, list(map(str, part.columns)) if frame else None)
        assert self._used is not None
        if not frame:
            part = np.asarray(part)
            if part.dtype.kind in "biuf" and not self.is_category.any():
                return np.asarray(part[:, self._used], dtype=np.float64)
        cells = [
            self._cells(place, _column(part, column))
            for place, column in enumerate(self._used)
        ]
        empty = np.empty((part.shape[0], 0))
        return np.column_stack([empty, *cells])

    def _begin(self, part: Any, own: list[str] | None) -> None:  # noqa: ANN401
        """Choose columns, and find their names and kinds, by the first rows."""
        n_columns = part.shape[1]
        fitted = getattr(self._estimator, "feature_names_in_", None)
        known = (names for names in (self._given, own, fitted) if names is not None)
        numbered = [f"feature {number}" for number in range(n_columns)]
        names = next((n for n in known if len(n) == n_columns), numbered)
        self._used = _used_columns(self._estimator, n_columns, own)
        self.names = [str(names[column]) for column in self._used]
        self._codes = [
            None if _numbers(_column(part, column)) is not None else {}
            for column in self._used
        ]

    def _cells(self, place: int, column: Any) -> FloatArray:  # noqa: ANN401
        codes = self._codes[place]
        if codes is not None:
            return np.array([_code(value, codes) for value in column], dtype=np.float64)
        numbers = _numbers(column)
        if numbers is None:
            raise ValueError(
                f"data has numbers in the first rows of column {self.names[place]!r} "
                "and text in later ones; pass a column of one kind."
            )
        return numbers


def _column(part: Any, column: int) -> Any:  # noqa: ANN401 - column of a frame or array
    return part.iloc[:, column] if hasattr(part, "iloc") else part[:, column]


def _numbers(column: Any) -> FloatArray | None:  # noqa: ANN401
    """Values in float64, NaN where missing; ``None`` for a column of categories."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "biuf" and hasattr(column, "iloc"):
        # Extension types of pandas have a value of their own for missing ones.
        found: FloatArray = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return found
    values = np.asarray(column)
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    is_array = isinstance(column, np.ndarray)
    if values.dtype.kind not in "OU" or (values.dtype.kind == "U" and not is_array):
        return None
    missing = np.array([is_missing(value) for value in values], dtype=bool)
    has_text = any(isinstance(value, str) for value in values[~missing])
    if has_text and values.dtype.kind == "O":
        return None
    if missing.all() and not all(isinstance(value, float) for value in values):
        return None
    numbers: FloatArray = np.full(values.shape, np.nan)
    try:
        numbers[~missing] = values[~missing].astype(np.float64)
    except (TypeError, ValueError):
        return None
    return numbers


def _code(value: Any, codes: dict[str, int]) -> float:  # noqa: ANN401
    """Number of a category; NaN beyond the values that are counted."""
    text = MISSING if is_missing(value) else str(value).strip() or MISSING
    if text not in codes and len(codes) <= MOST_VALUES:
        codes[text] = len(codes)
    return codes.get(text, np.nan)


def _used_columns(
    estimator: Any,  # noqa: ANN401
    n_columns: int,
    names: list[str] | None,
) -> list[int]:
    """Places of the columns that a pipeline does not drop at once."""
    first = estimator[0] if isinstance(estimator, Pipeline) else None
    if not isinstance(first, ColumnTransformer):
        return list(range(n_columns))
    used = used_places(first)
    fitted = getattr(first, "feature_names_in_", None)
    if fitted is None or names is None:
        return used
    wanted = {str(fitted[place]) for place in used}
    return [column for column, name in enumerate(names) if name in wanted]
