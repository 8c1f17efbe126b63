"""Rows of numbers, read part by part from whatever holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Names that an error shows of many.
SHOWN = 5


class TableError(ValueError):
    """A file holds no rows of numbers, or not those that are asked for."""


@dataclass(frozen=True)
class Part:
    """Some rows, and where they are.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Numbers of any real type.
    places : sequence of int
        Line or row of each, counted from 1.
    """

    rows: NDArray[Any]
    places: Sequence[int]


class Source(ABC):
    """Columns of a file, or of what comes by a pipe.

    Attributes
    ----------
    name : str
        What it is called in errors.
    column_names : tuple of str or None
        Names of all columns, where it has any.
    n_columns : int
        Number of columns.
    n_rows : int or None
        Number of rows, where that is known without reading them.
    unit : str
        What the places of its rows count.
    """

    name: str
    column_names: tuple[str, ...] | None
    n_columns: int
    n_rows: int | None = None
    unit: str = "row"

    @abstractmethod
    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Rows of some columns, in the order of ``columns``, from the first on."""

    @abstractmethod
    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Entries of one column, numbers or not, part by part."""

    def mapped(self) -> NDArray[Any] | None:
        """All of it as an array on disk, where it is one."""
        return None

    def hint(self) -> str:
        """What else may be wrong where columns are not as expected, for errors."""
        return ""

    def called(self, column: int) -> str:
        """Column in an error."""
        names = self.column_names
        named = "" if names is None else names[column]
        return repr(named) if named else str(column + 1)

    def place(self, number: int) -> str:
        """Row in an error."""
        return f"{self.name}, {self.unit} {number}"


class Table:
    """Some columns of a source as rows of finite numbers, anew on every pass.

    Parameters
    ----------
    source : Source
        What is read.
    columns : sequence of int
        Which columns, in this order.
    """

    def __init__(self, source: Source, columns: Sequence[int]) -> None:
        self.source = source
        self.columns = list(columns)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.columns)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the columns, where there are any."""
        names = self.source.column_names
        return None if names is None else tuple(names[c] for c in self.columns)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Parts of the rows.

        Raises
        ------
        TableError
            If a number is not finite, or there are no rows; the source may raise it
            as well.
        """
        n_rows = 0
        for part in self.source.parts(self.columns):
            self._check_finite(part)
            n_rows += len(part.rows)
            if len(part.rows):
                yield part.rows
        if n_rows == 0:
            raise TableError(f"{self.source.name} has no rows")

    def on_disk(self) -> NDArray[Any] | None:
        """Rows as an array on disk, checked; ``None`` where they are not one."""
        mapped = self.source.mapped()
        if mapped is None or self.columns != list(range(self.source.n_columns)):
            return None
        for _ in self:
            pass
        return mapped

    def check_names(self) -> None:
        """Refuse names by which columns cannot be told apart.

        Raises
        ------
        TableError
            If one is empty or there twice.
        """
        names = self.feature_names or ()
        for name, count in Counter(names).items():
            column = self.columns[names.index(name)] + 1
            if not name:
                raise TableError(
                    f"{self.source.name}: column {column} has no name, as have those "
                    f"that only number rows; leave it out ({column}), or name it"
                )
            if count > 1:
                raise TableError(
                    f"{self.source.name}: {count} columns are called {name!r}; leave "
                    "all but one out by their numbers, or rename them"
                )

    def matched(self, names: Sequence[str] | None, n_features: int) -> Table:
        """Table of the columns that a model takes, in its order.

        Parameters
        ----------
        names : sequence of str or None
            Names of its features. Where both have names, columns are taken by name
            and the others are left out; else all are taken as they come.
        n_features : int
            How many there are.

        Returns
        -------
        table : Table
            Of ``n_features`` columns.

        Raises
        ------
        TableError
            If columns are missing, or there are too many or too few.
        """
        own = self.feature_names
        if names is not None and own is not None:
            missing = [name for name in names if name not in own]
            if missing:
                raise TableError(
                    f"{self.source.name} is without {listed(missing)}, which the model "
                    f"takes; its columns are {listed(own)}"
                    f"{self.source.hint()}"
                )
            columns = [self.columns[own.index(name)] for name in names]
            found = Table(self.source, columns)
            twice = [n for n, count in Counter(own).items() if count > 1 and n in names]
            if twice:
                self.check_names()
            return found
        if self.n_features != n_features:
            named = "" if names is None else f": {listed(names)}"
            raise TableError(
                f"{self.source.name} has {self.n_features} columns, and the model takes"
                f" {n_features} features{named}; choose or leave out columns"
                f"{self.source.hint()}"
            )
        return self

    def _check_finite(self, part: Part) -> None:
        finite = np.isfinite(part.rows)
        if finite.all():
            return
        row, position = np.argwhere(~finite)[0].tolist()
        column = self.source.called(self.columns[position])
        raise TableError(
            f"{self.source.place(part.places[row])}, column {column}: "
            f"{part.rows[row, position]} is not a finite number; fill it, or leave out "
            "the row or the column"
        )


def chosen_columns(
    source: Source, only: Sequence[str] | None, without: Sequence[str] = ()
) -> list[int]:
    """Columns by their names, or by their numbers from 1.

    Parameters
    ----------
    source : Source
        Whose columns.
    only : sequence of str or None
        Columns to take, in this order; ``None``: all.
    without : sequence of str, default=()
        Columns to leave out.

    Returns
    -------
    columns : list of int
        Positions from 0.

    Raises
    ------
    TableError
        If a column is not there, is named twice, or none is left.
    """
    taken = range(source.n_columns) if only is None else _found(source, only)
    dropped = _found(source, without)
    columns = [column for column in taken if column not in dropped]
    if not columns:
        raise TableError(f"{source.name}: no column is left; leave out fewer")
    return columns


def listed(names: Sequence[str]) -> str:
    """First of some names, as an error shows them."""
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def _found(source: Source, wanted: Sequence[str]) -> list[int]:
    columns = [_position(source, name) for name in wanted]
    twice = [
        name for name, c in zip(wanted, columns, strict=True) if _is_in(columns, c)
    ]
    if twice:
        raise TableError(f"column {twice[0]!r} of {source.name} is asked for twice")
    return columns


def _is_in(columns: Sequence[int], column: int) -> bool:
    return columns.count(column) > 1


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
    raise TableError(
        f"{source.name} has no column {name!r}; its columns are {columns}"
        f"{source.hint()}"
    )
