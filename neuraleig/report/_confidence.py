"""How large clusters are, and how probable the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuraleig._typing import FloatArray, IntArray

# Bars of the histogram of probabilities, from 0 to 1.
N_BINS = 20
# What is below is called in doubt.
DOUBTFUL = 0.5


@dataclass(frozen=True)
class Confidences:
    """Sizes of clusters, and the largest probabilities of their members.

    Parameters
    ----------
    sizes : ndarray of shape (n_clusters,)
        Rows or pixels of every cluster.
    means : ndarray of shape (n_clusters,)
        Mean of their largest probabilities; NaN for clusters without any.
    histogram : ndarray of shape (N_BINS,)
        Rows or pixels by their largest probability.
    mean : float
        Mean over all of them.
    n_doubtful : int
        Those whose largest probability is below one half.
    """

    sizes: IntArray
    means: FloatArray
    histogram: IntArray
    mean: float
    n_doubtful: int


class ConfidenceCounts:
    """Counts of labels and of their probabilities, part by part.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    """

    def __init__(self, n_clusters: int) -> None:
        self._sizes = np.zeros(n_clusters, dtype=np.int64)
        self._sums = np.zeros(n_clusters)
        self._histogram = np.zeros(N_BINS, dtype=np.int64)
        self._n_doubtful = 0

    def add(self, labels: NDArray[np.integer], probabilities: FloatArray) -> None:
        """Count labels from 0 on with their probabilities, of the same shape."""
        flat = labels.ravel()
        weights = np.asarray(probabilities, dtype=np.float64).ravel()
        n_clusters = self._sizes.size
        self._sizes += np.bincount(flat, minlength=n_clusters)
        self._sums += np.bincount(flat, weights, minlength=n_clusters)
        # Rounding may leave a probability just outside.
        places = np.clip((weights * N_BINS).astype(np.int64), 0, N_BINS - 1)
        self._histogram += np.bincount(places, minlength=N_BINS)
        self._n_doubtful += int(np.count_nonzero(weights < DOUBTFUL))

    def confidences(self) -> Confidences:
        """What was counted."""
        counts = np.where(self._sizes > 0, self._sizes, np.nan)
        return Confidences(
            self._sizes,
            self._sums / counts,
            self._histogram,
            float(self._sums.sum() / self._sizes.sum()),
            self._n_doubtful,
        )
