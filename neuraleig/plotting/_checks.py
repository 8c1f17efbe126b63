"""Checks of what displays are given."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.random import sample_without_replacement

from neuraleig._random import RandomState
from neuraleig._typing import FloatArray, IntArray


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a word that is none of the choices."""
    known = list(choices)
    if value not in known:
        raise ValueError(f"{name}={value!r} must be one of {known}.")


def check_lengths(
    name: str, values: ArrayLike, length: int, counterpart: str
) -> NDArray[Any]:
    """Check that there is one value per item of something else.

    Parameters
    ----------
    name : str
        Of the values.
    values : array-like of shape (length,)
        To be checked.
    length : int
        Number of items.
    counterpart : str
        What they are.

    Returns
    -------
    values : ndarray of shape (length,)
        As an array.

    Raises
    ------
    ValueError
        If the shape is another one.
    """
    checked = np.asarray(values)
    if checked.shape != (length,):
        raise ValueError(
            f"{name} has shape {checked.shape}; it must be ({length},), one per "
            f"{counterpart}."
        )
    return checked


def check_series(name: str, values: ArrayLike) -> FloatArray:
    """Check a sequence of finite numbers, which may be empty."""
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != 1:
        raise ValueError(
            f"{name} has shape {checked.shape}; it must be a sequence of numbers."
        )
    if not np.isfinite(checked).all():
        raise ValueError(f"{name} must be finite, but has NaN or infinity.")
    return checked


def check_subsample(subsample: float | None) -> None:
    """Refuse what is neither a number of rows, nor a share of them, nor None."""
    is_number = isinstance(subsample, Integral) and not isinstance(subsample, bool)
    if subsample is None or (is_number and subsample >= 1):
        return
    if is_number or not isinstance(subsample, Real) or not 0 < subsample < 1:
        raise ValueError(
            f"subsample={subsample!r} must be a number of rows (int, at least 1), a "
            "share of them (float between 0 and 1), or None for all."
        )


def drawn_rows(
    n_rows: int, subsample: float | None, random_state: RandomState
) -> IntArray:
    """Numbers of the rows that are drawn, ascending.

    Parameters
    ----------
    n_rows : int
        Rows there are.
    subsample : int, float or None
        How many, or which share; ``None``: all.
    random_state : int, RandomState instance or None
        Seed of the draw.

    Returns
    -------
    index : ndarray of shape (n_drawn,)
        At least one row, where there are any.
    """
    if subsample is None:
        return np.arange(n_rows)
    is_number = isinstance(subsample, Integral)
    n_drawn = int(subsample) if is_number else max(1, round(subsample * n_rows))
    if n_drawn >= n_rows:
        return np.arange(n_rows)
    drawn = sample_without_replacement(n_rows, n_drawn, random_state=random_state)
    return np.sort(drawn).astype(np.int64)
