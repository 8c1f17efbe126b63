"""Counts of labels."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._typing import IntArray


def count_labels(parts: Iterable[ArrayLike], n_clusters: int | None = None) -> IntArray:
    """Count how often each label occurs.

    Parameters
    ----------
    parts : iterable of array-like of int
        Labels from 0 on, of any shape; looked at one by one.
    n_clusters : int or None, default=None
        Number of labels there may be; ``None``: up to the largest.

    Returns
    -------
    counts : ndarray of shape (n_clusters,)
        Of every label.

    Raises
    ------
    ValueError
        If there are no labels, or some are none of clusters.
    """
    if n_clusters is not None and (
        not isinstance(n_clusters, Integral) or n_clusters < 1
    ):
        raise ValueError(f"n_clusters={n_clusters!r} must be an integer, at least 1.")
    counts = np.zeros(n_clusters or 0, dtype=np.int64)
    for part in parts:
        labels = np.asarray(part)
        if labels.size == 0:
            continue
        if labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels has type {labels.dtype}; they must be integers, the numbers "
                "of clusters."
            )
        if labels.min() < 0:
            raise ValueError(
                f"labels has {labels.min()}; clusters are numbered from 0 on, and "
                "rows or pixels without one must be left out."
            )
        found = np.bincount(labels.ravel().astype(np.int64, copy=False))
        if n_clusters is not None and found.size > n_clusters:
            raise ValueError(
                f"n_clusters={n_clusters} is too small for labels up to "
                f"{found.size - 1}."
            )
        size = max(counts.size, found.size)
        counts = np.pad(counts, (0, size - counts.size))
        counts[: found.size] += found
    if not counts.any():
        raise ValueError("labels is empty; there must be at least one label.")
    return counts
