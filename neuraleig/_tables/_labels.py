"""Classes of rows, whatever they are called."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuraleig._tables._numpy_files import load_npy, load_npz
from neuraleig._tables._open import Reading, open_source
from neuraleig._tables._table import Source, TableError, chosen_columns
from neuraleig._typing import IntArray

# Kinds of numpy's types that can name a class.
KINDS = "biufUS"


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
        As for :func:`open_source`.

    Returns
    -------
    labels : ndarray of shape (n_rows,), int64
        Numbers of the classes, from 0.

    Raises
    ------
    TableError
        If there is no such column, or more than one and none is chosen.
    OSError
        If it cannot be read.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return _numbered(load_npz(Path(path), column), path)
    if suffix == ".npy":
        array = load_npy(Path(path))
        if array.ndim == 1 and column is None:
            return _numbered(array, path)
    source = open_source(path, reading)
    return _codes(source, _only_column(source, column))


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
        for values in source.values(column)
    ]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _numbered(array: NDArray[Any], path: str) -> IntArray:
    if array.ndim != 1 or array.dtype.kind not in KINDS:
        raise TableError(
            f"{path} holds an array of shape {array.shape} and type {array.dtype}; "
            "labels are a vector of numbers or text"
        )
    return np.asarray(np.unique(array, return_inverse=True)[1], dtype=np.int64)
