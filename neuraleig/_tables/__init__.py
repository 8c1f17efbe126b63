"""Rows in files: read part by part, and written part by part."""

from neuraleig._tables._arrow_files import write_parquet
from neuraleig._tables._labels import read_labels
from neuraleig._tables._mixed import Kinds, MixedRows, MixedTable, check_kinds
from neuraleig._tables._open import STANDARD_INPUT, Reading, open_source
from neuraleig._tables._table import Source, Table, TableError, chosen_columns
from neuraleig._tables._write import (
    FORMATS_WRITTEN,
    write_csv,
    write_npy,
    write_text,
)

__all__ = [
    "FORMATS_WRITTEN",
    "STANDARD_INPUT",
    "Kinds",
    "MixedRows",
    "MixedTable",
    "Reading",
    "Source",
    "Table",
    "TableError",
    "check_kinds",
    "chosen_columns",
    "open_source",
    "read_labels",
    "write_csv",
    "write_npy",
    "write_parquet",
    "write_text",
]
