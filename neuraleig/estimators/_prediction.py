"""What a fitted clustering says of rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from os import PathLike
from typing import Self

from numpy.typing import ArrayLike
from sklearn.base import ClusterMixin

from neuraleig._device import ordinary_torch, resolve_device
from neuraleig._interchange import as_numpy
from neuraleig._typing import AnyRows, Array, FloatArray, IntArray, Matrix, Rows
from neuraleig.affinity import Affinity
from neuraleig.estimators._base import EigenfunctionEstimator
from neuraleig.estimators._evaluation import joined
from neuraleig.estimators._naming import NamedClusters
from neuraleig.metrics import modularity
from neuraleig.reading import Alignment, Calibration, Discretizer


class ClusterPredictor(ClusterMixin, NamedClusters, EigenfunctionEstimator):
    """Base of what labels rows by eigenfunctions and scores of clusters."""

    _discretizer: Discretizer
    _calibration: Calibration | None
    affinity_: Affinity
    labels_: IntArray
    alignment_: Alignment | None

    @abstractmethod
    def fit(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
        align_to: Self | str | PathLike[str] | None = None,
    ) -> Self:
        """Learn eigenfunctions and clusters."""

    def fit_transform(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
        align_to: Self | str | PathLike[str] | None = None,
    ) -> Array:
        """Fit, and evaluate the eigenfunctions at the same rows.

        Parameters
        ----------
        X, y, affinity_matrix, groups, align_to
            As for ``fit``.

        Returns
        -------
        functions : ndarray of shape (n_samples, n_components)
            As from ``transform``.
        """
        return self.fit(
            X, affinity_matrix=affinity_matrix, groups=groups, align_to=align_to
        ).transform(X)

    def fit_predict(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
        align_to: Self | str | PathLike[str] | None = None,
    ) -> IntArray:
        """Fit, and label the same rows.

        Parameters
        ----------
        X, y, affinity_matrix, groups, align_to
            As for ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            ``labels_``.
        """
        return self.fit(
            X, affinity_matrix=affinity_matrix, groups=groups, align_to=align_to
        ).labels_

    def predict(self, X: Rows) -> IntArray:
        """Label rows, seen in the fit or not.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
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
        X : {array-like, sparse matrix}, sliceable or iterable of batches
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
        return (self._discretizer.labels(*values) for values in self._iter_values(X))

    def _labels_at(self, rows: AnyRows) -> IntArray:
        """Labels of rows that were checked."""
        slices = self.eigenfunctions_.slices
        parts = (values for part in self._network_rows(rows) for values in slices(part))
        return joined(self._discretizer.labels(*values) for values in parts)

    def predict_proba(self, X: Rows) -> Array:
        """Probability of every cluster; the largest is the label.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_found_clusters)
            Rows sum to 1. The largest entry estimates how often such a label is right,
            by how far readings of the training graph agree
            (:class:`neuraleig.reading.Calibration`); the others share the rest as the
            discretiser does.

        Notes
        -----
        No class is known: a cluster that is not the class that it is taken for has
        high probabilities nevertheless. Rows unlike all training rows may have, too;
        :meth:`score_samples` finds these.
        """
        return joined(
            self._probabilities(*values)
            for values in self._iter_values(X, with_functions=True)
        )

    def _probabilities(self, functions: Array, logits: Array) -> FloatArray:
        """Probabilities of rows, by their functions and scores."""
        found = self._discretizer.probabilities(functions, logits)
        # Models of former versions have no calibration.
        if self._calibration is None:
            return found
        return self._calibration.probabilities(functions, logits, found)

    def _iter_values(
        self, X: Rows, *, with_functions: bool = False
    ) -> Iterator[tuple[Array, Array]]:
        """Functions, which may be left out if no label needs them, and scores."""
        parts = self._iter_rows(X)
        wanted = with_functions or self._discretizer.needs_functions
        slices = self.eigenfunctions_.slices
        return (v for rows in parts for v in slices(rows, with_functions=wanted))

    @ordinary_torch()
    def score(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Modularity of the predicted labels on the graph of ``X``.

        Comparable between numbers of clusters, so that ``GridSearchCV`` can choose
        it; between graphs (``n_neighbors``) it compares graphs as well.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows, at least two; of more than ``max_graph_rows`` some are drawn.
        y : None
            Ignored.
        affinity_matrix : array-like or sparse of shape (n_samples, n_samples) or None
            For the precomputed affinities: that of these rows.
        groups : array-like of shape (n_samples,) or None, default=None
            Groups of these rows, for an affinity that searches across groups.

        Returns
        -------
        score : float
            At most 1; higher is better.
        """
        parts = self._iter_rows(X)
        affinity = self.affinity_.as_fitted()
        # Seed 0: rows, landmarks and projections are the same on every call.
        drawn = self._draw_graph_rows(parts, affinity, seed=0)
        given = as_numpy(affinity_matrix, "affinity_matrix")
        graph = affinity.build(
            drawn.rows,
            seed=0,
            matrix=self._checked_matrix(affinity, given, drawn),
            groups=self._checked_groups(affinity, groups, drawn),
            device=resolve_device(self.device),
            n_jobs=self.n_jobs,
        )
        evaluated = self.eigenfunctions_.evaluate(drawn.rows[graph.index])
        labels = self._discretizer.labels(*evaluated)
        return modularity(graph.weights, labels, uniform=graph.uniform)
