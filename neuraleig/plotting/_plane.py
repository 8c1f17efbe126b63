"""Rows in the plane of some eigenfunctions: what is to be drawn, checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._random import RandomState
from neuraleig._rows import is_stream, slices_of
from neuraleig._sklearn import rows_at
from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting._checks import check_lengths, check_subsample, drawn_rows
from neuraleig.plotting._fitted import eigenvalues_of, final_step, n_clusters_of
from neuraleig.segmentation import DenseSegmenter


@dataclass(frozen=True)
class Plane:
    """Rows that go together with what is said of them.

    Parameters
    ----------
    embedding : ndarray of shape (n_drawn, n_columns)
        Coordinates of the rows that are drawn.
    labels : ndarray of shape (n_drawn,) or None
        Their labels.
    eigenvalues : ndarray of shape (n_columns,) or None
        Eigenvalues of the columns.
    components : tuple of int
        Which eigenfunctions the columns are.
    label_order : ndarray of shape (n_labels,) or None
        All labels, in the order of colours.
    rows : ndarray of shape (n_drawn,)
        Numbers of the rows among all.
    """

    embedding: FloatArray
    labels: NDArray[Any] | None
    eigenvalues: FloatArray | None
    components: tuple[int, ...]
    label_order: NDArray[Any] | None
    rows: IntArray


def checked_plane(
    embedding: ArrayLike,
    labels: ArrayLike | None,
    *,
    eigenvalues: ArrayLike | None,
    components: tuple[int, ...] | None,
    label_order: ArrayLike | None,
    subsample: float | None,
    random_state: RandomState,
) -> Plane:
    """Check given coordinates, and draw rows of them.

    The parameters are those of :meth:`EmbeddingDisplay.from_predictions`.
    """
    check_subsample(subsample)
    values = _check_embedding(embedding)
    n_rows, n_functions = values.shape
    if components is None:
        components = (2, 3)[:n_functions]
    columns = _check_components(components, n_functions)
    rows = drawn_rows(n_rows, subsample, random_state)
    order = None
    if labels is not None:
        labels = _check_labels(labels, n_rows, "row of embedding")
        order = _check_order(label_order, labels)
        labels = labels[rows]
    if eigenvalues is not None:
        eigenvalues = check_lengths(
            "eigenvalues", eigenvalues, n_functions, "column of embedding"
        )[columns]
    drawn = values[:, columns][rows]
    return Plane(drawn, labels, eigenvalues, components, order, rows)


def evaluated_plane(
    estimator: Any,  # noqa: ANN401 - duck-typed
    X: ArrayLike,
    labels: ArrayLike | None,
    *,
    components: tuple[int, ...] | None,
    label_order: ArrayLike | None,
    subsample: float | None,
    random_state: RandomState,
) -> tuple[Plane, bool]:
    """Draw rows, and evaluate a fitted estimator at them.

    The parameters are those of :meth:`EmbeddingDisplay.from_estimator`.

    Returns
    -------
    plane : Plane
        Rows that are drawn.
    is_predicted : bool
        Whether their labels are those of the estimator.
    """
    check_subsample(subsample)
    eigenvalues = _eigenvalues_of_rows(estimator)[1:]
    rows = None
    n_rows = _number_of_rows(X)
    # Streams cannot be indexed: they are evaluated as a whole.
    if n_rows is not None:
        if labels is not None:
            labels = _check_labels(labels, n_rows, "row of X")
            label_order = _check_order(label_order, labels)
        rows = drawn_rows(n_rows, subsample, random_state)
        if rows.size < n_rows:
            X = rows_at(X, rows)
            labels = None if labels is None else np.asarray(labels)[rows]
        subsample = None
    is_predicted = labels is None and hasattr(estimator, "predict")
    functions, predicted = _evaluated(estimator, X, eigenvalues.size, is_predicted)
    if predicted is not None:
        labels = predicted
        if label_order is None:
            label_order = _all_clusters(estimator, predicted)
    plane = checked_plane(
        functions,
        labels,
        eigenvalues=eigenvalues,
        components=components,
        label_order=label_order,
        subsample=subsample,
        random_state=random_state,
    )
    return plane if rows is None else replace(plane, rows=rows), is_predicted


def _number_of_rows(X: Any) -> int | None:  # noqa: ANN401 - whatever a user passes
    """Rows of what can be indexed, or None."""
    if is_stream(X):
        return None
    shape = (len(X),) if isinstance(X, list) else getattr(X, "shape", None)
    return int(shape[0]) if shape else None


def _evaluated(
    estimator: Any,  # noqa: ANN401 - duck-typed
    X: ArrayLike,
    n_functions: int,
    predicts: bool,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Eigenfunctions without the constant one, and labels if asked for, of X."""
    functions: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    # A stream is read once: the next pass may have another order, or nothing at all.
    for part in slices_of(X) if is_stream(X) else [X]:
        values = np.asarray(estimator.transform(part))
        # The clustering returns the constant function too, the embedding does not.
        functions.append(values[:, values.shape[1] - n_functions :])
        if predicts:
            labels.append(np.asarray(estimator.predict(part)))
    if not functions:
        raise ValueError(
            f"X is of type {type(X).__name__} and has no batches; an iterator that was "
            "read before is used up."
        )
    return np.concatenate(functions), np.concatenate(labels) if predicts else None


def _all_clusters(estimator: Any, labels: NDArray[Any]) -> NDArray[Any]:  # noqa: ANN401
    """Clusters of an estimator, whether they occur or not."""
    n_clusters = n_clusters_of(final_step(estimator)) or 0
    return np.union1d(labels, np.arange(n_clusters))


def _eigenvalues_of_rows(estimator: Any) -> FloatArray:  # noqa: ANN401 - duck-typed
    """Eigenvalues of an estimator whose eigenfunctions are those of rows."""
    if isinstance(final_step(estimator), DenseSegmenter):
        raise TypeError(
            "estimator is of type DenseSegmenter, whose eigenfunctions are maps of "
            "images; for the tokens of one, pass transform(image) of shape (-1, "
            "n_components), without its first column, to "
            "EmbeddingDisplay.from_predictions."
        )
    return eigenvalues_of(estimator)


def _check_embedding(embedding: ArrayLike) -> FloatArray:
    values = np.asarray(embedding, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(
            f"embedding has shape {values.shape}; it must have two dimensions and at "
            "least one column, the eigenfunctions without the constant one."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "embedding must be finite, but has NaN or infinity; leave out such rows."
        )
    return values


def _check_components(components: tuple[int, ...], n_functions: int) -> list[int]:
    """Columns of some eigenfunctions, of which the first column is the second."""
    is_sequence = isinstance(components, tuple | list)
    if is_sequence and all(
        isinstance(c, Integral) and 2 <= c < n_functions + 2 for c in components
    ):
        columns = [int(component) - 2 for component in components]
    else:
        columns = []
    if len(columns) not in (1, 2):
        raise ValueError(
            f"components={components!r} must be a tuple of one or two eigenfunctions, "
            f"integers from 2 (the first is constant) to {n_functions + 1}."
        )
    return columns


def _check_labels(labels: ArrayLike, n_rows: int, counterpart: str) -> NDArray[Any]:
    checked = check_lengths("labels", labels, n_rows, counterpart)
    # NaN is unequal to itself; None and the gaps of data frames say that they are none.
    missing = np.array([_is_missing(label) for label in checked.tolist()], dtype=bool)
    if missing.any():
        raise ValueError(
            f"labels has {missing.sum()} missing values (NaN or None), the first at "
            f"row {missing.argmax()}; leave out these rows, or give them a label."
        )
    return checked


def _is_missing(label: Any) -> bool:  # noqa: ANN401 - of any type
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, float) and label != label


def _check_order(label_order: ArrayLike | None, labels: NDArray[Any]) -> NDArray[Any]:
    found = np.unique(labels)
    if label_order is None:
        return found
    order = np.asarray(label_order)
    left_out = found[~np.isin(found, order)]
    if left_out.size:
        raise ValueError(
            f"label_order={order.tolist()} leaves out labels that occur: "
            f"{left_out.tolist()}."
        )
    return order
