"""Comma-separated text, parsed part by part."""

from __future__ import annotations

import csv
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TextIO

import numpy as np

from neuraleig._tables._table import Part, Source, TableError
from neuraleig._typing import FloatArray

# Cells that are parsed at once. As text a cell takes some 60 bytes.
BLOCK_CELLS = 2**17
# Characters of a cell that an error shows.
SHOWN = 40
# What may stand between cells where it is not what was expected.
DELIMITERS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'", " ": "' '"}

Record = tuple[int, list[str]]
"""Line on which a row of text ends, and its cells."""


@dataclass
class _Block:
    """Some lines, which grow where a cell goes on behind them.

    Parameters
    ----------
    first : int
        Number of the first one.
    lines : list of str
        As they are in the text.
    behind : iterator of str
        What follows.
    """

    first: int
    lines: list[str]
    behind: Iterator[str]

    def records(self, delimiter: str) -> list[Record]:
        """Rows that begin in these lines, but for blank ones."""
        reader = csv.reader(self._supply(), delimiter=delimiter, strict=True)
        found = []
        n_lines = len(self.lines)
        while reader.line_num < n_lines and (cells := next(reader, None)) is not None:
            if cells:
                found.append((self.first + reader.line_num - 1, cells))
        return found

    def _supply(self) -> Iterator[str]:
        yield from self.lines
        for line in self.behind:
            self.lines.append(line)
            yield line


class _Head:
    """First row of a text that is not blank, and the lines down to its end."""

    def __init__(self, text: Iterator[str], delimiter: str) -> None:
        self.lines: list[str] = []
        reader = csv.reader(self._supply(text), delimiter=delimiter, strict=True)
        self.cells = next((cells for cells in reader if cells), [])

    def _supply(self, text: Iterator[str]) -> Iterator[str]:
        for line in text:
            self.lines.append(line)
            yield line


class TextFile(Source):
    """Rows of cells between delimiters, in UTF-8.

    Parameters
    ----------
    name : str
        What it is called in errors.
    open_text : callable
        Opens the text from its begin.
    delimiter : str
        Character between two cells.
    header : bool or None
        Whether the first row holds names; ``None``: if it has text and no number.
    once : bool, default=False
        Whether it can be opened only once, as a pipe.

    Raises
    ------
    TableError
        If it is empty, or no such text, or its first row may be names or not.
    """

    unit = "line"

    def __init__(
        self,
        name: str,
        open_text: Callable[[], AbstractContextManager[TextIO]],
        *,
        delimiter: str,
        header: bool | None,
        once: bool = False,
    ) -> None:
        self.name = name
        self._open = open_text
        self._delimiter = delimiter
        with self._open() as text, self._explained():
            head = _Head(text, delimiter)
            if not head.cells:
                raise TableError(f"{name} is empty")
            self.n_columns = len(head.cells)
            self._first_cell = head.cells[0]
            self._head_line = len(head.lines)
            place = self.place(self._head_line)
            has_header = _is_header(head.cells, place) if header is None else header
            names = tuple(cell.strip() for cell in head.cells)
            self.column_names = names if has_header else None
            # Lines in front of the rows.
            self._n_before = self._head_line if has_header else 0
            self._once = once
            self._rest: Iterator[str] | None = None
            if once:
                self._rest = text if has_header else chain(head.lines, text)

    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Numbers of some columns.

        Raises
        ------
        TableError
            If a row has other cells than the first one, or a cell is no number.
        """
        for block in self._blocks():
            rows = self._plain(block.lines, columns)
            if rows is not None:
                yield Part(rows, range(block.first, block.first + len(rows)))
                continue
            lines, cells = self._cells(block)
            records = [[row[c] for c in columns] for row in cells]
            yield Part(self._numbers(lines, records, columns), lines)

    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Text of one column.

        Raises
        ------
        TableError
            If a row has other cells than the first one, or a cell is empty.
        """
        for block in self._blocks():
            lines, cells = self._cells(block)
            found = [row[column].strip() for row in cells]
            if "" in found:
                line = lines[found.index("")]
                raise TableError(
                    f"{self.place(line)}, column {self.called(column)} is empty"
                )
            yield found

    def _blocks(self) -> Iterator[_Block]:
        """Lines below the header, some at a time."""
        step = max(1, BLOCK_CELLS // self.n_columns)
        first = self._n_before + 1
        with self._below_header() as lines, self._explained():
            while taken := list(islice(lines, step)):
                block = _Block(first, taken, lines)
                yield block
                first += len(block.lines)

    @contextmanager
    def _below_header(self) -> Iterator[Iterator[str]]:
        """Lines below the header; those that come but once only once."""
        if not self._once:
            with self._open() as text:
                yield islice(text, self._n_before, None)
            return
        rest, self._rest = self._rest, None
        if rest is None:
            raise TableError(f"{self.name} can be read only once; pass a file")
        yield rest

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

    def _plain(self, lines: Sequence[str], columns: Sequence[int]) -> FloatArray | None:
        """Numbers of lines without any peculiarity, by numpy; ``None`` for others."""
        between = self.n_columns - 1
        sign = self._delimiter
        for line in lines:
            if line.count(sign) != between or '"' in line or not line.strip():
                return None
        try:
            rows: FloatArray = np.loadtxt(
                lines, delimiter=sign, comments=None, usecols=columns, ndmin=2
            )
        except ValueError:
            return None
        return rows if len(rows) == len(lines) else None

    def _cells(self, block: _Block) -> tuple[list[int], list[list[str]]]:
        """Lines on which rows end, and their cells."""
        with self._explained():
            records = block.records(self._delimiter)
        self._check_widths(records)
        return [line for line, _ in records], [cells for _, cells in records]

    def _check_widths(self, block: Sequence[Record]) -> None:
        for line, cells in block:
            if len(cells) != self.n_columns:
                raise TableError(
                    f"{self.place(line)} has {len(cells)} cells, and line "
                    f"{self._head_line} has {self.n_columns}{self.hint()}"
                )

    def _numbers(
        self,
        lines: Sequence[int],
        records: Sequence[Sequence[str]],
        columns: Sequence[int],
    ) -> FloatArray:
        try:
            numbers = [list(map(float, cells)) for cells in records]
        except ValueError as error:
            raise self._wrong_cell(lines, records, columns) from error
        # Python takes 1_000 for a number, and in files it is none.
        if "_" in "".join(chain.from_iterable(records)):
            raise self._wrong_cell(lines, records, columns)
        return np.array(numbers, dtype=np.float64)

    def _wrong_cell(
        self,
        lines: Sequence[int],
        records: Sequence[Sequence[str]],
        columns: Sequence[int],
    ) -> TableError:
        line, column, cell = next(
            (line, column, cell)
            for line, cells in zip(lines, records, strict=True)
            for column, cell in zip(columns, cells, strict=True)
            if not is_number(cell)
        )
        what = "is empty" if not cell.strip() else f"{_shown(cell)} is no number"
        return TableError(
            f"{self.place(line)}, column {self.called(column)}: {what}; leave out the "
            f"column, or the row{self._other_delimiter(cell)}"
        )

    def hint(self) -> str:
        """What may be wrong with the delimiter, by the first row."""
        return self._other_delimiter(self._first_cell)

    def _other_delimiter(self, cell: str) -> str:
        if self.n_columns > 1:
            return ""
        text = cell.strip()
        found = [n for s, n in DELIMITERS.items() if s in text and s != self._delimiter]
        return f", or say --delimiter {found[0]}" if found else ""


def _is_header(cells: Sequence[str], place: str) -> bool:
    """Whether a first row holds names, where nobody says so.

    Raises
    ------
    TableError
        If it may as well be data: a wrong guess would drop a row, or add one.
    """
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
        f"{place}: {what}; say --header if these are names, or --no-header"
    )


def _are_counted(cells: Sequence[str]) -> bool:
    """Whether cells are as pandas names columns, with or without one of row numbers."""
    names = [cell.strip() for cell in cells]
    has_index = len(names) > 1 and not names[0]
    counted = names[1:] if has_index else names
    return len(names) > 1 and counted == [str(c) for c in range(len(counted))]


def is_number(cell: str) -> bool:
    """Whether a cell holds a number as files write it."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}...")
