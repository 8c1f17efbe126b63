"""What a display reads off a fitted estimator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig._typing import FloatArray


def fitted_step(
    estimator: Any,  # noqa: ANN401 - duck-typed
    attribute: str,
) -> Any:  # noqa: ANN401
    """Check an estimator, or the last step of a pipeline, and return it.

    Parameters
    ----------
    estimator : estimator
        Fitted, with that attribute.
    attribute : str
        What the display is about.

    Returns
    -------
    step : estimator
        That has the attribute.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it has no such attribute.
    """
    step = final_step(estimator)
    check_is_fitted(step)
    if not hasattr(step, attribute):
        raise TypeError(
            f"estimator is of type {type(step).__name__}, which has no {attribute}; it "
            "must be an estimator of neuraleig that has one, or a pipeline that ends "
            "in it."
        )
    return step


def eigenvalues_of(
    estimator: Any,  # noqa: ANN401 - duck-typed
    attribute: str = "eigenvalues_",
) -> FloatArray:
    """Eigenvalues of a fitted estimator, or of the last step of a pipeline.

    Parameters
    ----------
    estimator : estimator
        With that attribute.
    attribute : {"eigenvalues_", "graph_eigenvalues_"}
        Those of the learned functions, or the exact ones of the graph.

    Returns
    -------
    eigenvalues : ndarray of shape (n_components,)
        That of the constant first.
    """
    step = fitted_step(estimator, attribute)
    return np.asarray(getattr(step, attribute), dtype=np.float64)


def final_step(estimator: Any) -> Any:  # noqa: ANN401 - duck-typed
    """Last step of a pipeline; anything else is returned as it is."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def n_clusters_of(step: Any) -> int | None:  # noqa: ANN401 - duck-typed
    """Number of clusters of an estimator, empty ones included, if it has one."""
    found = getattr(step, "n_clusters_", getattr(step, "n_clusters", None))
    return None if found is None else int(found)


def label_parts(
    estimator: Any,  # noqa: ANN401 - duck-typed
    X: ArrayLike | None,
) -> Iterable[ArrayLike]:
    """Labels of rows or images part by part, or of the training rows.

    Parameters
    ----------
    estimator : estimator
        Fitted, or a pipeline that ends in one.
    X : array-like, images or None
        What to label; ``None``: ``labels_``.

    Returns
    -------
    parts : iterable of array-like of int
        Never more at once than the estimator needs for its prediction.

    Raises
    ------
    TypeError
        If it does not predict, or has no ``labels_`` where they are asked for.
    """
    if X is None:
        return [fitted_step(estimator, "labels_").labels_]
    if hasattr(estimator, "iter_predict"):
        parts: Iterable[ArrayLike] = estimator.iter_predict(X)
        return parts
    if not hasattr(estimator, "predict"):
        raise TypeError(
            f"estimator is of type {type(final_step(estimator)).__name__}, which does "
            "not predict; it must be one that has clusters, or a pipeline that ends in "
            "it."
        )
    labels = estimator.predict(X)
    return labels if isinstance(labels, list) else [labels]
