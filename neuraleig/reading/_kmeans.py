"""k-means of some of the rows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from neuraleig._typing import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.cluster import KMeans


def drawn_rows(
    rows: FloatArray,
    counts: IntArray | None,
    n_most: int,
    generator: np.random.RandomState,
) -> tuple[FloatArray, IntArray | None]:
    """At most so many rows, drawn at random, and their counts."""
    if len(rows) <= n_most:
        return rows, counts
    drawn = np.sort(generator.choice(len(rows), n_most, replace=False))
    return rows[drawn], None if counts is None else counts[drawn]


def fitted_kmeans(
    rows: FloatArray, n_clusters: int, counts: IntArray | None, n_init: int, seed: int
) -> KMeans:
    """k-means of rows that count as often as ``counts`` says; ``None``: all alike."""
    # Imported late: it brings half of scikit-learn, and prediction needs none of it.
    from sklearn.cluster import KMeans

    kmeans = KMeans(n_clusters, n_init=n_init, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: callers leave out clusters without rows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kmeans.fit(rows, sample_weight=counts)
