"""A bar of progress, on terminals where tqdm is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(total: int | None, what: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a bar while the block runs.

    Parameters
    ----------
    total : int or None
        Where it ends, if that is known.
    what, unit : str
        What is done, and what is counted.

    Yields
    ------
    advance : callable
        Takes how many more are done.
    """
    try:
        tqdm = importlib.import_module("tqdm").tqdm if sys.stderr.isatty() else None
    except ImportError:
        tqdm = None
    if tqdm is None:
        yield lambda count: None
        return
    with tqdm(total=total, desc=what, unit=unit, unit_scale=unit == "row") as shown:
        yield shown.update
