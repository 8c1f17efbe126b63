"""Types of arguments and options, and groups of options that commands share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neuraleig._cli._command import UsageError
from neuraleig._cli._readers import Reader, file_named, whole
from neuraleig._terminal import on_terminal

# As in _tables, which imports numpy.
STANDARD_INPUT = "-"

model_name = file_named("a model", ".safetensors")
ModelName = Annotated[Path, model_name]
Names = Annotated[tuple[str, ...] | None, Reader("names")]
Character = Annotated[str | None, Reader("character")]
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
        return 2 if self.verbose else int(not self.quiet and on_terminal())


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
