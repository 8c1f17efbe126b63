"""The ``neuraleig`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from neuraleig._extras import missing

__all__ = ["main"]


def main(argv: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command; see ``neuraleig --help``.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments after the program's name; ``None``: those of the process.
    out : text stream or None, default=None
        Where results are written; ``None``: standard output.

    Returns
    -------
    status : int
        0; 1 after an error, which is one line on standard error; 2 after wrong
        arguments, likewise; 130 if interrupted.
    """
    try:
        from neuraleig._cli._main import main as run
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.stderr.write(
            f"neuraleig: error: {missing('the command line', 'typer', 'cli')}\n"
        )
        return 1
    return run(argv, out)
