"""Parquet, the one file that imports pyarrow."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from neuraleig._extras import missing
from neuraleig._tables._table import Part, Source, TableError

# Cells that are read at once: 8 MiB of float64.
BLOCK_CELLS = 2**20
# Columns in which pandas keeps an index without a name, and where it says which other
# columns are indices.
INDEX_PREFIX, PANDAS = "__index_level_", b"pandas"


class ParquetFile(Source):
    """Columns of a parquet file, but for those in which pandas keeps an index.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ImportError
        If pyarrow is missing.
    TableError
        If it is no parquet file, or columns have one name.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._arrow, self._parquet = _require_pyarrow()
        with self._opened() as file:
            self._schema = file.schema_arrow
            self.n_rows = file.metadata.num_rows
        indices = _indices(self._schema.metadata)
        names = [
            name
            for name in self._schema.names
            if name not in indices and not name.startswith(INDEX_PREFIX)
        ]
        if not names:
            raise TableError(f"{path} has no columns")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise TableError(
                f"{path} has {names.count(twice)} columns that are called {twice!r}; "
                "their names must differ"
            )
        self.column_names = tuple(names)
        self.n_columns = len(names)

    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Batches of records as numbers, missing ones as NaN.

        Raises
        ------
        TableError
            If a column holds no numbers.
        """
        names = [self.called_in_file(column) for column in columns]
        kinds = [self._kind(column) for column in columns]
        is_small = all(self._arrow.types.is_float32(kind) for kind in kinds)
        dtype = np.dtype(np.float32 if is_small else np.float64)
        start = 1
        for batch in self._batches(names):
            rows = np.empty((batch.num_rows, len(names)), dtype)
            for position, name in enumerate(names):
                cells = batch.column(name)
                if not is_small:
                    cells = cells.cast(self._arrow.float64(), safe=False)
                rows[:, position] = cells.to_numpy(zero_copy_only=False)
            yield Part(rows, range(start, start + len(rows)))
            start += len(rows)

    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Entries of one column.

        Raises
        ------
        TableError
            If one is missing.
        """
        name = self.called_in_file(column)
        start = 1
        for batch in self._batches([name]):
            found = batch.column(name).to_pylist()
            if None in found:
                row = start + found.index(None)
                raise TableError(
                    f"{self.place(row)}, column {self.called(column)} is empty"
                )
            yield found
            start += len(found)

    def called_in_file(self, column: int) -> str:
        """Name of a column."""
        assert self.column_names is not None
        return self.column_names[column]

    def _kind(self, column: int) -> Any:  # noqa: ANN401 - a type of pyarrow
        kind = self._schema.field(self.called_in_file(column)).type
        types = self._arrow.types
        numbers = (types.is_integer, types.is_floating, types.is_boolean)
        if not any(is_kind(kind) for is_kind in (*numbers, types.is_decimal)):
            raise TableError(
                f"{self.name}, column {self.called(column)} is of type {kind}, which "
                "are no numbers; leave it out"
            )
        return kind

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        step = max(1, BLOCK_CELLS // len(names))
        with self._opened() as file:
            yield from file.iter_batches(batch_size=step, columns=list(names))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with self._path.open("rb") as binary:
            try:
                # A buffer would take all batches at once.
                yield self._parquet.ParquetFile(binary, pre_buffer=False)
            except self._arrow.ArrowException as error:
                reason = str(error).partition("\n")[0]
                raise TableError(
                    f"{self.name} is no whole parquet file ({reason})"
                ) from error


def _indices(metadata: Mapping[bytes, bytes] | None) -> frozenset[str]:
    """Columns that pandas says are the index of its rows."""
    try:
        found = json.loads((metadata or {}).get(PANDAS, b"{}"))
        indices = found["index_columns"]
        # What numbers rows without a column is described by an object.
        return frozenset(name for name in indices if isinstance(name, str))
    except (ValueError, KeyError, TypeError):
        # Others may write what they like there.
        return frozenset()


def _require_pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(missing("reading parquet", "pyarrow", "parquet")) from error
    return pyarrow, pyarrow.parquet
