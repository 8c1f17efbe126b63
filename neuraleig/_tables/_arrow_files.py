"""Parquet and Arrow files; the one module that imports pyarrow."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuraleig._atomic import atomic_file
from neuraleig._extras import missing
from neuraleig._tables._table import Part, Source, TableError
from neuraleig._typing import FloatArray

# Cells that are read at once: 8 MiB of float64.
BLOCK_CELLS = 2**20
PARQUET = (".parquet", ".pq")
ARROW = (".feather", ".arrow")
# Kinds of columns that are written, which a part without a value does not show.
KINDS = {
    "label": "int64",
    "name": "string",
    "confidence": "float32",
    "log_density": "float32",
    "novel": "int64",
}
# Unnamed index columns of pandas, and the metadata that lists the named ones.
INDEX_PREFIX, PANDAS = "__index_level_", b"pandas"


class ArrowFile(Source):
    """Columns of a Parquet or Arrow (Feather) file, without pandas's index."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._arrow = require_pyarrow(path.suffix)
        with path.open("rb"), self._explained():
            self._dataset = self._arrow.dataset.dataset(path, format=self._format(path))
            self.n_rows = self._dataset.count_rows()
        indices = _indices(self._dataset.schema.metadata)
        names = [
            name
            for name in self._dataset.schema.names
            if name not in indices and not name.startswith(INDEX_PREFIX)
        ]
        if not names:
            raise TableError(f"{path} has no columns")
        self.column_names: tuple[str, ...] = tuple(names)
        self.n_columns = len(names)

    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Batches of rows as numbers, missing ones as NaN."""
        kinds = [self._kind(column) for column in columns]
        is_small = all(self._arrow.types.is_float32(kind) for kind in kinds)
        start = 1
        for batch in self._batches(columns):
            rows = np.empty(
                (batch.num_rows, len(columns)), np.float32 if is_small else np.float64
            )
            for position, cells in enumerate(batch.columns):
                if not is_small:
                    cells = cells.cast(self._arrow.float64(), safe=False)
                rows[:, position] = cells.to_numpy(zero_copy_only=False)
            yield Part(rows, range(start, start + len(rows)).__getitem__)
            start += len(rows)

    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Entries of one column; raises where one is missing."""
        start = 1
        for batch in self._batches([column]):
            found = batch.column(0).to_pylist()
            if None in found:
                row = start + found.index(None)
                raise TableError(f"{self.place(row, column)} is empty")
            yield found
            start += len(found)

    def cells(
        self, columns: Sequence[int]
    ) -> Iterator[tuple[list[list[Hashable]], list[int]]]:
        """Entries of some columns, and the number of every row."""
        start = 1
        for batch in self._batches(columns):
            found = [column.to_pylist() for column in batch.columns]
            numbers = list(range(start, start + batch.num_rows))
            yield [list(row) for row in zip(*found, strict=True)], numbers
            start += batch.num_rows

    def _kind(self, column: int) -> Any:  # noqa: ANN401 - a type of pyarrow
        kind = self._dataset.schema.field(self.column_names[column]).type
        types = self._arrow.types
        numbers = (types.is_integer, types.is_floating, types.is_boolean)
        if not any(is_kind(kind) for is_kind in (*numbers, types.is_decimal)):
            raise TableError(
                f"{self.name}, column {self.called(column)} is of type {kind}; "
                "expected numbers; leave the column out"
            )
        return kind

    def _format(self, path: Path) -> Any:  # noqa: ANN401 - a format of pyarrow
        if path.suffix.lower() in ARROW:
            return "feather"
        files = self._arrow.dataset
        scan = files.ParquetFragmentScanOptions(pre_buffer=False)
        return files.ParquetFileFormat(default_fragment_scan_options=scan)

    def _batches(self, columns: Sequence[int]) -> Iterator[Any]:
        with self._explained():
            # Little is read ahead, so that memory does not grow with the file.
            yield from self._dataset.to_batches(
                columns=[self.column_names[column] for column in columns],
                batch_size=max(1, BLOCK_CELLS // len(columns)),
                batch_readahead=1,
                fragment_readahead=1,
                use_threads=False,
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._arrow.ArrowException as error:
            reason = str(error).partition("\n")[0]
            raise TableError(f"{self.name} cannot be read whole ({reason})") from error


def parse_text(
    block: bytes, delimiter: str, n_columns: int, columns: Sequence[int]
) -> FloatArray | None:
    """Numbers in columns of comma-separated text; None where a cell is not a number."""
    arrow = require_pyarrow("text")
    names = [str(column) for column in range(n_columns)]
    wanted = [names[column] for column in columns]
    try:
        table = arrow.csv.read_csv(
            BytesIO(block),
            arrow.csv.ReadOptions(column_names=names, block_size=len(block) + 1),
            arrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            arrow.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, arrow.float64()),
                include_columns=wanted,
                null_values=[],
            ),
        )
    except arrow.ArrowInvalid:
        return None
    rows = np.empty((table.num_rows, len(columns)))
    for position, cells in enumerate(table.columns):
        rows[:, position] = cells.to_numpy()
    return rows


def write_parquet(
    path: Path, header: Sequence[str], parts: Iterable[NDArray[Any]]
) -> int:
    """Write arrays one below the other as columns of a Parquet file.

    Objects are numbers, text or ``None`` for no value. Columns in ``KINDS`` have that
    kind; others have that of their first part, or are text where it has no value.
    """
    arrow = require_pyarrow(".parquet")
    n_rows, schema = 0, None
    with atomic_file(path) as file, ExitStack() as opened:
        for part in parts:
            columns = part.reshape(len(part), -1).T
            arrays = [_arrow_array(arrow, column) for column in columns]
            if schema is None:
                kinds = zip(header, arrays, strict=True)
                schema = arrow.schema([(n, _kind_of(arrow, n, a)) for n, a in kinds])
                writer = opened.enter_context(arrow.parquet.ParquetWriter(file, schema))
            pairs = zip(arrays, schema.types, strict=True)
            cast = [array.cast(kind, safe=False) for array, kind in pairs]
            writer.write_table(arrow.table(cast, schema=schema))
            n_rows += len(part)
    return n_rows


def _kind_of(arrow: Any, name: str, array: Any) -> Any:  # noqa: ANN401
    """Type of a column, by its name and its first part."""
    if name in KINDS:
        return getattr(arrow, KINDS[name])()
    return arrow.string() if arrow.types.is_null(array.type) else array.type


def _arrow_array(arrow: Any, column: NDArray[Any]) -> Any:  # noqa: ANN401
    if column.dtype != object:
        values = column.astype(np.float32) if column.dtype.kind == "f" else column
        return arrow.array(np.ascontiguousarray(values))
    return arrow.array(column.tolist())


def _indices(metadata: Mapping[bytes, bytes] | None) -> frozenset[str]:
    """Columns that pandas keeps as the index of the rows."""
    try:
        indices = json.loads((metadata or {}).get(PANDAS, b"{}"))["index_columns"]
        # A range without a column is described by an object.
        return frozenset(name for name in indices if isinstance(name, str))
    except (ValueError, KeyError, TypeError):
        # Other programs may write anything there.
        return frozenset()


def require_pyarrow(what: str) -> Any:  # noqa: ANN401 - a module without types
    """Import pyarrow, or raise an ImportError that names the extra."""
    try:
        import pyarrow.csv
        import pyarrow.dataset
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(missing(f"reading {what}", "pyarrow", "cli")) from error
    return pyarrow
