"""Classes of rows, whatever they are called."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuraleig._tables._numpy_files import load_npy, load_npz
from neuraleig._tables._open import TEXT, Reading, open_source
from neuraleig._tables._table import Source, TableError, chosen_columns
from neuraleig._tables._text_files import is_number
from neuraleig._typing import IntArray

# Kinds of numpy's types that can name a class.
KINDS = "biufUS"
# Entries below the first that say whether it is a name.
LOOKED_AT = 1000


def read_labels(
    path: str, column: str | None = None, reading: Reading | None = None
) -> IntArray:
    """Class of every row of a file.

    Parameters
    ----------
    path : str
        Any file that :func:`open_source` reads, or one of a vector of numpy.
    column : str or None, default=None
        Name or number of the column, or key of the array of a ``.npz`` file. ``None``:
        the only one.
    reading : Reading or None, default=None
        As for :func:`open_source`. ``None``: text has a header if ``column`` is a name
        in its first row, for labels are text as names are.

    Returns
    -------
    labels : ndarray of shape (n_rows,), int64
        Numbers of the classes, from 0.

    Raises
    ------
    TableError
        If there is no such column, or more than one and none is chosen, or a label is
        missing or NaN.
    OSError
        If it cannot be read.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return _numbered(load_npz(Path(path), column), path)
    if suffix == ".npy":
        array = load_npy(Path(path))
        if array.ndim == 1:
            if column is not None:
                raise TableError(
                    f"{path} holds a vector, which has no columns; leave out "
                    f"--label-column {column}"
                )
            return _numbered(array, path)
    source = (
        _source_of_labels(path, column)
        if reading is None
        else open_source(path, reading)
    )
    return _codes(source, _only_column(source, column))


def _source_of_labels(path: str, column: str | None) -> Source:
    """File of nothing but labels: no guess may turn the first of them into a name."""
    if Path(path).suffix.lower() not in TEXT:
        return open_source(path)
    named = open_source(path, Reading(header=True))
    names = named.column_names or ()
    if column is not None and column in names and not column.isdecimal():
        return named
    source = open_source(path, Reading(header=False))
    if source.n_columns == 1:
        _check_first(source)
    return source


def _check_first(source: Source) -> None:
    """Refuse a word above numbers, which is a name or a mistake."""
    entries = chain.from_iterable(source.values(0))
    first = str(next(entries))
    rest = list(islice(entries, LOOKED_AT))
    if rest and not is_number(first) and all(is_number(str(entry)) for entry in rest):
        raise TableError(
            f"{source.name} begins with {first!r}, and goes on with numbers; say "
            f"--label-column {first} if it is a name, or correct it"
        )


def _only_column(source: Source, column: str | None) -> int:
    if column is None and source.n_columns != 1:
        raise TableError(
            f"{source.name} has {source.n_columns} columns; say which of them holds "
            "the labels"
        )
    (found,) = chosen_columns(source, None if column is None else [column])
    return found


def _codes(source: Source, column: int) -> IntArray:
    """Numbers of the entries of a column, in the order in which they are met."""
    known: dict[Hashable, int] = {}
    parts = [
        np.array([known.setdefault(value, len(known)) for value in values], np.int64)
        for values in _present(source, column)
    ]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _present(source: Source, column: int) -> Iterator[Sequence[Hashable]]:
    """Entries of a column, none of which is NaN."""
    n_rows = 0
    for values in source.values(column):
        _check_present(values, source.name, n_rows)
        n_rows += len(values)
        yield values


def _check_present(values: Sequence[Hashable], name: str, n_before: int = 0) -> None:
    for row, value in enumerate(values, n_before + 1):
        is_word = isinstance(value, str) and value.strip().lower() == "nan"
        # Nothing but NaN differs from itself.
        if is_word or value != value:
            raise TableError(
                f"{name}, row {row}: {value!r} is no label; leave out the row"
            )


def _numbered(array: NDArray[Any], path: str) -> IntArray:
    if array.ndim != 1 or array.dtype.kind not in KINDS:
        raise TableError(
            f"{path} holds an array of shape {array.shape} and type {array.dtype}; "
            "labels are a vector of numbers or text"
        )
    if array.dtype.kind in "fUS":
        _check_present(array.tolist(), path)
    return np.asarray(np.unique(array, return_inverse=True)[1], dtype=np.int64)
