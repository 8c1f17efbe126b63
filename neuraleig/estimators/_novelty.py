"""How much rows are like the training rows."""

from __future__ import annotations

from collections.abc import Iterator

from sklearn.utils.validation import check_is_fitted

from neuraleig._device import ordinary_torch
from neuraleig._fit import Problem, RowProblem, Run
from neuraleig._standardize import SLICE_ELEMENTS, Standardization
from neuraleig._typing import Array, BoolArray, FloatArray, Rows
from neuraleig.estimators._evaluation import EigenfunctionTransformer, joined
from neuraleig.novelty import RowDensity, fit_density

# Share of rows like the training rows that count as new, where it is left open.
NOVELTY_SHARE = 0.01


class NoveltyScorer(EigenfunctionTransformer):
    """Base of what scores rows by their likeness to the training rows."""

    _density: RowDensity | None
    novelty_threshold_: float

    def score_samples(self, X: Rows) -> FloatArray:
        """Log density of rows: the higher, the more like the training rows.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Natural logarithms of the density of the leading principal components of
            the standardised row and, of many features, of the logarithms of its
            distances from their subspace and from the centre within. Each depends on
            its row alone. They compare rows under one model, not models.

        Raises
        ------
        ValueError
            If the model has no density of rows.

        See Also
        --------
        is_novel : Compares them with a threshold.

        Notes
        -----
        The density is a mixture of up to 64 Gaussians, fitted to up to 3,072 of the
        training rows. It takes up to 32 kB, and 96 bytes per feature; no row is kept.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import make_moons
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> X, _ = make_moons(400, noise=0.05, random_state=0)
        >>> model = NeuralEigenSpectralClustering(2, random_state=0).fit(X)
        >>> far = np.array([[9.0, 9.0]])
        >>> bool(model.score_samples(far)[0] < model.score_samples(X).min())
        True
        >>> model.is_novel(far)
        array([ True])
        """
        return joined(self.iter_score_samples(X))

    def iter_score_samples(self, X: Rows) -> Iterator[FloatArray]:
        """Score rows part by part, for more than fit into memory.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            As for ``fit``: batches of a stream come one by one, and whatever can be
            sliced is read in slices.

        Returns
        -------
        parts : iterator of ndarray of shape (n_part,)
            Scores in the order of the rows, see :meth:`score_samples`.
        """
        density = self._known_density()
        shift = self.eigenfunctions_.shift.cpu().numpy()
        units = Standardization(shift, float(self.eigenfunctions_.scale))
        return (
            _scored(density, units, part)
            for rows in self._iter_rows(X)
            for part in _slices(rows)
        )

    def is_novel(self, X: Rows, *, share: float = NOVELTY_SHARE) -> BoolArray:
        """Whether rows are unlike the training rows.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all.
        share : float, default=0.01
            Share of rows like the training rows that are flagged nevertheless, from
            0.001 to 0.5.

        Returns
        -------
        novel : ndarray of shape (n_samples,), bool
            ``score_samples(X)`` is below the threshold of the share, which is a
            quantile of the scores of training rows that the density was not fitted
            to. ``novelty_threshold_`` is the one of 0.01.

        Raises
        ------
        ValueError
            If the share is out of range, or the model has no density of rows.
        """
        threshold = self._known_density().threshold(share)
        return joined(scores < threshold for scores in self.iter_score_samples(X))

    def _known_density(self) -> RowDensity:
        check_is_fitted(self)
        density: RowDensity | None = getattr(self, "_density", None)
        if density is None:
            raise ValueError(
                "this model has no density of rows: it was fitted to windows of "
                "images, or saved by a former version; fit it to rows."
            )
        return density

    def _set_density(self, density: RowDensity | None) -> None:
        """Store the density, and the threshold that it gives."""
        self._density = density
        if density is not None:
            self.novelty_threshold_ = density.threshold(NOVELTY_SHARE)

    def _fit_density(self, problem: Problem, run: Run) -> None:
        """Fit the density of the rows of a problem, if nodes are rows."""
        density = None
        if isinstance(problem, RowProblem):
            X, units, seed = problem.X, problem.standardization, run.seeds.check
            with run.progress.stage("density") as stage:
                density = run.shard.first(lambda: fit_density(X, units, seed))
                stage.result = f"mixture of {density.n_gaussians}"
        self._set_density(density)


@ordinary_torch()
def _scored(density: RowDensity, units: Standardization, rows: Array) -> FloatArray:
    """Scores of rows in the units of the data."""
    scores: FloatArray = density(units.apply(rows)).numpy()
    return scores


def _slices(rows: Array) -> Iterator[Array]:
    """Parts of rows that fit into memory in float64."""
    step = max(1, SLICE_ELEMENTS // rows.shape[1])
    return (rows[start : start + step] for start in range(0, rows.shape[0], step))
