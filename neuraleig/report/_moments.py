"""Means and deviations of features, over all rows and by cluster, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuraleig._typing import FloatArray, IntArray


@dataclass(frozen=True)
class FeatureMoments:
    """What clusters are like, feature by feature.

    Parameters
    ----------
    means, deviations : ndarray of shape (n_features,)
        Over all rows; a deviation is 0 where the feature is constant.
    cluster_means : ndarray of shape (n_clusters, n_features)
        NaN for clusters without rows.
    """

    means: FloatArray
    deviations: FloatArray
    cluster_means: FloatArray

    def differences(self) -> FloatArray:
        """Means of clusters less those of all rows, in deviations of all rows.

        Returns
        -------
        differences : ndarray of shape (n_clusters, n_features)
            0 for constant features and for clusters without rows.
        """
        found = np.zeros_like(self.cluster_means)
        np.divide(
            self.cluster_means - self.means,
            self.deviations,
            out=found,
            where=(self.deviations > 0) & np.isfinite(self.cluster_means),
        )
        return found


class MomentSums:
    """Sums from which the moments are had, of rows that come part by part.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    """

    def __init__(self, n_clusters: int) -> None:
        self._n_clusters = n_clusters
        self._shift: FloatArray | None = None

    def add(self, rows: FloatArray, labels: IntArray) -> None:
        """Look at rows, of shape (n_rows, n_features), with their labels."""
        if self._shift is None:
            # Squares of what lies near 0 do not cancel as those of large values do.
            self._shift = rows.mean(axis=0)
            n_features = rows.shape[1]
            self._squares = np.zeros(n_features)
            self._sums = np.zeros((self._n_clusters, n_features))
            self._counts = np.zeros(self._n_clusters, dtype=np.int64)
        shifted = rows - self._shift
        self._squares += np.einsum("ij,ij->j", shifted, shifted)
        self._counts += np.bincount(labels, minlength=self._n_clusters)
        for cluster in np.unique(labels):
            self._sums[cluster] += shifted[labels == cluster].sum(axis=0)

    def moments(self) -> FeatureMoments:
        """Moments of all rows that were added, at least one."""
        assert self._shift is not None
        n_rows = self._counts.sum()
        shifted = self._sums.sum(axis=0) / n_rows
        variances = np.maximum(self._squares / n_rows - shifted**2, 0.0)
        # What rounding leaves of a constant is no deviation.
        noise = np.finfo(np.float64).eps * (np.abs(self._shift) + np.abs(shifted))
        deviations = np.sqrt(variances)
        deviations[deviations <= 8 * noise] = 0.0
        counts = np.where(self._counts > 0, self._counts, np.nan)[:, None]
        return FeatureMoments(
            self._shift + shifted, deviations, self._shift + self._sums / counts
        )


def telling_features(differences: FloatArray, n_features: int) -> IntArray:
    """Features in which a cluster differs most from all rows.

    Parameters
    ----------
    differences : ndarray of shape (n_all_features,)
        In deviations.
    n_features : int
        How many to take, at most.

    Returns
    -------
    features : ndarray of int
        Their positions, the largest difference first.
    """
    order = np.argsort(-np.abs(differences), kind="stable")
    return order[:n_features]


def separating_features(
    differences: FloatArray, sizes: IntArray, n_features: int
) -> IntArray:
    """Features of which the clusters explain the largest share of the variance.

    Parameters
    ----------
    differences : ndarray of shape (n_clusters, n_all_features)
        In deviations.
    sizes : ndarray of shape (n_clusters,)
        Rows of every cluster.
    n_features : int
        How many to take, at most.

    Returns
    -------
    features : ndarray of int
        Their positions, the largest share first.
    """
    explained = (sizes / sizes.sum()) @ differences**2
    return telling_features(explained, n_features)
