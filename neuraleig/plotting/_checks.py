"""Validation of the arguments of displays."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.random import sample_without_replacement

from neuraleig._random import RandomState
from neuraleig._typing import FloatArray, IntArray
from neuraleig._validation import is_count, is_missing


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise a ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {list(choices)}.")


def check_lengths(
    name: str, values: ArrayLike, length: int, counterpart: str
) -> NDArray[Any]:
    """Return values as an array of shape (length,), one value per counterpart."""
    checked = np.asarray(values)
    if checked.shape != (length,):
        raise ValueError(
            f"{name} has shape {checked.shape}; it must be ({length},), one per "
            f"{counterpart}."
        )
    return checked


def check_finite(name: str, values: ArrayLike, ndim: int, expected: str) -> FloatArray:
    """Return finite values of so many dimensions in float64."""
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != ndim:
        raise ValueError(f"{name} has shape {checked.shape}; it must be {expected}.")
    if not np.isfinite(checked).all():
        raise ValueError(
            f"{name} must be finite, but it has NaN or infinity; leave out such values."
        )
    return checked


def check_labels(
    labels: ArrayLike | None,
    label_order: ArrayLike | None,
    n_rows: int,
    counterpart: str,
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Return one label per row, none of them missing, and all labels in order."""
    if labels is None:
        return None, None if label_order is None else np.asarray(label_order)
    checked = check_lengths("labels", labels, n_rows, counterpart)
    missing = np.array(list(map(is_missing, checked.tolist())), dtype=bool)
    if missing.any():
        raise ValueError(
            f"labels has {missing.sum()} missing values (NaN or None), the first at "
            f"row {missing.argmax()}; leave out these rows, or give them a label."
        )
    found = np.unique(checked)
    order = found if label_order is None else np.asarray(label_order)
    left_out = found[~np.isin(found, order)]
    if left_out.size:
        raise ValueError(
            f"label_order={order.tolist()} leaves out labels that occur: "
            f"{left_out.tolist()}."
        )
    return checked, order


def count_labels(parts: Iterable[ArrayLike], n_clusters: int | None = None) -> IntArray:
    """Count labels part by part, up to the largest label for ``n_clusters=None``."""
    if n_clusters is not None and not is_count(n_clusters):
        raise ValueError(f"n_clusters={n_clusters!r} must be an integer, at least 1.")
    counts = np.zeros(n_clusters or 0, dtype=np.int64)
    for labels in filter(np.size, map(np.asarray, parts)):
        if labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels has type {labels.dtype}; labels of clusters must be integers."
            )
        if labels.min() < 0:
            raise ValueError(
                f"labels has {labels.min()}; clusters are numbered from 0. Leave out "
                "rows or pixels without a cluster."
            )
        found = np.bincount(labels.ravel().astype(np.int64, copy=False))
        if n_clusters is not None and found.size > n_clusters:
            raise ValueError(
                f"n_clusters={n_clusters} is too small for labels up to "
                f"{found.size - 1}."
            )
        counts = np.pad(counts, (0, max(0, found.size - counts.size)))
        counts[: found.size] += found
    if not counts.any():
        raise ValueError("labels is empty; there must be at least one label.")
    return counts


def check_subsample(subsample: float | None) -> None:
    """Raise a ValueError unless this is a number of rows, a share of them, or None."""
    is_share = isinstance(subsample, Real) and 0 < subsample < 1
    if subsample is not None and not is_share and not is_count(subsample):
        raise ValueError(
            f"subsample={subsample!r} must be a number of rows (int, at least 1), a "
            "share of them (float between 0 and 1), or None for all."
        )


def drawn_rows(
    n_rows: int, subsample: float | None, random_state: RandomState
) -> IntArray:
    """Draw row numbers without replacement, in ascending order; at least one."""
    n_drawn = n_rows
    if subsample is not None:
        is_number = isinstance(subsample, Integral)
        n_drawn = int(subsample) if is_number else max(1, round(subsample * n_rows))
    if n_drawn >= n_rows:
        return np.arange(n_rows)
    drawn = sample_without_replacement(n_rows, n_drawn, random_state=random_state)
    return np.sort(drawn).astype(np.int64)
