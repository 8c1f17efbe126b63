"""The ``neuraleig`` command: parses arguments and hands them on.

Every command has one function that adds its parser and one that runs it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TextIO

from neuraleig import __version__
from neuraleig._demo import DATASETS, run_demo

__all__ = ["main"]

DEFAULT_OUTPUT = "neuraleig-demo"
# scikit-learn's generators take seeds of 32 bits.
MAX_SEED = 2**32 - 1
# What a shell reports for a process that was interrupted.
INTERRUPTED = 130

EXAMPLES = """\
examples:
  neuraleig demo                compare with other methods on handwritten digits
  neuraleig demo --help         options of a command
"""
DEMO_EXAMPLES = """\
examples:
  neuraleig demo                           handwritten digits, plots included
  neuraleig demo --data wine --seed 3      another data set, another split
  neuraleig demo --output figures          plots go to ./figures
  neuraleig demo --no-plots                the table alone
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
        0, or 1 after an error that is on standard error in one line. Wrong arguments
        leave through ``SystemExit`` with status 2, as argparse has it.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments, sys.stdout if out is None else out)
    except BrokenPipeError:
        # The reader of a pipe has left. Python would complain at exit, when it
        # flushes standard output once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        sys.stderr.write(f"neuraleig: error: {_one_line(error)}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


class _Parser(argparse.ArgumentParser):
    """Parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="neuraleig",
        description="Spectral clustering that predicts.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"neuraleig {__version__}"
    )
    commands = parser.add_subparsers(metavar="command", required=True)
    _add_demo(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="compare with KMeans and SpectralClustering on bundled data",
        description=(
            "Fit 70 % of a bundled data set, label the other 30 %, and compare\n"
            "with KMeans and scikit-learn's SpectralClustering."
        ),
        epilog=DEMO_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--data",
        choices=list(DATASETS),
        default="digits",
        help="data set: %(choices)s (default: %(default)s)",
        metavar="NAME",
    )
    parser.add_argument(
        "--seed",
        type=_seed,
        default=0,
        help="seed of the split and of all methods (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(DEFAULT_OUTPUT),
        help="folder for the plots (default: %(default)s)",
        metavar="DIR",
    )
    parser.add_argument("--no-plots", action="store_true", help="draw no plots")
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace, out: TextIO) -> None:
    folder = None if arguments.no_plots else arguments.output
    run_demo(arguments.data, seed=arguments.seed, folder=folder, out=out)


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed <= MAX_SEED:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an integer between 0 and {MAX_SEED}"
        )
    return seed


def _one_line(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
