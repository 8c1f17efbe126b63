"""Warnings that name the line of the user, however deep they come from."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import sklearn

# With its end: a script beside it may begin with the same name.
PACKAGE = str(Path(__file__).parent) + os.sep
# scikit-learn's callbacks put a frame around fits.
INSIDE = (PACKAGE, str(Path(sklearn.__file__).parent / "callback") + os.sep)


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line that called the package, by whichever of its methods.

    Parameters
    ----------
    message : str
        What to tell.
    category : type
        Of the warning.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
