"""Comma-separated text: parsed by pyarrow in blocks of whole rows."""

from __future__ import annotations

import csv
import sys
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from neuraleig._tables._arrow_files import parse_text
from neuraleig._tables._table import Part, Source, TableError
from neuraleig._typing import FloatArray

# Bytes that are parsed at once, and by how much a cell with line breaks may pass them.
BLOCK_BYTES, LONGEST_CELL = 2**20, 2**20
# Bytes in front of UTF-8 that some programs write are not part of the first name.
ENCODING = "utf-8-sig"
# Characters of a cell that an error shows.
SHOWN = 40
# Delimiters that an error suggests.
DELIMITERS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'", " ": "' '"}


@dataclass(frozen=True)
class _Block:
    """Whole rows of text, and the number of their first line."""

    first: int
    content: bytes


class TextFile(Source):
    """Rows of cells between delimiters, in UTF-8; no path is standard input.

    Without ``header``, the first row holds names if it has text and no number.
    """

    unit = "line"

    def __init__(
        self, path: Path | None, *, delimiter: str, header: bool | None
    ) -> None:
        self.name = "standard input" if path is None else str(path)
        self._path, self._was_read, self._delimiter = path, False, delimiter
        lines: list[bytes] = []
        with self._open() as file, self._explained():
            reader = csv.reader(_kept(file, lines), delimiter=delimiter, strict=True)
            cells = next((cells for cells in reader if cells), [])
        if not cells:
            raise TableError(f"{self.name} is empty")
        self._first_cell, self.n_columns = cells[0], len(cells)
        self._head, self._head_line = b"".join(lines), len(lines)
        if header is None:
            header = _is_header(cells, self.place(self._head_line))
        self.column_names = tuple(c.strip() for c in cells) if header else None

    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Numbers of some columns; raises at a cell that is not a number."""
        for block in self._blocks():
            if b'"' in block.content:
                # pyarrow reads on where a quotation mark is out of place.
                deque(self._records(block), maxlen=0)
            rows = parse_text(block.content, self._delimiter, self.n_columns, columns)
            if rows is None:
                rows = self._numbers(block, columns)
            yield Part(rows, lambda row, block=block: self._line(block, row))  # type: ignore[misc]

    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Text of one column; raises at an empty cell."""
        for block in self._blocks():
            found = []
            for line, cells in self._records(block):
                if not (cell := cells[column].strip()):
                    raise TableError(f"{self.place(line, column)} is empty")
                found.append(cell)
            yield found

    def cells(
        self, columns: Sequence[int]
    ) -> Iterator[tuple[list[list[Hashable]], list[int]]]:
        """Text of some columns, and the line of every row."""
        for block in self._blocks():
            found = list(self._records(block))
            yield (
                [[cells[column] for column in columns] for _, cells in found],
                [line for line, _ in found],
            )

    def _open(self) -> AbstractContextManager[Any]:
        """File at its begin, or standard input where it is."""
        if self._path is None:
            return nullcontext(sys.stdin.buffer)
        return self._path.open("rb")

    def _blocks(self) -> Iterator[_Block]:
        """Blocks of rows below the header."""
        if self._path is None and self._was_read:
            raise TableError(f"{self.name} can be read only once; pass a file")
        self._was_read = True
        start = bytearray() if self.column_names else bytearray(self._head)
        first = self._head_line + 1 if self.column_names else 1
        with self._open() as file:
            if self._path is not None:
                file.seek(len(self._head))
            while content := start + _read(file):
                content += file.readline()
                n_quotes, most = content.count(b'"'), len(content) + LONGEST_CELL
                # An odd number of quotation marks: the last cell has a line break.
                while (
                    n_quotes % 2 and len(content) < most and (line := file.readline())
                ):
                    content += line
                    n_quotes += line.count(b'"')
                yield _Block(first, bytes(content))
                first += content.count(b"\n")
                start = bytearray()

    def _records(self, block: _Block) -> Iterator[tuple[int, list[str]]]:
        """Last line, and cells, of every row of a block, by Python alone."""
        with self._explained():
            text = StringIO(block.content.decode(ENCODING), newline="")
            reader = csv.reader(text, delimiter=self._delimiter, strict=True)
            for cells in reader:
                line = block.first + reader.line_num - 1
                if cells and len(cells) != self.n_columns:
                    raise TableError(
                        f"{self.place(line)} has {len(cells)} cells, and line "
                        f"{self._head_line} has {self.n_columns}{self.hint()}"
                    )
                if cells:
                    yield line, cells

    def _line(self, block: _Block, row: int) -> int:
        return [line for line, _ in self._records(block)][row]

    def _numbers(self, block: _Block, columns: Sequence[int]) -> FloatArray:
        """Numbers of a block that pyarrow refuses, or an error that names the cell."""
        rows = []
        for line, cells in self._records(block):
            for column in columns:
                if not is_number(cells[column]):
                    raise self._wrong_cell(line, column, cells[column])
            rows.append([float(cells[column]) for column in columns])
        return np.array(rows, dtype=np.float64).reshape(-1, len(columns))

    def _wrong_cell(self, line: int, column: int, cell: str) -> TableError:
        what = f"{_shown(cell)} is no number" if cell.strip() else "is empty"
        return TableError(
            f"{self.place(line, column)}: {what}; leave out the column (--drop), or "
            f"the row{self._other_delimiter(cell)}"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise TableError(f"{self.name} is no text in UTF-8") from error
        except csv.Error as error:
            raise TableError(
                f"{self.name}: {error}; a quotation mark may be open, or stand "
                "within a cell"
            ) from error

    def hint(self) -> str:
        """Suggestion of another delimiter, by the first row."""
        return self._other_delimiter(self._first_cell)

    def _other_delimiter(self, cell: str) -> str:
        if self.n_columns > 1:
            return ""
        text = cell.strip()
        found = [n for s, n in DELIMITERS.items() if s in text and s != self._delimiter]
        return f", or say --delimiter {found[0]}" if found else ""


def _read(file: Any) -> bytearray:  # noqa: ANN401 - a buffered file or pipe
    """Bytes of a block, read in pieces: within one call an interrupt might wait."""
    found = bytearray()
    while len(found) < BLOCK_BYTES and (piece := file.read1(BLOCK_BYTES - len(found))):
        found += piece
    return found


def _kept(file: Iterable[bytes], lines: list[bytes]) -> Iterator[str]:
    """Lines of a file as text, which are added to ``lines``."""
    for line in file:
        lines.append(line)
        yield line.decode(ENCODING)


def _is_header(cells: Sequence[str], place: str) -> bool:
    """Whether a first row holds names; raises where a guess may drop a row."""
    filled = [cell for cell in cells if cell.strip()]
    words = [cell for cell in filled if not is_number(cell)]
    if words and len(words) < len(filled):
        number = next(cell for cell in filled if is_number(cell))
        what = f"{_shown(words[0])} is no number, and {_shown(number)} is one"
    elif _are_counted(cells):
        what = f"{_shown(','.join(cells))} may be numbers of columns, or a row"
    else:
        return bool(words)
    raise TableError(
        f"{place}: {what}; pass --header if these are names, else --no-header"
    )


def _are_counted(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2 ..., as pandas names columns, with or without index."""
    names = [cell.strip() for cell in cells]
    counted = names[1:] if len(names) > 1 and not names[0] else names
    return len(names) > 1 and counted == [str(c) for c in range(len(counted))]


def is_number(cell: str) -> bool:
    """Whether a cell holds a number; 1_000, which Python takes for one, is not."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}...")
