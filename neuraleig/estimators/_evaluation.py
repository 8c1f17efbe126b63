"""Fitted eigenfunctions at rows, however many there are and wherever they lie."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Self, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neuraleig._components import ComposedEstimator
from neuraleig._interchange import as_numpy
from neuraleig._rows import is_sliced, is_stream, slices_of, stacked
from neuraleig._sparse_rows import MOST_COLUMNS, canonical_csr, network_rows
from neuraleig._typing import AnyRows, Array, Matrix, Rows
from neuraleig._validation import check_kind, check_range
from neuraleig.eigenfunctions import Eigenfunctions

T = TypeVar("T", bound=np.generic)


def joined(parts: Iterable[NDArray[T]]) -> NDArray[T]:
    """Parts one below the other."""
    found: Any = list(parts)
    if not found:
        raise ValueError(
            "X has no rows: Found array with 0 sample(s) while a minimum of 1 is "
            "required."
        )
    whole: NDArray[T] = stacked(found)
    return whole


class EigenfunctionTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ComposedEstimator
):
    """Base of what evaluates fitted eigenfunctions, part by part."""

    eigenfunctions_: Eigenfunctions
    projection_: Array | None

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Tags of scikit-learn: sparse rows are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

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
        X : {array-like, sparse matrix}, sliceable or iterable of batches
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
        X : {array-like, sparse matrix}, sliceable or iterable of batches
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
        """Rows of a fitted estimator, checked, as its network takes them."""
        check_is_fitted(self)
        parts = self._checked_parts(X, reset=False, ensure_min_samples=1)
        return (rows for part in parts for rows in self._network_rows(part))

    def _network_rows(self, rows: AnyRows) -> Iterator[Array]:
        """Checked rows as the fitted network takes them, part by part."""
        # Models of former versions, and those of windows of images, have none.
        return network_rows(rows, getattr(self, "projection_", None))

    def _checked_parts(
        self, X: Rows, *, reset: bool, ensure_min_samples: int
    ) -> Iterator[AnyRows]:
        """Parts of rows as float arrays; the first one says how many features.

        Sparse rows of few features are made dense.
        """
        in_parts = is_stream(X) or is_sliced(X)
        for number, part in enumerate(slices_of(X)):
            check_kind(part)
            rows: AnyRows = validate_data(
                self,
                as_numpy(part),
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                reset=reset and number == 0,
                ensure_min_samples=0 if in_parts else ensure_min_samples,
            )
            # Of batches some may have nothing to say, such as those of a filter.
            if rows.shape[0] == 0:
                continue
            if sp.issparse(rows):
                # First: scipy sums duplicates of the user's matrix to find its maximum.
                rows = canonical_csr(rows)
            if reset:
                check_range(rows)
            if rows.shape[1] > MOST_COLUMNS:
                yield rows
            else:
                yield from network_rows(rows, None)

    @property
    def _n_features_out(self) -> int:
        return self.eigenfunctions_.n_components
