"""Rows of numbers and text: columns of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuraleig._tables._table import Source, Table, TableError
from neuraleig._words import count_text

# Cells that stand for no value, in any case of letters.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
# Different values of a column that are kept, to tell what it holds.
KEPT_VALUES = 1000
# Different values up to which text is told to be categories.
MOST_CATEGORIES = 50


@dataclass(frozen=True)
class Kinds:
    """Columns of a file by what they hold: positions in the file.

    Parameters
    ----------
    numbers, categories : tuple of int
        Features: numbers, and text or numbers that stand for kinds.
    kept : tuple of int
        Columns that name rows, and are no features.
    may_lack : bool
        Whether cells of numbers may be empty.
    """

    numbers: tuple[int, ...]
    categories: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    may_lack: bool = False

    @property
    def columns(self) -> tuple[int, ...]:
        """All of them, in the order of :meth:`MixedTable.parts`."""
        return self.numbers + self.categories + self.kept


@dataclass(frozen=True)
class MixedPart:
    """Some consecutive rows, as objects; NaN where a number is missing."""

    cells: NDArray[np.object_]  # (n_rows, n_columns)
    is_bad: NDArray[np.bool_]  # (n_rows,), with a cell that is no number


class MixedTable:
    """Columns of several kinds of a source; each pass starts anew.

    Parameters
    ----------
    source : Source
        File or pipe.
    kinds : Kinds
        Columns.
    skips : bool, default=False
        Whether rows with a wrong cell are marked instead of refused.
    """

    def __init__(self, source: Source, kinds: Kinds, *, skips: bool = False) -> None:
        self.source = source
        self.kinds = kinds
        self._skips = skips

    @property
    def names(self) -> list[str]:
        """Names of the columns, or their numbers from 1."""
        names = self.source.column_names
        columns = self.kinds.columns
        return [names[c] if names else str(c + 1) for c in columns]

    def parts(self) -> Iterator[MixedPart]:
        """Rows part by part; TableError at the first wrong cell, or marks."""
        n_rows = 0
        for rows, numbers in self.source.cells(self.kinds.columns):
            part = self._part(rows, numbers)
            n_rows += len(rows)
            if rows:
                yield part
        if n_rows == 0:
            raise TableError(f"{self.source.name} has no rows")

    def _part(
        self, rows: Sequence[Sequence[Hashable]], numbers: Sequence[int]
    ) -> MixedPart:
        n_numbers = len(self.kinds.numbers)
        n_features = n_numbers + len(self.kinds.categories)
        cells = np.empty((len(rows), len(self.kinds.columns)), dtype=object)
        is_bad = np.zeros(len(rows), dtype=bool)
        for row, found in enumerate(rows):
            for position, cell in enumerate(found):
                if position >= n_features:
                    cells[row, position] = cell
                    continue
                if position >= n_numbers:
                    cells[row, position] = "" if is_missing(cell) else _text(cell)
                    continue
                value = number_of(cell)
                is_wrong = value is None or not (
                    np.isfinite(value) or (self.kinds.may_lack and is_missing(cell))
                )
                if is_wrong and not self._skips:
                    column = self.kinds.columns[position]
                    raise self._wrong_cell(numbers[row], column, cell)
                is_bad[row] |= is_wrong
                cells[row, position] = np.nan if is_wrong else value
        return MixedPart(cells, is_bad)

    def _wrong_cell(self, number: int, column: int, cell: Hashable) -> TableError:
        what = "is empty" if is_missing(cell) else f"{cell!r} is no finite number"
        return TableError(
            f"{self.source.place(number, column)}: {what}; correct it, or leave such "
            "rows without a label (--bad-rows skip)"
        )


@dataclass
class _Seen:
    """What a scan has met in a column of numbers."""

    n_missing: int = 0
    first_missing: int = 0
    n_text: int = 0
    first_text: tuple[int, str] = (0, "")
    values: set[str] = field(default_factory=set)

    def add(self, cell: Hashable, number: int) -> None:
        """Count a cell."""
        if is_missing(cell):
            self.first_missing = self.first_missing or number
            self.n_missing += 1
            return
        value = number_of(cell)
        if value is not None and np.isfinite(value):
            return
        if not self.n_text:
            self.first_text = number, _text(cell)
        self.n_text += 1
        if len(self.values) <= KEPT_VALUES:
            self.values.add(_text(cell))


def check_kinds(source: Source, kinds: Kinds) -> None:
    """Read a file once; refuse, in one message, all columns that are no numbers.

    Raises TableError with a way out for every column.
    """
    seen = [_Seen() for _ in kinds.numbers]
    n_rows = 0
    for rows, numbers in source.cells(kinds.numbers):
        for row, number in zip(rows, numbers, strict=True):
            for cell, found in zip(row, seen, strict=True):
                found.add(cell, number)
        n_rows += len(rows)
    if n_rows == 0:
        raise TableError(f"{source.name} has no rows")
    problems = [
        problem
        for column, found in zip(kinds.numbers, seen, strict=True)
        if (problem := _problem(source, column, found, n_rows, kinds.may_lack))
    ]
    if problems:
        raise TableError(f"{source.name}: {'; '.join(problems)}")


def _problem(
    source: Source, column: int, found: _Seen, n_rows: int, may_lack: bool
) -> str:
    """What is wrong with a column, and the way out; empty if nothing is."""
    called, unit = source.called(column), source.unit
    option = called.strip("'")
    if found.n_text:
        number, cell = found.first_text
        many = len(found.values) > KEPT_VALUES
        n_values = f"over {KEPT_VALUES:,}" if many else f"{len(found.values):,}"
        way = f"add --categorical {option}"
        if many or (
            len(found.values) > MOST_CATEGORIES and len(found.values) > found.n_text / 2
        ):
            way = f"if it names rows, add --keep {option}"
        elif found.n_text < n_rows / 2:
            way = "correct these cells"
        return (
            f"column {called} has text in {count_text(found.n_text, 'row')}, such as "
            f"{cell!r} in {unit} {number} ({n_values} different): {way}, or leave it "
            f"out by --drop {option}"
        )
    if found.n_missing and not may_lack:
        cells = count_text(found.n_missing, "cell")
        return (
            f"column {called} has {cells} without a value, the first in {unit} "
            f"{found.first_missing}: add --impute, or --drop {option}"
        )
    return ""


def number_of(cell: Hashable) -> float | None:
    """Number of a cell; NaN where it is missing, and ``None`` where it is text."""
    if is_missing(cell):
        return float("nan")
    if isinstance(cell, str) and "_" in cell:
        # 1_000, which Python takes for a number, is none.
        return None
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def is_missing(cell: Hashable) -> bool:
    """Whether a cell stands for no value."""
    # Only NaN differs from itself.
    if cell is None or cell != cell:
        return True
    return isinstance(cell, str) and cell.strip().lower() in MISSING


def _text(cell: Hashable) -> str:
    """Text of a cell: 3 and 3.0 are the same kind, in whichever format."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


class MixedRows(Table):
    """Columns of several kinds as rows of numbers, by what was fitted to them.

    Parameters
    ----------
    mixed : MixedTable
        The columns.
    names : sequence of str or None
        Names of the features that are made of them.
    n_features : int
        Number of these.
    numbers_of : callable
        Takes cells (n_rows, n_columns), and returns rows (n_rows, n_features).
    """

    def __init__(
        self,
        mixed: MixedTable,
        names: Sequence[str] | None,
        n_features: int,
        numbers_of: Callable[[NDArray[Any]], NDArray[Any]],
    ) -> None:
        super().__init__(mixed.source, mixed.kinds.columns)
        self.mixed = mixed
        self._names = None if names is None else tuple(names)
        self._n_features = n_features
        self._numbers_of = numbers_of

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self._n_features

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the features."""
        return self._names

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the rows part by part."""
        return (self._numbers_of(part.cells) for part in self.mixed.parts())

    def on_disk(self) -> None:
        """Return nothing: what is in the file are no rows of numbers."""

    def rows_and_cells(
        self,
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_], NDArray[Any]]]:
        """Rows that are not bad, which ones are, and cells of the kept columns."""
        n_kept = len(self.mixed.kinds.kept)
        for part in self.mixed.parts():
            kept = part.cells[:, part.cells.shape[1] - n_kept :]
            good = part.cells[~part.is_bad]
            rows = np.empty((0, self._n_features))
            yield self._numbers_of(good) if len(good) else rows, part.is_bad, kept
