"""Facts and parameters of a fitted estimator."""

from __future__ import annotations

import functools
import inspect
import platform
from collections.abc import Mapping
from operator import attrgetter
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np
import sklearn
import torch
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig._version import __version__
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.plotting._fitted import final_step
from neuraleig.report._page import number_text
from neuraleig.segmentation import DenseSegmenter

KNOWN = (NeuralEigenSpectralClustering, NeuralSpectralEmbedding, DenseSegmenter)
# Fitted attributes, and their names on the page.
# Parameters that a model has for a while: no result depends on them.
NOT_SHOWN = ("verbose", "feature_cache", "device")
FITTED = {
    "n_clusters": "Requested clusters",
    "n_samples_seen_": "Training rows",
    "n_images_": "Training images",
    "n_clusters_": "Clusters in use",
    "cluster_curve_.best": "Clusters preferred by the curve",
    "alignment_.agreement": "Agreement with the former model",
    "n_connected_components_": "Connected components of the graph",
    "ncut_": "Normalised cut",
    "modularity_": "Modularity",
    "affinity_.gamma_": "Kernel coefficient gamma",
    "n_iter_": "Training steps",
}


class Parameter(NamedTuple):
    """Parameter of an estimator; value and default as text."""

    name: str
    value: str
    default: str

    @property
    def is_changed(self) -> bool:
        """Whether the value differs from the default."""
        return self.value != self.default


def checked_step(estimator: Any) -> Any:  # noqa: ANN401 - estimator or pipeline
    """Return the last step, which must be a fitted estimator of this library."""
    step = final_step(estimator)
    if not isinstance(step, KNOWN):
        known = ", ".join(kind.__name__ for kind in KNOWN)
        raise TypeError(
            f"estimator is of type {type(step).__name__}; it must be one of {known}, "
            "or a pipeline that ends in one."
        )
    check_is_fitted(step)
    return step


def versions() -> str:
    """Return the versions of the libraries in use."""
    found = {
        "neuraleig": __version__,
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "Python": platform.python_version(),
    }
    return ", ".join(f"{name} {version}" for name, version in found.items())


def kind_of(estimator: Any) -> str:  # noqa: ANN401 - estimator or pipeline
    """Return the class of an estimator, or of all steps of a pipeline."""
    if isinstance(estimator, Pipeline):
        steps = [type(step).__name__ for _, step in estimator.steps]
        return f"Pipeline of {', '.join(steps)}"
    return type(estimator).__name__


def fitted_numbers(step: Any) -> dict[str, str]:  # noqa: ANN401 - estimator
    """Return the fitted numbers of an estimator by name."""
    found = {}
    for attribute, name in FITTED.items():
        try:
            value = attrgetter(attribute)(step)
        except AttributeError:
            continue
        if value is not None:
            found[name] = value if isinstance(value, str) else number_text(value)
    return found


def parameters_of(step: Any) -> list[Parameter]:  # noqa: ANN401 - estimator
    """Return the parameters of an estimator in the order of its signature."""
    values = step.get_params(deep=False)
    return [
        Parameter(name, value_text(values[name]), value_text(parameter.default))
        for name, parameter in inspect.signature(type(step)).parameters.items()
        if name in values and name not in NOT_SHOWN
    ]


def value_text(value: Any) -> str:  # noqa: ANN401 - any parameter
    """Return the value of a parameter as text that is equal in all processes."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float | complex):
        return repr(value)
    if isinstance(value, PathLike):
        return repr(fspath(value))
    if isinstance(value, tuple):
        inner = ", ".join(map(value_text, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, Mapping):
        pairs = (f"{value_text(k)}: {value_text(v)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, functools.partial):
        return f"partial of {value_text(value.func)}"
    if isinstance(value, BaseEstimator):
        changed = (p for p in parameters_of(value) if p.is_changed)
        inner = ", ".join(f"{p.name}={p.value}" for p in changed)
        return f"{type(value).__name__}({inner})"
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return f"an object of type {type(value).__name__}"
