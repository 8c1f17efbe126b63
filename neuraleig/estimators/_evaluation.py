"""Fitted eigenfunctions at rows, however many there are and wherever they lie."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neuraleig._components import ComposedEstimator
from neuraleig._interchange import as_numpy
from neuraleig._rows import is_sliced, is_stream, slices_of
from neuraleig._typing import Array, Matrix, Rows
from neuraleig._validation import check_kind, check_range
from neuraleig.eigenfunctions import Eigenfunctions

T = TypeVar("T", bound=np.generic)


def joined(parts: Iterable[NDArray[T]]) -> NDArray[T]:
    """Parts one below the other."""
    found = list(parts)
    if not found:
        raise ValueError(
            "X has no rows: Found array with 0 sample(s) while a minimum of 1 is "
            "required."
        )
    return found[0] if len(found) == 1 else np.concatenate(found)


class EigenfunctionTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ComposedEstimator
):
    """Base of what evaluates fitted eigenfunctions, part by part."""

    eigenfunctions_: Eigenfunctions

    @abstractmethod
    def fit(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the eigenfunctions."""

    def fit_transform(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """Fit, and evaluate the eigenfunctions at the same rows.

        Parameters
        ----------
        X, y, affinity_matrix, groups
            As for ``fit``.

        Returns
        -------
        functions : ndarray of shape (n_samples, n_components)
            As from ``transform``.
        """
        self.fit(X, affinity_matrix=affinity_matrix, groups=groups)
        return self.transform(X)

    def transform(self, X: Rows) -> Array:
        """Evaluate the eigenfunctions at rows, seen in the fit or not.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all.

        Returns
        -------
        functions : ndarray of shape (n_samples, n_components)
            Ordered eigenfunctions, in the float type of ``X``. Row ``i`` depends on
            row ``i`` of ``X`` alone.
        """
        return joined(self.iter_transform(X))

    def iter_transform(self, X: Rows) -> Iterator[Array]:
        """Evaluate the eigenfunctions part by part, for more than fits into memory.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            As for ``fit``: batches of a stream come one by one, and whatever can be
            sliced is read in slices.

        Returns
        -------
        parts : iterator of ndarray of shape (n_part, n_components)
            Values in the order of the rows.
        """
        return (
            self._shown(functions).astype(rows.dtype, copy=False)
            for rows in self._iter_rows(X)
            for functions, _ in self.eigenfunctions_.slices(rows)
        )

    def _shown(self, functions: Array) -> Array:
        """Functions that ``transform`` returns."""
        return functions

    def _iter_rows(self, X: Rows) -> Iterator[Array]:
        """Rows of a fitted estimator, checked, part by part."""
        check_is_fitted(self)
        return self._checked_parts(X, reset=False, ensure_min_samples=1)

    def _checked_parts(
        self, X: Rows, *, reset: bool, ensure_min_samples: int
    ) -> Iterator[Array]:
        """Parts of rows as float arrays; the first one says how many features."""
        in_parts = is_stream(X) or is_sliced(X)
        for number, part in enumerate(slices_of(X)):
            check_kind(part)
            rows: Array = validate_data(
                self,
                as_numpy(part),
                dtype=[np.float64, np.float32],
                reset=reset and number == 0,
                ensure_min_samples=0 if in_parts else ensure_min_samples,
            )
            # Of batches some may have nothing to say, such as those of a filter.
            if rows.shape[0] == 0:
                continue
            if reset:
                check_range(rows)
            yield rows

    @property
    def _n_features_out(self) -> int:
        return self.eigenfunctions_.n_components
