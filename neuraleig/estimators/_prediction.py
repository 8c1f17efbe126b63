"""What a fitted clustering says of rows."""

from __future__ import annotations

from numpy.typing import ArrayLike
from sklearn.base import ClusterMixin

from neuraleig._typing import Array, IntArray
from neuraleig.discretize import Discretizer
from neuraleig.estimators._base import EigenfunctionEstimator
from neuraleig.estimators._labels import labels_of
from neuraleig.metrics import modularity


class ClusterPredictor(ClusterMixin, EigenfunctionEstimator):
    """Base of what labels rows by eigenfunctions and scores of clusters."""

    _discretizer: Discretizer

    def predict(self, X: ArrayLike) -> IntArray:
        """Label rows, seen in the fit or not.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            Label of every row, a function of that row alone.
        """
        rows = self._check_rows(X)
        return labels_of(self._discretizer, *self.eigenfunctions_.evaluate(rows))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probability of every cluster; the largest is the label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_found_clusters)
            Rows sum to 1: the softmax of the head; for ``"kmeans"`` the posterior of
            equal round Gaussians; for ``"cluster_qr"`` squared coordinates.
        """
        rows = self._check_rows(X)
        evaluated = self.eigenfunctions_.evaluate(rows)
        return self._discretizer.probabilities(*evaluated)

    def score(
        self, X: ArrayLike, y: None = None, *, affinity_matrix: ArrayLike | None = None
    ) -> float:
        """Modularity of the predicted labels on the graph of ``X``.

        Comparable between numbers of clusters, so that ``GridSearchCV`` can choose
        it; between graphs (``n_neighbors``) it compares graphs as well.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, at least two.
        y : None
            Ignored.
        affinity_matrix : array-like or sparse of shape (n_samples, n_samples) or None
            For the precomputed affinities: that of these rows.

        Returns
        -------
        score : float
            At most 1; higher is better.
        """
        rows = self._check_rows(X)
        gamma = getattr(self, "gamma_", self.gamma)
        affinity = self._make_affinity(affinity_matrix, rows.shape[0], gamma)
        # Seed 0: landmarks and projections are the same on every call.
        graph = affinity.build(rows, seed=0)
        evaluated = self.eigenfunctions_.evaluate(rows[graph.index])
        return modularity(graph.weights, labels_of(self._discretizer, *evaluated))
