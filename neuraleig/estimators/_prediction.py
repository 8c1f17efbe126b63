"""What a fitted clustering says of rows."""

from __future__ import annotations

from collections.abc import Iterator

from sklearn.base import ClusterMixin

from neuraleig._interchange import as_numpy
from neuraleig._typing import Array, IntArray, Matrix, Rows
from neuraleig.discretize import Discretizer
from neuraleig.estimators._base import EigenfunctionEstimator
from neuraleig.estimators._evaluation import joined
from neuraleig.estimators._labels import labels_of
from neuraleig.metrics import modularity


class ClusterPredictor(ClusterMixin, EigenfunctionEstimator):
    """Base of what labels rows by eigenfunctions and scores of clusters."""

    _discretizer: Discretizer
    labels_: IntArray

    def fit_predict(
        self, X: Rows, y: None = None, *, affinity_matrix: Matrix | None = None
    ) -> IntArray:
        """Fit, and label the same rows.

        Parameters
        ----------
        X, y, affinity_matrix
            As for ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            ``labels_``.
        """
        return self.fit(X, affinity_matrix=affinity_matrix).labels_

    def predict(self, X: Rows) -> IntArray:
        """Label rows, seen in the fit or not.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            Label of every row, a function of that row alone.
        """
        return joined(self.iter_predict(X))

    def iter_predict(self, X: Rows) -> Iterator[IntArray]:
        """Label rows part by part, for more than fit into memory.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            As for ``fit``: of a stream every batch is one part, and whatever can be
            sliced is read in slices.

        Returns
        -------
        parts : iterator of ndarray of shape (n_part,), int64
            Labels in the order of the rows.

        Examples
        --------
        >>> import numpy as np
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> X = np.repeat([0.0, 9.0], 20)[:, None] + np.linspace(0, 1, 40)[:, None]
        >>> model = NeuralEigenSpectralClustering(2, random_state=0).fit(X)
        >>> batches = (X[start : start + 30] for start in (0, 30))
        >>> [labels.size for labels in model.iter_predict(batches)]
        [30, 10]
        """
        return (
            labels_of(self._discretizer, *values) for values in self._iter_values(X)
        )

    def predict_proba(self, X: Rows) -> Array:
        """Probability of every cluster; the largest is the label.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_found_clusters)
            Rows sum to 1: the softmax of the head; for ``"kmeans"`` the posterior of
            equal round Gaussians; for ``"cluster_qr"`` squared coordinates.
        """
        return joined(
            self._discretizer.probabilities(*values) for values in self._iter_values(X)
        )

    def _iter_values(self, X: Rows) -> Iterator[tuple[Array, Array]]:
        """What the discretiser looks at, part by part."""
        parts = self._iter_rows(X)
        wanted = self._discretizer.needs_functions
        slices = self.eigenfunctions_.slices
        return (v for rows in parts for v in slices(rows, with_functions=wanted))

    def score(
        self, X: Rows, y: None = None, *, affinity_matrix: Matrix | None = None
    ) -> float:
        """Modularity of the predicted labels on the graph of ``X``.

        Comparable between numbers of clusters, so that ``GridSearchCV`` can choose
        it; between graphs (``n_neighbors``) it compares graphs as well.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            Rows, at least two; of more than ``max_graph_rows`` some are drawn.
        y : None
            Ignored.
        affinity_matrix : array-like or sparse of shape (n_samples, n_samples) or None
            For the precomputed affinities: that of these rows.

        Returns
        -------
        score : float
            At most 1; higher is better.
        """
        # Seed 0: rows, landmarks and projections are the same on every call.
        rows = self._draw_graph_rows(self._iter_rows(X), seed=0).rows
        gamma = getattr(self, "gamma_", self.gamma)
        matrix = as_numpy(affinity_matrix, "affinity_matrix")
        affinity = self._make_affinity(matrix, rows.shape[0], gamma)
        graph = affinity.build(rows, seed=0)
        evaluated = self.eigenfunctions_.evaluate(rows[graph.index])
        labels = labels_of(self._discretizer, *evaluated)
        return modularity(graph.weights, labels, uniform=graph.uniform)
