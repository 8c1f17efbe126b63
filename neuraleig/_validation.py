"""Checks at the door: what is behind it assumes clean data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, column_or_1d

from neuraleig._interchange import as_numpy
from neuraleig._typing import AnyRows, IntArray

# Relative asymmetry that rounding explains.
SYMMETRY_TOLERANCE = 1e-6
# Roundings of a distance that is 1 minus a product, in units of its type.
UNIT_ROUNDINGS = 4
# scikit-learn's distances between rows, but for those that need further arguments.
# Listed, since to ask for them imports half of scikit-learn.
METRICS = frozenset(
    """
    braycurtis canberra chebyshev cityblock correlation cosine dice euclidean hamming
    haversine infinity jaccard l1 l2 manhattan minkowski nan_euclidean p rogerstanimoto
    russellrao sokalmichener sokalsneath sqeuclidean yule
    """.split()
)

# Squared distances between rows of larger values overflow; those between rows of
# smaller ones vanish.
LARGEST_VALUE, SMALLEST_VALUE = 1e150, 1e-140


def check_kind(X: object) -> None:
    """Refuse rows that are named or not yet computed, and say the way out."""
    # One of their formats is a mapping.
    if sp.issparse(X):
        return
    named = _first_item(X)
    if isinstance(named, Mapping):
        raise TypeError(
            f"X is of type {type(X).__name__} and has entries by name "
            f"({sorted(map(str, named))}); pass an array (n_rows, n_features), such as "
            "np.stack([row[name] for row in X]), or a DataLoader whose batches are "
            "such arrays."
        )
    if hasattr(X, "collect") and not hasattr(X, "__array__"):
        raise TypeError(
            f"X is of type {type(X).__name__}, which is computed on demand; pass what "
            "comes of it, such as X.collect()."
        )


def _first_item(X: Any) -> object:  # noqa: ANN401
    """First item of a sequence that is no array, and of anything else the whole."""
    is_sequence = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    if isinstance(X, Mapping) or hasattr(X, "__array__") or hasattr(X, "shape"):
        is_sequence = False
    return X[0] if is_sequence and len(X) else X


def check_range(X: AnyRows) -> None:
    """Refuse values whose squares are not finite, or nothing."""
    largest = max(float(X.max()), -float(X.min()))
    if largest > LARGEST_VALUE:
        raise ValueError(
            f"X has values of up to {largest:.3g}, whose squares overflow; divide X by "
            "its standard deviation."
        )
    if 0 < largest < SMALLEST_VALUE:
        raise ValueError(
            f"X has values of up to {largest:.3g} alone, whose squares vanish; divide "
            "X by its standard deviation."
        )


def check_affinity_matrix(
    matrix: Any,  # noqa: ANN401 - whatever a user passes
    n_samples: int,
) -> sp.csr_array:
    """Check a precomputed affinity and return it as float64 CSR.

    Parameters
    ----------
    matrix : array-like or sparse of shape (n_samples, n_samples)
        Symmetric, non-negative and finite.
    n_samples : int
        Number of rows of ``X``.

    Returns
    -------
    matrix : csr_array
        A copy only where the type changes.

    Raises
    ------
    ValueError
        If the matrix is none of these.
    """
    matrix = _square(matrix, n_samples)
    asymmetry = abs(matrix - matrix.T)
    largest = float(abs(matrix).max()) if matrix.nnz else 0.0
    if asymmetry.nnz and float(asymmetry.max()) > SYMMETRY_TOLERANCE * largest:
        raise ValueError(
            "affinity_matrix is not symmetric (entries differ from their mirror by up "
            f"to {float(asymmetry.max()):.3g}); pass (A + A.T) / 2 if that is meant."
        )
    return matrix


def check_neighbors_matrix(
    matrix: Any,  # noqa: ANN401 - whatever a user passes
    n_samples: int,
    n_neighbors: int,
) -> sp.csr_array:
    """Check a sparse graph of distances to neighbours, as scikit-learn writes it.

    Parameters
    ----------
    matrix : sparse of shape (n_samples, n_samples)
        Stored entries are distances; from ``kneighbors_graph`` or
        ``KNeighborsTransformer``.
    n_samples : int
        Number of rows of ``X``.
    n_neighbors : int
        Neighbours that every row must have besides itself.

    Returns
    -------
    matrix : csr_array
        Float64, explicit zeros kept.

    Raises
    ------
    ValueError
        If the matrix is dense, of another shape, negative or has too few entries.
    """
    if not sp.issparse(matrix):
        raise ValueError(
            f"affinity_matrix is of type {type(matrix).__name__}; with "
            "affinity='precomputed_nearest_neighbors' it must be a sparse matrix of "
            "distances, such as KNeighborsTransformer returns."
        )
    matrix = _square(matrix, n_samples)
    rows = np.repeat(np.arange(n_samples), np.diff(matrix.indptr))
    others = np.bincount(rows[rows != matrix.indices], minlength=n_samples)
    if others.min() < n_neighbors:
        raise ValueError(
            f"affinity_matrix has a row of only {others.min()} neighbours, fewer than "
            f"n_neighbors={n_neighbors}; compute it with more neighbours, or lower "
            "n_neighbors."
        )
    return matrix


def _square(matrix: Any, n_samples: int) -> sp.csr_array:  # noqa: ANN401
    checked = check_array(
        matrix,
        accept_sparse="csr",
        accept_large_sparse=True,
        dtype=np.float64,
        input_name="affinity_matrix",
    )
    if checked.shape[0] != checked.shape[1]:
        raise ValueError(
            f"affinity_matrix has shape {checked.shape}; it must be square. "
            "Cross-validation takes its rows and leaves its columns: pass a callable "
            "as affinity there, or split by hand, affinity_matrix[rows][:, rows]."
        )
    if checked.shape[0] != n_samples:
        raise ValueError(
            f"affinity_matrix has {checked.shape[0]} rows but X has {n_samples}; row i "
            "of both must be the same sample."
        )
    result = sp.csr_array(checked)
    if not result.nnz or result.data.min() >= 0:
        return result
    least, largest = float(result.data.min()), float(result.data.max())
    if -least > max(SYMMETRY_TOLERANCE * largest, _unit_rounding(matrix)):
        raise ValueError(
            f"affinity_matrix has negative entries (minimum {least:.3g}); "
            "it must be non-negative."
        )
    # New values, since the matrix may be the user's; zeros are distances, too.
    values = np.maximum(result.data, 0.0)
    return sp.csr_array((values, result.indices, result.indptr), shape=result.shape)


def _unit_rounding(matrix: object) -> float:
    """What rounding leaves of a difference of ones, such as 1 minus a cosine."""
    dtype = getattr(matrix, "dtype", None)
    is_float = isinstance(dtype, np.dtype) and dtype.kind == "f"
    return UNIT_ROUNDINGS * float(np.finfo(dtype).eps) if is_float else 0.0


def check_groups(
    groups: Any,  # noqa: ANN401 - whatever a user passes
    n_samples: int,
    drawn: IntArray | None = None,
) -> IntArray:
    """Check the groups of rows and number them in the order in which they come.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Numbers, strings or other names.
    n_samples : int
        Number of rows of ``X``.
    drawn : ndarray of shape (n_drawn,), int64, or None, default=None
        Rows whose groups are returned; ``None``: all.

    Returns
    -------
    codes : ndarray of shape (n_drawn,), int64
        Group of every drawn row, from 0.

    Raises
    ------
    ValueError
        If there is not one group per row, one is missing, or there is a single group.
    """
    values = column_or_1d(as_numpy(groups, "groups"))
    if len(values) != n_samples:
        raise ValueError(
            f"groups has {len(values)} entries but X has {n_samples} rows; pass one "
            "per row, in the order of the rows."
        )
    if drawn is not None:
        values = values[drawn]
    numbers: dict[object, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in values.tolist()]
    missing = [value for value in numbers if is_missing(value)]
    if missing:
        row = codes.index(numbers[missing[0]])
        raise ValueError(
            f"groups has missing values ({missing[0]!r} for row "
            f"{row if drawn is None else drawn[row]}); pass a group for every row."
        )
    if len(numbers) < 2:
        raise ValueError(
            f"groups has the single value {next(iter(numbers))!r}, and neighbours are "
            "searched in other groups; pass at least two groups, or set "
            "affinity__across_groups=False."
        )
    return np.array(codes, dtype=np.int64)


def is_missing(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is None, NaN, or NA of pandas, which has no truth."""
    return value is None or type(value).__name__ == "NAType" or value != value


def is_count(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is an integer of at least 1."""
    return (
        isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0
    )


def check_n_clusters(
    n_clusters: int, n_samples: int, *, are_drawn: bool = False
) -> None:
    """Refuse more clusters than rows, or than rows that were drawn for the graph."""
    if n_clusters > n_samples:
        if are_drawn:
            raise ValueError(
                f"n_clusters={n_clusters} is more than max_graph_rows={n_samples}, the "
                "rows that the graph has; raise max_graph_rows or lower n_clusters."
            )
        raise ValueError(
            f"n_clusters={n_clusters} is more than the number of rows of X "
            f"(n_samples={n_samples}); lower n_clusters."
        )


def check_share(name: str, value: Any, least: float, most: float) -> None:  # noqa: ANN401
    """Refuse a share out of its range; the error names it."""
    if not isinstance(value, Real) or not least <= float(value) <= most:
        raise ValueError(
            f"{name}={value!r} is not a share from {least:g} to {most:g} that the "
            f"model knows; choose another {name}."
        )


def check_hidden_sizes(hidden_sizes: Sequence[int], prefix: str = "") -> None:
    """Refuse layers without units; ``prefix`` precedes the name of the parameter."""
    if not hidden_sizes or not all(map(is_count, hidden_sizes)):
        raise ValueError(
            f"{prefix}hidden_sizes={hidden_sizes!r} must be one or more integers of at "
            "least 1."
        )


def check_temperature(
    temperature: Sequence[float], name: str = "temperature"
) -> tuple[float, float]:
    """Refuse all but two positive numbers, and return them."""
    if len(temperature) != 2 or any(
        isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < np.inf
        for value in temperature
    ):
        raise ValueError(
            f"{name}={temperature!r} must be two positive numbers, those of the "
            "first and the last step."
        )
    start, end = temperature
    return float(start), float(end)
