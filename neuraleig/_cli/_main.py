"""Parses arguments, hands them on, and turns errors into lines and statuses.

Every command has one function that adds its parser and one that runs it.
"""

from __future__ import annotations

import _thread
import argparse
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from neuraleig import __version__
from neuraleig._cli._arguments import FORMAT, Parser
from neuraleig._cli._demo import add_demo
from neuraleig._cli._evaluate import add_evaluate
from neuraleig._cli._export import add_export
from neuraleig._cli._fit import add_fit
from neuraleig._cli._info import add_info
from neuraleig._cli._predict import add_predict, add_transform
from neuraleig._cli._report import add_report
from neuraleig._cli._segment import add_segment

# What a shell reports for a process that was interrupted.
INTERRUPTED = 130
# Seconds until a lost interrupt is repeated: the callbacks that lose it take far less.
REPEATED_AFTER = 0.25

COMMANDS = (
    add_demo,
    add_fit,
    add_predict,
    add_transform,
    add_evaluate,
    add_info,
    add_report,
    add_export,
    add_segment,
)
EXAMPLES = """\
examples:
  neuraleig demo                compare with other methods on handwritten digits
  neuraleig fit rows.csv -o model.safetensors --n-clusters 10
                                learn clusters of the rows of a file
  neuraleig predict model.safetensors more.csv -o labels.csv
                                label rows
  neuraleig segment fit photos -o model.safetensors
                                segment a folder of images
  neuraleig demo --help         options of a command
"""


def main(argv: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments after the program's name; ``None``: those of the process.
    out : text stream or None, default=None
        Where results are written; ``None``: standard output.

    Returns
    -------
    status : int
        0; 1 after an error that is on standard error in one line; 130 if interrupted.
        Wrong arguments leave through ``SystemExit`` with status 2, as argparse has it.
    """
    errors: tuple[type[Exception], ...] = (OSError,)
    try:
        arguments = _arguments(argv)
        errors = arguments.errors
        stream = sys.stdout if out is None else out
        with _warnings_in_lines(), _interrupts_repeated():
            status: int = arguments.run(arguments, stream)
            # What cannot be written is to be found out here, not at exit.
            stream.flush()
    except BrokenPipeError:
        # The reader of a pipe has left.
        _settle_stdout()
        return 1
    except errors as error:
        sys.stderr.write(f"neuraleig: error: {_one_line(error)}\n")
        _settle_stdout()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    try:
        return _parser().parse_args(argv)
    finally:
        # Layouts are written on the way; whether they can be shows here, not at exit.
        sys.stdout.flush()


def _parser() -> Parser:
    parser = Parser(
        prog="neuraleig",
        description="Spectral clustering that predicts.",
        epilog=EXAMPLES,
        formatter_class=FORMAT,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"neuraleig {__version__}"
    )
    commands = parser.add_subparsers(metavar="command", required=True)
    for add in COMMANDS:
        add(commands)
    return parser


def _settle_stdout() -> None:
    """Drop what cannot be written: Python would try once more at exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _warnings_in_lines() -> Iterator[None]:
    """Show warnings as lines of the command, not of its source."""

    def show(message: Warning | str, *rest: object, **more: object) -> None:
        sys.stderr.write(f"neuraleig: warning: {_first_line(str(message))}\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def _interrupts_repeated() -> Iterator[None]:
    """Interrupt again where Python drops an interrupt.

    Whatever is raised in a destructor, in the callback of a weak reference or in one
    from C is told of and forgotten. The import system has such callbacks, and a fit
    imports a thousand modules of torch at its first step.
    """
    former = sys.unraisablehook
    repeats: list[threading.Timer] = []

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            former(lost)
            return
        # Not from here: it would be dropped with this call.
        repeats.append(threading.Timer(REPEATED_AFTER, _thread.interrupt_main))
        repeats[-1].daemon = True
        repeats[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = former
        for repeat in repeats:
            repeat.cancel()


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename else ""
        return f"{named}{error.strerror}"
    return _first_line(str(error)) or type(error).__name__


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
