"""Evaluation of a fitted estimator at the rows of an embedding display."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from neuraleig._random import RandomState
from neuraleig._rows import is_stream, slices_of
from neuraleig._sklearn import rows_at
from neuraleig._typing import FloatArray
from neuraleig.plotting._checks import (
    check_finite,
    check_labels,
    check_subsample,
    drawn_rows,
)
from neuraleig.plotting._fitted import final_step, fitted_step, n_clusters_of
from neuraleig.segmentation import DenseSegmenter


def evaluated_rows(
    estimator: Any,  # noqa: ANN401 - duck-typed
    X: ArrayLike,
    labels: ArrayLike | None,
    label_order: ArrayLike | None,
    subsample: float | None,
    random_state: RandomState,
) -> dict[str, Any]:
    """Return the arguments of ``from_predictions`` for rows of a fitted estimator."""
    check_subsample(subsample)
    step = final_step(estimator)
    if isinstance(step, DenseSegmenter):
        raise TypeError(
            "estimator is of type DenseSegmenter, whose eigenfunctions are maps of "
            "images; for the tokens of one, pass transform(image) of shape (-1, "
            "n_components), without its first column, to "
            "EmbeddingDisplay.from_predictions."
        )
    eigenvalues = fitted_step(estimator, "eigenvalues_").eigenvalues_[1:]
    predicts = labels is None and hasattr(estimator, "predict")
    rows = None
    # A stream cannot be indexed, and is sampled at the end.
    if not is_stream(X) and (shape := np.shape(X)):
        labels, label_order = check_labels(labels, label_order, shape[0], "row of X")
        rows = drawn_rows(shape[0], subsample, random_state)
        subsample = None
        if rows.size < shape[0]:
            X = rows_at(sp.csr_array(X) if sp.issparse(X) else X, rows)
        labels = None if labels is None else labels[rows]
    functions, predicted = _evaluated(estimator, X, eigenvalues.size, predicts)
    if predicted is not None and label_order is None:
        label_order = np.union1d(predicted, np.arange(n_clusters_of(step) or 0))
    return {
        "embedding": functions,
        "labels": predicted if predicts else labels,
        "eigenvalues": eigenvalues,
        "label_order": label_order,
        "legend_title": "Cluster" if predicts else "Label",
        "subsample": subsample,
        "rows": rows,
    }


def _evaluated(
    estimator: Any,  # noqa: ANN401 - duck-typed
    X: ArrayLike,
    n_functions: int,
    predicts: bool,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return eigenfunctions without the constant, and labels if asked for."""
    functions: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    # A stream is read once: another pass may have another order, or be empty.
    for part in slices_of(X) if is_stream(X) else [X]:
        values = np.asarray(estimator.transform(part))
        # A clustering returns the constant function as well, an embedding does not.
        functions.append(values[:, values.shape[1] - n_functions :])
        if predicts:
            labels.append(np.asarray(estimator.predict(part)))
    if not functions:
        raise ValueError(
            f"X is of type {type(X).__name__} and has no batches; an iterator can be "
            "read only once."
        )
    return np.concatenate(functions), np.concatenate(labels) if predicts else None


def check_plane(
    embedding: ArrayLike, components: tuple[int, ...] | None
) -> tuple[FloatArray, tuple[int, ...], list[int]]:
    """Return all coordinates, the eigenfunctions to plot, and their columns."""
    expected = "of shape (n_samples, n_functions), without the constant function"
    values = check_finite("embedding", embedding, 2, expected)
    n_functions = values.shape[1]
    if n_functions == 0:
        raise ValueError(f"embedding has shape {values.shape}; it needs a column.")
    if components is None:
        components = (2, 3)[:n_functions]
    is_plane = isinstance(components, tuple | list) and len(components) in (1, 2)
    known = range(2, n_functions + 2)
    if not is_plane or any(
        not isinstance(c, Integral) or c not in known for c in components
    ):
        raise ValueError(
            f"components={components!r} must be a tuple of one or two eigenfunctions, "
            f"integers from 2 (the first is constant) to {n_functions + 1}."
        )
    return values, components, [int(component) - 2 for component in components]
