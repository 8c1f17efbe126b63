"""Statistics of rows and pixels that arrive part by part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    """Means and standard deviations of features, of all rows and of clusters.

    Missing values are left out. ``StandardScaler.partial_fit`` would do, but for a
    feature that lacks all values in the first rows, whose mean it never has.

    References
    ----------
    .. [1] T. Chan, G. Golub and R. LeVeque, "Algorithms for computing the sample
       variance", The American Statistician, 1983.
    """

    def __init__(self, n_clusters: int) -> None:
        self._n_clusters = n_clusters
        # Numbers of values, their means and their squared deviations, of each cluster.
        self._sums: tuple[FloatArray, FloatArray, FloatArray] | None = None

    def add(self, rows: FloatArray, labels: IntArray) -> None:
        """Add rows of shape (n_rows, n_features), NaN where missing, and labels."""
        if self._sums is None:
            shape = self._n_clusters, rows.shape[1]
            self._sums = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for cluster in np.unique(labels):
            own = rows[labels == cluster]
            known = ~np.isnan(own)
            count = known.sum(axis=0)
            mean = np.where(known, own, 0).sum(axis=0) / np.maximum(count, 1)
            squares = (np.where(known, own - mean, 0) ** 2).sum(axis=0)
            counts, means, sums = (one[cluster] for one in self._sums)
            moved, total = mean - means, np.maximum(counts + count, 1)
            sums += squares + moved**2 * counts * count / total
            means += moved * count / total
            counts += count

    @property
    def means(self) -> FloatArray:
        """Means over all rows, of shape (n_features,); NaN without a value."""
        counts, means, _ = self._checked
        total = counts.sum(axis=0)
        found: FloatArray = (counts * means).sum(axis=0) / np.where(
            total, total, np.nan
        )
        return found

    @property
    def deviations(self) -> FloatArray:
        """Standard deviations over all rows; 0 for a constant feature."""
        counts, means, squares = self._checked
        total, mean = counts.sum(axis=0), np.nan_to_num(self.means)
        between = (counts * (means - mean) ** 2).sum(axis=0)
        variance = (squares.sum(axis=0) + between) / np.maximum(total, 1)
        # What rounding makes of a constant, as in scikit-learn's scalers.
        epsilon = np.finfo(np.float64).eps
        bound = total * epsilon * variance + (total * mean * epsilon) ** 2
        return np.where(variance > bound, np.sqrt(variance), 0.0)

    @property
    def cluster_means(self) -> FloatArray:
        """Means of clusters, of shape (n_clusters, n_features); NaN if empty."""
        counts, means, _ = self._checked
        return np.where(counts > 0, means, np.nan)

    @property
    def _checked(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        assert self._sums is not None, "there are no rows"
        return self._sums


def telling_features(differences: FloatArray) -> IntArray:
    """Return features by their absolute differences, largest first."""
    return np.argsort(-np.abs(differences), kind="stable")


def separating_features(differences: FloatArray, sizes: IntArray) -> IntArray:
    """Return features by the share of variance that clusters explain, best first."""
    explained = (sizes / sizes.sum()) @ differences**2
    return telling_features(explained)
