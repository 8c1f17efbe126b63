"""What the commands have in common: parsers, and types of arguments."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch

from neuraleig.training import CheckpointError

# What users can set right; anything else is a fault of the program.
ERRORS = (
    OSError,
    ValueError,
    ImportError,
    FloatingPointError,
    MemoryError,
    CheckpointError,
    torch.OutOfMemoryError,
)
# scikit-learn's generators take seeds of 32 bits.
MAX_SEED = 2**32 - 1
# Files of rows, models, pages and pictures: what has such a name and is something else
# misleads, or has replaced what somebody needs.
SUFFIXES = frozenset(
    ".npy .npz .csv .tsv .txt .parquet .safetensors .onnx .pkl .pickle .joblib .pt "
    ".pth .html .json .png .jpg .jpeg".split()
)
FORMAT = argparse.RawDescriptionHelpFormatter


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


Commands = argparse._SubParsersAction  # argparse has no other name for it


def add_command(
    commands: Commands[Parser], name: str, summary: str, description: str, examples: str
) -> Parser:
    """Add the parser of a command."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=FORMAT,
        allow_abbrev=False,
    )
    parser.set_defaults(errors=ERRORS, refuse=parser.error)
    return parser


def add_verbosity(parser: Parser) -> None:
    """Add options that say how much is told on stderr: stages, on a terminal."""
    default = 1 if sys.stderr.isatty() else 0
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-q",
        "--quiet",
        dest="verbose",
        action="store_const",
        const=0,
        default=default,
        help="tell of no stage",
    )
    group.add_argument(
        "-v", "--verbose", action="store_const", const=2, help="tell of every epoch"
    )


def seed(text: str) -> int:
    """Seed of 32 bits."""
    number = _integer(text)
    if number is None or not 0 <= number <= MAX_SEED:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an integer between 0 and {MAX_SEED}"
        )
    return number


def positive(text: str) -> int:
    """Integer of at least 1."""
    number = _integer(text)
    if number is None or number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return number


def counted(text: str) -> int:
    """Integer of at least 0."""
    number = _integer(text)
    if number is None or number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 0")
    return number


def add_seed(parser: Parser | argparse._ArgumentGroup, what: str) -> None:
    """Add the seed of a command that fits no estimator."""
    parser.add_argument(
        "--random-state",
        type=seed,
        default=0,
        metavar="N",
        help=f"seed of {what} (default: %(default)s)",
    )


def file_named(what: str, own: str) -> Callable[[str], Path]:
    """Type of a file that is written, whatever its suffix, but not that of others."""

    def convert(text: str) -> Path:
        suffix = Path(text).suffix.lower()
        if suffix in SUFFIXES and suffix != own:
            raise argparse.ArgumentTypeError(
                f"{text!r} is called like a file of another format; {what} is one of "
                f"{own}"
            )
        return Path(text)

    return convert


def or_none(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Type that also takes the word none."""

    def convert(text: str) -> Any:  # noqa: ANN401 - whatever the kind is
        return None if text == "none" else kind(text)

    return convert


def check_output(path: Path, option: str) -> None:
    """Refuse a file that cannot be written, before any work."""
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


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
