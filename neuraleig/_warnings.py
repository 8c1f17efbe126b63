"""Warnings that name the line of the user, however deep they come from."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from types import FrameType

# With its end: a script beside it may begin with the same name.
PACKAGE = str(Path(__file__).parent) + os.sep
# Their frames lie between the user's and the package's: decorators of methods, grid
# searches and pipelines, modules of torch.
LIBRARIES = {"sklearn", "joblib", "torch", "contextlib"}


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line that led here, through whichever method.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    category : type, default=UserWarning
        Class of the warning.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and not _is_users(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_users(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    ours = frame.f_code.co_filename.startswith(PACKAGE)
    return not ours and module.partition(".")[0] not in LIBRARIES
