"""Statistics of rows and pixels that arrive part by part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from neuraleig._typing import FloatArray, IntArray

# Bars of the histogram of probabilities, from 0 to 1.
N_BINS = 20
# Probability below which a label counts as doubtful.
DOUBTFUL = 0.5


class Confidences:
    """Sizes of clusters, and the probabilities of the assigned clusters."""

    def __init__(self, n_clusters: int) -> None:
        self.sizes: IntArray = np.zeros(n_clusters, dtype=np.int64)
        self.histogram: IntArray = np.zeros(N_BINS, dtype=np.int64)
        self.n_doubtful = 0
        self._sums = np.zeros(n_clusters)

    def add(self, labels: NDArray[np.integer], probabilities: FloatArray) -> None:
        """Count labels and their probabilities, arrays of the same shape."""
        flat = labels.ravel()
        weights = np.asarray(probabilities, dtype=np.float64).ravel()
        n_clusters = self.sizes.size
        self.sizes += np.bincount(flat, minlength=n_clusters)
        self._sums += np.bincount(flat, weights, minlength=n_clusters)
        # Rounding can leave a probability just outside of [0, 1].
        places = np.clip((weights * N_BINS).astype(np.int64), 0, N_BINS - 1)
        self.histogram += np.bincount(places, minlength=N_BINS)
        self.n_doubtful += int(np.count_nonzero(weights < DOUBTFUL))

    @property
    def means(self) -> FloatArray:
        """Mean probability of each cluster, NaN for an empty one."""
        means: FloatArray = self._sums / np.where(self.sizes > 0, self.sizes, np.nan)
        return means

    @property
    def mean(self) -> float:
        """Mean probability of all rows or pixels."""
        return float(self._sums.sum() / self.sizes.sum())


class FeatureMoments:
    """Means and standard deviations of features, of all rows and of clusters."""

    def __init__(self, n_clusters: int) -> None:
        self._all = StandardScaler()
        self._clusters = [StandardScaler(with_std=False) for _ in range(n_clusters)]

    def add(self, rows: FloatArray, labels: IntArray) -> None:
        """Add rows of shape (n_rows, n_features) and their labels."""
        self._all.partial_fit(rows)
        for cluster in np.unique(labels):
            self._clusters[cluster].partial_fit(rows[labels == cluster])

    @property
    def means(self) -> FloatArray:
        """Means over all rows, of shape (n_features,)."""
        means: FloatArray = self._all.mean_
        return means

    @property
    def deviations(self) -> FloatArray:
        """Standard deviations over all rows; 0 for a constant feature."""
        found = np.sqrt(self._all.var_)
        # Features that vary by rounding only have a scale of 1.
        return np.where(self._all.scale_ == found, found, 0.0)

    @property
    def cluster_means(self) -> FloatArray:
        """Means of clusters, of shape (n_clusters, n_features); NaN if empty."""
        unknown = np.full_like(self.means, np.nan)
        return np.array([getattr(one, "mean_", unknown) for one in self._clusters])

    def differences(self) -> FloatArray:
        """Return cluster means minus overall means, in standard deviations, or 0."""
        moved, deviations = self.cluster_means - self.means, self.deviations
        found = np.zeros_like(moved)
        known = (deviations > 0) & np.isfinite(moved)
        return np.divide(moved, deviations, out=found, where=known)


def telling_features(differences: FloatArray, n_features: int) -> IntArray:
    """Return the features with the largest absolute differences, largest first."""
    return np.argsort(-np.abs(differences), kind="stable")[:n_features]


def separating_features(
    differences: FloatArray, sizes: IntArray, n_features: int
) -> IntArray:
    """Return the features whose variance the clusters explain best, best first."""
    explained = (sizes / sizes.sum()) @ differences**2
    return telling_features(explained, n_features)
