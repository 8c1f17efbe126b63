"""Columns of files of rows that a command reads."""

from __future__ import annotations

from dataclasses import dataclass

from neuraleig._cli._command import UsageError
from neuraleig._cli._options import Character, Names
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
