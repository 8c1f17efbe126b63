"""Sparse rows: a projection of wide ones, learned once, and dense parts of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn import config_context

from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import AnyRows, Array, FloatArray

# Sparse rows of more features are projected onto so many columns.
# Chosen on made-up texts of 10 and 60 topics: 64 to 256 columns differ by 0.01 in
# accuracy, and the search for neighbours is exact up to 50,000 rows of 128.
MOST_COLUMNS = 128
# Power iterations of the decomposition: on these texts 2 are as good as 5. From 3 on
# they are normalised in between, which float32 needs.
N_ITERATIONS = 3
# Distances that the projection keeps, roughly: others compare features one by one.
KEPT_METRICS = frozenset({"euclidean", "l2", "sqeuclidean", "cosine"})


def canonical_csr(rows: Any) -> sp.csr_array:  # noqa: ANN401
    """Sparse rows as CSR with sorted indices, without duplicates and stored zeros.

    Shares the memory of a CSR matrix that is so already; it is never changed.
    """
    found = sp.csr_array(rows)
    if not found.has_canonical_format or not found.data.all():
        found = found.copy()
        found.sum_duplicates()
        found.eliminate_zeros()
    return found


def learn_projection(rows: AnyRows, seed: int) -> Array | None:
    """Columns onto which wide sparse rows are projected.

    Parameters
    ----------
    rows : ndarray or canonical csr_array of shape (n_samples, n_features)
        Checked rows.
    seed : int
        Seed of the randomised decomposition.

    Returns
    -------
    projection : ndarray of shape (n_features, n_columns), float32, or None
        Leading right singular vectors of the rows at unit length, not centred: up to
        128, and no more than there are rows. ``None`` for dense rows, which are used
        as they are.

    Notes
    -----
    Time of 8 products of the rows with 138 vectors; memory of a few dense blocks of
    n_samples x 138 and n_features x 138.
    """
    if not sp.issparse(rows):
        return None
    # Imported late: prediction needs none of it.
    from sklearn.utils.extmath import randomized_svd

    with config_context(array_api_dispatch=False):
        _, sizes, found = randomized_svd(
            _at_unit_length(sp.csr_array(rows)),
            min(MOST_COLUMNS, *rows.shape),
            n_iter=N_ITERATIONS,
            random_state=seed % 2**32,
        )
    # Of copies and few rows the rest is rounding.
    n_kept = max(1, int((sizes > np.finfo(np.float32).eps * sizes[0]).sum()))
    return np.ascontiguousarray(found[:n_kept].T, dtype=np.float32)


def network_rows(rows: AnyRows, projection: Array | None) -> Iterator[Array]:
    """Rows as the graph and the network take them, part by part.

    Parameters
    ----------
    rows : ndarray or canonical csr_array of shape (n_samples, n_features)
        Checked rows.
    projection : ndarray of shape (n_features, n_columns), float32, or None
        Of :func:`learn_projection`.

    Yields
    ------
    part : ndarray of shape (n_part, n_columns)
        Projected rows at their own lengths, in the float type of the rows; without a
        projection, dense rows as they are. A row is rounded alike in all company,
        whether it is sparse or dense.
    """
    if projection is None and not sp.issparse(rows):
        yield rows
        return
    width = rows.shape[1]
    if projection is not None and sp.issparse(rows):
        width = projection.shape[1]
    step = max(1, SLICE_ELEMENTS // width)
    for start in range(0, rows.shape[0], step):
        part = sp.csr_array(rows[start : start + step])
        if projection is None:
            yield part.toarray()
        else:
            yield _projected(part, projection).astype(rows.dtype, copy=False)


def _projected(rows: sp.csr_array, projection: Array) -> FloatArray:
    """Directions within the columns, at the lengths of the rows."""
    values, indices = rows.data.astype(np.float64), rows.indices
    lengths = _lengths(rows)
    # Of few rows only the features that they have are converted.
    if rows.nnz < projection.shape[0]:
        used, indices = np.unique(indices, return_inverse=True)
        projection = projection[used]
    shape = (rows.shape[0], projection.shape[0])
    wide = sp.csr_array((values, indices, rows.indptr), shape=shape)
    # Row by row, in the order of the features: no row depends on its company.
    found: FloatArray = wide @ projection.astype(np.float64)
    left = np.sqrt(np.square(found).sum(axis=1))
    factors = np.divide(lengths, left, out=np.zeros_like(left), where=left > 0)
    found *= factors[:, None]
    return found


def _at_unit_length(rows: sp.csr_array) -> sp.csr_array:
    """Rows of length 1, so that no far or long row decides how all others are seen."""
    lengths = _lengths(rows)
    units = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    values = rows.data * np.repeat(units, np.diff(rows.indptr))
    values = values.astype(rows.dtype, copy=False)
    return sp.csr_array((values, rows.indices, rows.indptr), shape=rows.shape)


def _lengths(rows: sp.csr_array) -> FloatArray:
    """Euclidean norms of rows, each summed in the order of its features."""
    squares = np.square(rows.data, dtype=np.float64)
    squared = sp.csr_array((squares, rows.indices, rows.indptr), shape=rows.shape)
    lengths: FloatArray = np.sqrt(squared @ np.ones(rows.shape[1]))
    return lengths
