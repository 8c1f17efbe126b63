"""Classes of rows: numbers or text, in a file of their own or in a column."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

import numpy as np

from neuraleig._tables._numpy_files import NumpyFile
from neuraleig._tables._open import TEXT, Reading, open_source
from neuraleig._tables._table import Source, TableError, chosen_columns
from neuraleig._tables._text_files import is_number
from neuraleig._typing import IntArray

# Entries below the first that tell whether it is a name.
LOOKED_AT = 1000


def read_labels(
    path: str,
    column: str | None = None,
    reading: Reading | None = None,
    *,
    option: str = "--label-column",
) -> IntArray:
    """Class of every row of a file, numbered from 0 as they are met.

    ``column`` is the name or number of the column, or the key of a ``.npz`` file.
    Without ``reading``, text has a header only if ``column`` is in its first row.
    ``option`` names the column in errors.
    """
    way_out = f"; choose the one that holds the labels with {option}"
    if Path(path).suffix.lower() == ".npz":
        reading, column, way_out = (
            Reading(key=column),
            None,
            f", and {option} takes one",
        )
    if reading is not None or Path(path).suffix.lower() not in TEXT:
        source = open_source(path, reading, for_labels=True)
    else:
        source = _text_of_labels(path, column)
    if column is None and source.n_columns != 1:
        raise TableError(f"{source.name} has {source.n_columns} columns{way_out}")
    if column is not None and isinstance(source, NumpyFile) and source.is_vector:
        raise TableError(
            f"{path} holds a vector, which has no columns; leave out {option} {column}"
        )
    (found,) = chosen_columns(source, None if column is None else [column])
    known: dict[object, int] = {}
    codes = []
    for row, value in enumerate(chain.from_iterable(source.values(found)), 1):
        # Only NaN differs from itself.
        if value != value or str(value).strip().lower() == "nan":
            raise TableError(
                f"{source.name}, row {row}: {value!r} is no label; leave out the row"
            )
        codes.append(known.setdefault(value, len(known)))
    return np.array(codes, dtype=np.int64)


def _text_of_labels(path: str, column: str | None) -> Source:
    """Open text of nothing but labels, whose first row may look like a name."""
    named = open_source(path, Reading(header=True))
    if column in (named.column_names or ()) and not str(column).isdecimal():
        return named
    source = open_source(path, Reading(header=False))
    if source.n_columns == 1:
        entries = map(str, chain.from_iterable(source.values(0)))
        first, *rest = islice(entries, 1 + LOOKED_AT)
        if rest and not is_number(first) and all(map(is_number, rest)):
            raise TableError(
                f"{source.name} begins with {first!r}, and goes on with numbers; pass "
                f"--label-column {first} if it is a name, or correct it"
            )
    return source
