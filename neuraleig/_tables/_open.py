"""Which reader a file has: by its suffix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neuraleig._tables._arrow_files import ARROW, PARQUET, ArrowFile
from neuraleig._tables._numpy_files import NumpyFile
from neuraleig._tables._table import Source, TableError
from neuraleig._tables._text_files import TextFile

# Path that stands for standard input.
STANDARD_INPUT = "-"
NUMPY = (".npy", ".npz")
# Suffixes of text, and the character between its cells.
TEXT = {".csv": ",", ".tsv": "\t", ".txt": ","}


@dataclass(frozen=True)
class Reading:
    """What a file does not say of itself; None: is found out.

    ``key`` is an array of a ``.npz`` file; ``header`` says whether the first row of
    text holds names, and ``delimiter`` stands between its cells.
    """

    key: str | None = None
    header: bool | None = None
    delimiter: str | None = None


def open_source(
    path: str, reading: Reading | None = None, *, for_labels: bool = False
) -> Source:
    """Open a file by its suffix, or ``-`` for text from standard input."""
    reading = Reading() if reading is None else reading
    suffix = ".csv" if path == STANDARD_INPUT else Path(path).suffix.lower()
    if reading.key is not None and suffix != ".npz":
        raise TableError(f"{path} has no arrays with keys (--key), as .npz files have")
    is_told = reading.header is not None or reading.delimiter is not None
    if is_told and suffix not in TEXT:
        raise TableError(f"{path} has no header and no delimiter, as text has")
    if suffix in TEXT:
        source = None if path == STANDARD_INPUT else Path(path)
        delimiter = reading.delimiter or TEXT[suffix]
        return TextFile(source, delimiter=delimiter, header=reading.header)
    if suffix in NUMPY:
        return NumpyFile(Path(path), reading.key, for_labels=for_labels)
    if suffix in (*PARQUET, *ARROW):
        return ArrowFile(Path(path))
    known = ", ".join([*NUMPY, *TEXT, *PARQUET, *ARROW])
    raise TableError(f"{path} is read by its suffix, which must be one of {known}")
