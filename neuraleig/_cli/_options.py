"""Types of arguments and options, and groups of options that commands share."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import BadParameter

from neuraleig._cli._command import UsageError
from neuraleig._tables import (
    STANDARD_INPUT,
    Reading,
    Source,
    Table,
    TableError,
    chosen_columns,
    open_source,
    read_labels,
)
from neuraleig._typing import IntArray
from neuraleig.affinity import Affinity

# Suffixes of rows, models, pages and pictures: a file of such a name and another format
# misleads, or has replaced what somebody needs.
SUFFIXES = frozenset(
    ".npy .npz .csv .tsv .txt .parquet .feather .arrow .safetensors .onnx .pkl .pickle "
    ".joblib .pt .pth .html .json .png .jpg .jpeg".split()
)


# Largest integer that an option takes for a count, and for a seed of scikit-learn.
MOST = 2**32 - 1


def file_named(what: str, suffix: str) -> Callable[[str], Path]:
    """Reader of the name of a file to write: any suffix but that of another format."""

    def read(text: str) -> Path:
        own = Path(text).suffix.lower()
        if own in SUFFIXES and own != suffix:
            raise BadParameter(
                f"{text!r} has the suffix of another format; {what} has {suffix}"
            )
        return Path(text)

    return read


def one_of(words: Collection[str]) -> Callable[[str], str]:
    """Reader of one of some words."""

    def read(text: str) -> str:
        if text not in words:
            raise BadParameter(f"{text!r} is none of {', '.join(words)}")
        return text

    return read


def whole(least: int) -> Callable[[str], int]:
    """Reader of an integer in a range."""

    def read(text: str) -> int:
        # Defaults, which are numbers, pass as well.
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= MOST:
            raise BadParameter(f"{text!r} is not an integer from {least} to {MOST}")
        return number

    return read


def _names(text: str) -> tuple[str, ...]:
    """Names with commas between; those with a comma in quotation marks."""
    found = next(csv.reader([text], skipinitialspace=True), [])
    names = tuple(name.strip() for name in found)
    if not names or "" in names:
        raise BadParameter(f"{text!r} are not columns such as a,b or 1,2")
    return names


def _character(text: str) -> str:
    sign = "\t" if text in ("tab", "\\t") else text
    if len(sign) != 1 or sign in '"\r\n':
        raise BadParameter(f"{text!r} is neither a single character nor tab")
    return sign


model_name = file_named("a model", ".safetensors")
ModelName = Annotated[Path, model_name]
Names = Annotated[tuple[str, ...] | None, _names]
Character = Annotated[str | None, _character]
Positive = Annotated[int, whole(1)]
Seed = Annotated[int, whole(0)]


@dataclass(frozen=True)
class Verbosity:
    """How much a fit reports on stderr; without options stages, on a terminal.

    Parameters
    ----------
    quiet
        Report nothing; otherwise a line per stage goes to stderr, on a terminal.
    verbose
        Report every epoch, not stages alone.
    """

    quiet: bool = False
    verbose: bool = False

    @property
    def level(self) -> int:
        """Parameter ``verbose`` of the estimators."""
        if self.quiet and self.verbose:
            raise UsageError("--quiet and --verbose exclude each other")
        return 2 if self.verbose else int(not self.quiet and sys.stderr.isatty())


@dataclass(frozen=True)
class Columns:
    """How a file of rows is read, and which columns are taken.

    Parameters
    ----------
    key : NAME
        Array of a .npz file.
    columns : A,B
        Columns to take, by names or by numbers from 1 (default: all, or those that the
        model names, if both have names).
    drop : A,B
        Columns to leave out.
    header
        Whether text begins with names (default: if no cell there is a number).
    delimiter : C
        Character between cells of text, or tab (default: a comma, a tab in .tsv).
    """

    key: str | None = None
    columns: Names = None
    drop: Names = None
    header: bool | None = None
    delimiter: Character = None

    @property
    def given(self) -> list[str]:
        """Options that were given."""
        return [f"--{name}" for name, value in vars(self).items() if value is not None]

    def source(self, data: str) -> Source:
        """Open a file; reads its head alone."""
        return open_source(data, Reading(self.key, self.header, self.delimiter))

    def table(self, data: str, *without: str | None) -> Table:
        """Rows of a file, without some further columns; reads its head alone."""
        source = self.source(data)
        columns = chosen_columns(source, self.columns, self.drop or ())
        # Arrays of a .npz file are not columns of each other.
        named = [] if data.lower().endswith(".npz") else filter(None, without)
        further = [chosen_columns(source, [name])[0] for name in named]
        return Table(source, [column for column in columns if column not in further])

    def classes(
        self, data: str, column: str, option: str = "--label-column"
    ) -> IntArray:
        """Numbers of the values of one column, which an option names."""
        reading = Reading(None, self.header, self.delimiter)
        return read_labels(data, column, reading, option=option)

    def groups(
        self, data: str, column: str | None, affinity: Affinity
    ) -> IntArray | None:
        """Groups of the rows, if the affinity takes groups."""
        if affinity.takes_groups != (column is not None):
            raise UsageError(
                "--group-column goes with models of --affinity.across-groups: these "
                "need it, and others take no groups"
            )
        if column is None:
            return None
        if data == STANDARD_INPUT:
            raise UsageError("--group-column reads DATA more than once; pass a file")
        groups = self.classes(data, column, "--group-column")
        if groups.size and not groups.any():
            raise TableError(
                f"--group-column {column} of {data} has a single value, and "
                "--affinity.across-groups searches neighbours in other groups; name a "
                "column of two values or more"
            )
        return groups


def check_output(
    path: Path | None, *inputs: str | Path, option: str = "--output"
) -> None:
    """Refuse a file that cannot be written, or would replace an input; before work."""
    if path is None or str(path) == STANDARD_INPUT:
        return
    for other in inputs:
        if str(other) != STANDARD_INPUT and path.exists() and path.samefile(other):
            raise ValueError(f"{option} {path} is what is read; choose another file")
    if path.is_dir():
        raise OSError(f"{path} is a folder; {option} must name a file")
    if path.exists() and not path.is_file():
        # A pipe or a device, which is written straight into.
        return
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise OSError(f"there is no folder {folder} for {option} {path}; make it first")
    if not os.access(folder, os.W_OK):
        raise OSError(f"the folder {folder} of {option} {path} cannot be written to")
