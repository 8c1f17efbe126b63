"""Rows of numbers, read part by part from whatever holds them."""

from __future__ import annotations

import difflib
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Names that an error lists.
SHOWN = 5


class TableError(ValueError):
    """A file without the rows of numbers, or the columns, that are asked for."""


@dataclass(frozen=True)
class Part:
    """Some consecutive rows; ``number`` returns the line or row of one in its file."""

    rows: NDArray[Any]
    number: Callable[[int], int]


class Source(ABC):
    """Columns of a file or a pipe; ``name`` and ``unit`` (of rows) are for errors."""

    name: str
    column_names: tuple[str, ...] | None = None
    n_columns: int
    n_rows: int | None = None
    unit: str = "row"

    @abstractmethod
    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Rows of some columns, in the order of ``columns``, from the first row on."""

    @abstractmethod
    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Entries of one column, numbers or text, part by part."""

    def cells(
        self, columns: Sequence[int]
    ) -> Iterator[tuple[Sequence[Sequence[Hashable]], Sequence[int]]]:
        """Entries of some columns as they are, and the line or row of every row."""
        for part in self.parts(columns):
            numbers = [part.number(row) for row in range(len(part.rows))]
            yield part.rows.tolist(), numbers

    def mapped(self) -> NDArray[Any] | None:
        """Memory map of the whole file, if the format allows one."""
        return None

    def hint(self) -> str:
        """Second half of an error about columns that are missing."""
        return ""

    def called(self, column: int) -> str:
        """Name of a column in an error, or its number."""
        named = self.column_names[column] if self.column_names else ""
        return repr(named) if named else str(column + 1)

    def place(self, number: int, column: int | None = None) -> str:
        """Row, and column, in an error."""
        where = f"{self.name}, {self.unit} {number}"
        return where if column is None else f"{where}, column {self.called(column)}"


class Table:
    """Some columns of a source as rows of finite numbers; each pass starts anew."""

    def __init__(self, source: Source, columns: Sequence[int]) -> None:
        self.source = source
        self.columns = list(columns)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.columns)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the columns, if the file has any."""
        names = self.source.column_names
        return None if names is None else tuple(names[c] for c in self.columns)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the rows part by part; raise where a number is not finite."""
        n_rows = 0
        for part in self.source.parts(self.columns):
            self._check_finite(part)
            n_rows += len(part.rows)
            if len(part.rows):
                yield part.rows
        if n_rows == 0:
            raise TableError(f"{self.source.name} has no rows")

    def on_disk(self) -> NDArray[Any] | None:
        """Return a memory map of the rows, checked; None where there is none."""
        mapped = self.source.mapped()
        if mapped is None or self.columns != list(range(self.source.n_columns)):
            return None
        for _ in self:
            pass
        return mapped

    def spooled(self) -> NDArray[Any]:
        """Copy the rows to a nameless temporary file and return its memory map."""
        with tempfile.TemporaryFile() as file:
            for part in self:
                file.write(np.ascontiguousarray(part, dtype=np.float64).data)
            file.flush()
            return np.memmap(file, np.float64, mode="r").reshape(-1, self.n_features)

    def check_names(self) -> None:
        """Raise if a name is empty or occurs twice."""
        names = self.feature_names or ()
        for name, count in Counter(names).items():
            column = self.columns[names.index(name)] + 1
            if not name:
                raise TableError(
                    f"{self.source.name}: column {column} has no name; leave it out "
                    f"(--drop {column}), as a column of row numbers, or name it"
                )
            if count > 1:
                raise TableError(
                    f"{self.source.name}: {count} columns are called {name!r}; leave "
                    "all but one out by their numbers, or rename them"
                )

    def matched(self, names: Sequence[str] | None, n_features: int) -> Table:
        """Select the columns that a model takes: by name if both have names."""
        own = self.feature_names
        if names is not None and own is not None:
            missing = [name for name in names if name not in own]
            if missing:
                raise TableError(
                    f"{self.source.name} is without {listed(missing)}, which the model "
                    f"takes; its columns are {listed(own)}{self.source.hint()}"
                )
            if any(own.count(name) > 1 for name in names):
                self.check_names()
            return Table(self.source, [self.columns[own.index(name)] for name in names])
        if self.n_features != n_features:
            named = "" if names is None else f": {listed(names)}"
            raise TableError(
                f"{self.source.name} has {self.n_features} columns, and the model takes"
                f" {n_features} features{named}; choose columns with --columns or "
                f"--drop{self.source.hint()}"
            )
        return self

    def _check_finite(self, part: Part) -> None:
        finite = np.isfinite(part.rows)
        if finite.all():
            return
        row, position = np.argwhere(~finite)[0].tolist()
        raise TableError(
            f"{self.source.place(part.number(row), self.columns[position])}: "
            f"{part.rows[row, position]} is not a finite number; fill it in, or leave "
            "out the row or the column"
        )


def chosen_columns(
    source: Source, only: Sequence[str] | None, without: Sequence[str] = ()
) -> list[int]:
    """Positions of columns in the order of ``only``; names, or numbers from 1."""
    taken = range(source.n_columns) if only is None else _positions(source, only)
    dropped = _positions(source, without)
    columns = [column for column in taken if column not in dropped]
    if not columns:
        raise TableError(f"{source.name}: no column is left; leave out fewer")
    return columns


def listed(names: Sequence[str]) -> str:
    """First few of some names, for an error."""
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def _positions(source: Source, wanted: Sequence[str]) -> list[int]:
    columns = [_position(source, name) for name in wanted]
    for name, column in zip(wanted, columns, strict=True):
        if columns.count(column) > 1:
            raise TableError(f"column {name!r} of {source.name} is asked for twice")
    return columns


def _position(source: Source, name: str) -> int:
    names = source.column_names or ()
    if names.count(name) > 1:
        raise TableError(
            f"{source.name}: {names.count(name)} columns are called {name!r}; use "
            "their numbers"
        )
    if name in names:
        return names.index(name)
    if name.isdecimal() and 1 <= int(name) <= source.n_columns:
        return int(name) - 1
    columns = listed(names) if names else f"1 to {source.n_columns}"
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise TableError(
        f"{source.name} has no column {name!r}; {meant}its columns are {columns}"
        f"{source.hint()}"
    )
