"""The ``neuraleig`` command."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn, TextIO

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


def script() -> NoReturn:
    """Run the command of the process's arguments, and end the process.

    The interpreter is not taken apart, which would take a second with torch: handlers
    of ``atexit`` are called, which remove temporary folders and end workers, streams
    are flushed, and memory is left to the system.
    """
    status = main()
    others = set(threading.enumerate()) - {threading.current_thread()}
    if not all(thread.daemon for thread in others):
        # Python waits for these.
        sys.exit(status)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # None or closed in programs without a console; main has reported other errors.
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(status)
