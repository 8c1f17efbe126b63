"""Files of rows and files of results, as arguments."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from numpy.typing import NDArray

from neuraleig._cli._arguments import Parser, check_output
from neuraleig._cli._bar import bar
from neuraleig._tables import (
    FORMATS_WRITTEN,
    STANDARD_INPUT,
    Reading,
    Source,
    Table,
    chosen_columns,
    open_source,
    write_csv,
    write_npy,
    write_text,
)

DATA_HELP = ".npy, .npz, .csv, .tsv or .parquet"


def add_data(parser: Parser, text: str = DATA_HELP) -> None:
    """Add the file of rows, and how it is read."""
    parser.add_argument("data", metavar="DATA", help=text)
    add_reading(parser)


def add_reading(parser: Parser) -> None:
    """Add how the file of rows is read."""
    group = parser.add_argument_group("how DATA is read")
    group.add_argument("--key", metavar="NAME", help="array of a .npz file")
    group.add_argument(
        "--columns",
        type=_names,
        metavar="A,B",
        help="columns to take, by their names or numbers from 1 (default: all)",
    )
    group.add_argument(
        "--drop", type=_names, default=(), metavar="A,B", help="columns to leave out"
    )
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether text begins with names (default: if no cell there is a number)",
    )
    group.add_argument(
        "--delimiter",
        type=_delimiter,
        metavar="C",
        help="what stands between cells of text (default: a comma, a tab in .tsv)",
    )


def add_results(parser: Parser, what: str) -> None:
    """Add the file of results."""
    parser.add_argument(
        "-o",
        "--output",
        type=_result,
        metavar="FILE",
        help=f"{what}: .npy or .csv (default: - for .csv to stdout)",
    )


def reading_options(arguments: argparse.Namespace) -> list[str]:
    """Options that were given and say how a file of rows is read."""
    absent = {"key": None, "columns": None, "drop": (), "header": None}
    absent["delimiter"] = None
    given = [name for name, value in absent.items() if vars(arguments)[name] != value]
    return [f"--{name}" for name in given]


def reading_of(arguments: argparse.Namespace) -> Reading:
    """How the file of rows is read."""
    return Reading(arguments.key, arguments.header, arguments.delimiter)


def opened_table(arguments: argparse.Namespace, without: Sequence[str] = ()) -> Table:
    """Rows that the options name.

    Parameters
    ----------
    arguments : Namespace
        Options that were given.
    without : sequence of str, default=()
        Further columns to leave out.

    Returns
    -------
    table : Table
        Nothing but its head is read.
    """
    source = open_source(arguments.data, reading_of(arguments))
    return _chosen(source, arguments, without)


def check_result(path: Path | None, *inputs: str | Path) -> None:
    """Refuse results that cannot be written, or would replace what they are made of."""
    if path is None:
        return
    check_output(path, "--output")
    for other in inputs:
        if str(other) != STANDARD_INPUT and path.exists() and path.samefile(other):
            raise ValueError(f"--output {path} is what is read; choose another file")


def write_results(
    path: Path | None,
    header: Callable[[int], Sequence[str]],
    parts: Iterator[NDArray[Any]],
    table: Table,
    out: TextIO,
) -> None:
    """Write what a model says of every row.

    Parameters
    ----------
    path : Path or None
        File; ``None``: text to ``out``.
    header : callable
        Takes the number of columns, and returns their names.
    parts : iterator of ndarray
        Results, at least one part.
    table : Table
        Rows behind them.
    out : text stream
        Takes the results, or a line that says where they are.
    """
    first = next(parts)
    names = header(1 if first.ndim == 1 else first.shape[1])
    together = chain([first], parts)
    if path is None:
        write_text(out.write, names, together)
        out.flush()
        return
    with bar(table.source.n_rows, "rows", "row") as advance:
        counted = _counted(together, advance)
        if path.suffix.lower() == ".npy":
            n_rows = write_npy(path, counted)
        else:
            n_rows = write_csv(path, names, counted)
    out.write(f"{path}: {n_rows} rows\n")


def _counted(
    parts: Iterator[NDArray[Any]], advance: Callable[[int], object]
) -> Iterator[NDArray[Any]]:
    for part in parts:
        yield part
        advance(len(part))


def _chosen(
    source: Source, arguments: argparse.Namespace, without: Sequence[str]
) -> Table:
    columns = chosen_columns(source, arguments.columns, arguments.drop)
    further = [] if not without else chosen_columns(source, without)
    return Table(source, [column for column in columns if column not in further])


def _names(text: str) -> tuple[str, ...]:
    """Names with commas between; those with a comma in quotation marks."""
    found = next(csv.reader([text], skipinitialspace=True), [])
    names = tuple(name.strip() for name in found)
    if not names or "" in names:
        raise argparse.ArgumentTypeError(f"{text!r} are not columns such as a,b or 1,2")
    return names


def _delimiter(text: str) -> str:
    sign = "\t" if text in ("tab", "\\t") else text
    if len(sign) != 1 or sign in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is no single character, nor tab")
    return sign


def _result(text: str) -> Path | None:
    if text == STANDARD_INPUT:
        return None
    if Path(text).suffix.lower() not in FORMATS_WRITTEN:
        raise argparse.ArgumentTypeError(
            f"{text!r} must end in {' or '.join(FORMATS_WRITTEN)}"
        )
    return Path(text)
