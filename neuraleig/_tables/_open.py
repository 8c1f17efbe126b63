"""Which reader a file has: by its suffix."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from neuraleig._tables._numpy_files import NpyFile, NpzFile
from neuraleig._tables._parquet import ParquetFile
from neuraleig._tables._table import Source, TableError
from neuraleig._tables._text_files import TextFile

# Stands for standard input.
STANDARD_INPUT = "-"
# Suffixes of text, and what stands between its cells.
TEXT = {".csv": ",", ".tsv": "\t", ".txt": ","}
PARQUET = (".parquet", ".pq")
# Bytes in front of UTF-8 that some programs write are no part of the first name.
ENCODING = "utf-8-sig"


@dataclass(frozen=True)
class Reading:
    """How a file is read, where that is not in it.

    Parameters
    ----------
    key : str or None, default=None
        Array of a ``.npz`` file; ``None``: the only one.
    header : bool or None, default=None
        Whether the first row of a text holds names; ``None``: if it has text
        and no number.
    delimiter : str or None, default=None
        What stands between the cells of a text; ``None``: by the suffix.
    """

    key: str | None = None
    header: bool | None = None
    delimiter: str | None = None


def open_source(path: str, reading: Reading | None = None) -> Source:
    """Columns of a file, by its suffix.

    Parameters
    ----------
    path : str
        ``.npy``, ``.npz``, ``.csv``, ``.tsv``, ``.txt`` or ``.parquet``, or ``-`` for
        comma-separated text from standard input, which can be read only once.
    reading : Reading or None, default=None
        What the file does not say.

    Returns
    -------
    source : Source
        Nothing but its head is read.

    Raises
    ------
    TableError
        If it is no such file, or is told what it has no use for.
    ImportError
        If it is parquet, and pyarrow is missing.
    OSError
        If it cannot be read.
    """
    reading = Reading() if reading is None else reading
    suffix = ".csv" if path == STANDARD_INPUT else Path(path).suffix.lower()
    if reading.key is not None and suffix != ".npz":
        raise TableError(f"{path} has no arrays with keys, as .npz files have")
    is_told = reading.header is not None or reading.delimiter is not None
    if is_told and suffix not in TEXT:
        raise TableError(f"{path} has neither header nor delimiter, as text has")
    if suffix in TEXT:
        return _text(path, reading, TEXT[suffix])
    if suffix == ".npy":
        return NpyFile(Path(path))
    if suffix == ".npz":
        return NpzFile(Path(path), reading.key)
    if suffix in PARQUET:
        return ParquetFile(Path(path))
    known = ", ".join([".npy", ".npz", *TEXT, *PARQUET])
    raise TableError(f"{path} is read by its suffix, which must be one of {known}")


def _text(path: str, reading: Reading, delimiter: str) -> TextFile:
    is_piped = path == STANDARD_INPUT
    return TextFile(
        "standard input" if is_piped else path,
        _standard_input if is_piped else lambda: _opened(path),
        delimiter=reading.delimiter or delimiter,
        header=reading.header,
        once=is_piped,
    )


def _opened(path: str) -> AbstractContextManager[TextIO]:
    return Path(path).open(encoding=ENCODING, newline="")


def _standard_input() -> AbstractContextManager[TextIO]:
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding=ENCODING, newline="")
    return nullcontext(sys.stdin)
