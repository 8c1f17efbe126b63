"""k-means of hidden features, as scores of a linear head."""

from __future__ import annotations

import numpy as np

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.reading._kmeans import drawn_rows, fitted_kmeans

# Starts of k-means, and rows that it is fitted to.
N_STARTS = 10
MAX_ROWS = 50_000


def nearest_centre_scores(
    hidden: Array, n_clusters: int, seed: int, counts: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Linear scores whose largest is the nearest centre of k-means.

    They are log posteriors of equal round Gaussians at the centres, up to a constant
    per row.

    Parameters
    ----------
    hidden : ndarray of shape (n_rows, n_hidden)
        Hidden features of some rows.
    n_clusters : int
        Number of centres, lowered to the number of rows.
    seed : int
        Seed of k-means, and of the draw where there are more than 50,000 rows.
    counts : ndarray of shape (n_rows,), int64, or None, default=None
        How often each row counts; ``None``: all alike.

    Returns
    -------
    weight : ndarray of shape (n_clusters, n_hidden), float64
        Of the linear map.
    bias : ndarray of shape (n_clusters,), float64
        Of the linear map.
    """
    rows, counts = drawn_rows(
        hidden.astype(np.float64), counts, MAX_ROWS, np.random.RandomState(seed)
    )
    kmeans = fitted_kmeans(rows, min(n_clusters, len(rows)), counts, N_STARTS, seed)
    centres = kmeans.cluster_centers_
    n_rows = len(rows) if counts is None else int(counts.sum())
    variance = kmeans.inertia_ / (n_rows * rows.shape[1])
    spread = max(variance, float(np.finfo(np.float32).eps))
    return centres / spread, -np.square(centres).sum(axis=1) / (2 * spread)
