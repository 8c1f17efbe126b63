"""Access to fitted estimators; the only module that reads private attributes."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig.training import TrainingHistory


def final_step(estimator: Any) -> Any:  # noqa: ANN401 - duck-typed
    """Return the last step of a pipeline; anything else is returned as it is."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def fitted_step(estimator: Any, attribute: str) -> Any:  # noqa: ANN401 - duck-typed
    """Return the last step, which must be fitted and have an attribute."""
    step = final_step(estimator)
    check_is_fitted(step)
    if not hasattr(step, attribute):
        raise TypeError(
            f"estimator is of type {type(step).__name__}, which has no {attribute}; it "
            "must be an estimator of neuraleig that has one, or a pipeline that ends "
            "in it."
        )
    return step


def n_clusters_of(step: Any) -> int | None:  # noqa: ANN401 - duck-typed
    """Return the number of clusters, empty ones included, or None."""
    found = getattr(step, "n_clusters_", getattr(step, "n_clusters", None))
    return None if found is None else int(found)


def labels_of(estimator: Any, X: Any) -> Any:  # noqa: ANN401 - duck-typed
    """Return labels of rows, or of images one by one; ``X=None``: training rows."""
    if X is None:
        return fitted_step(estimator, "labels_").labels_
    if hasattr(estimator, "iter_predict"):
        return estimator.iter_predict(X)
    if not hasattr(estimator, "predict"):
        raise TypeError(
            f"estimator is of type {type(final_step(estimator)).__name__}, which does "
            "not predict; it must have clusters, or be a pipeline that ends in such an "
            "estimator."
        )
    return estimator.predict(X)


def history_of(step: Any) -> TrainingHistory | None:  # noqa: ANN401 - duck-typed
    """Return the callback that recorded the last fit of an estimator, or None."""
    # A history may have recorded the fit of another estimator since, and estimators
    # that were loaded from a file have no ``_fit_id``.
    fit_id = getattr(step, "_fit_id", None)
    callbacks = (getattr(step, "callbacks", None) or ()) if fit_id else ()
    histories = (one for one in callbacks if isinstance(one, TrainingHistory))
    return next((one for one in histories if one.fit_id == fit_id), None)
