"""What a fitted estimator is: its class, versions, numbers and parameters."""

from __future__ import annotations

import functools
import inspect
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig._version import __version__
from neuraleig._words import suggestion
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.plotting._fitted import final_step
from neuraleig.segmentation import DenseSegmenter

KNOWN = (NeuralEigenSpectralClustering, NeuralSpectralEmbedding, DenseSegmenter)
# Whole numbers below are written with all their digits.
EXACT = 1e15
SUGGESTED = "suggested_n_clusters_"
# Numbers that a fit leaves behind, as a page calls them.
FITTED = {
    "n_samples_seen_": "Rows of the fit",
    "n_images_": "Images of the fit",
    SUGGESTED: "Clusters that the spectrum suggests",
    "n_connected_components_": "Connected components of the graph",
    "ncut_": "Normalised cut",
    "modularity_": "Modularity",
    "gamma_": "Inverse squared width of the kernel",
    "n_iter_": "Steps of training",
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of an estimator.

    Parameters
    ----------
    name, value, default : str
        In words; ``default`` is empty where there is none.
    is_changed : bool
        Whether the value is another one than the default.
    """

    name: str
    value: str
    default: str
    is_changed: bool


def checked_step(estimator: Any) -> Any:  # noqa: ANN401 - estimator or pipeline
    """Estimator of this library, or the last step of a pipeline, if it is fitted.

    Parameters
    ----------
    estimator : estimator
        Anything.

    Returns
    -------
    step : estimator
        Of this library.

    Raises
    ------
    TypeError
        If it is none of this library.
    NotFittedError
        If it is not fitted.
    """
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
    """Libraries behind a page."""
    found = {
        "neuraleig": __version__,
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "Python": platform.python_version(),
    }
    return ", ".join(f"{name} {version}" for name, version in found.items())


def kind_of(estimator: Any) -> str:  # noqa: ANN401 - estimator or pipeline
    """Class of an estimator, with those of the steps before it."""
    if isinstance(estimator, Pipeline):
        steps = [type(step).__name__ for _, step in estimator.steps]
        return f"Pipeline of {', '.join(steps)}"
    return type(estimator).__name__


def fitted_numbers(step: Any) -> dict[str, str]:  # noqa: ANN401 - estimator
    """Numbers of the fit, by what they are called."""
    found = {name: getattr(step, name) for name in FITTED if hasattr(step, name)}
    if suggestion(found.get(SUGGESTED)) is None:
        found.pop(SUGGESTED, None)
    return {FITTED[name]: number_text(value) for name, value in found.items()}


def parameters_of(step: Any) -> list[Parameter]:  # noqa: ANN401 - estimator
    """Parameters in the order of the signature.

    Parameters
    ----------
    step : estimator
        Of this library.

    Returns
    -------
    parameters : list of Parameter
        All of them.
    """
    values = step.get_params(deep=False)
    signature = inspect.signature(type(step)).parameters
    found = []
    for name, parameter in signature.items():
        if name not in values:
            continue
        has_default = parameter.default is not inspect.Parameter.empty
        default = value_text(parameter.default) if has_default else ""
        value = value_text(values[name])
        found.append(Parameter(name, value, default, value != default))
    return found


def value_text(value: Any) -> str:  # noqa: ANN401 - any parameter
    """Value of a parameter in words that are the same in every process.

    Parameters
    ----------
    value : object
        Of any kind; what has no such words is called by its type.

    Returns
    -------
    text : str
        In one line.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float | complex):
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
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return f"an object of type {type(value).__name__}"


def number_text(value: float) -> str:
    """Number to four digits, whole ones with all of theirs."""
    number = float(value)
    if number.is_integer() and abs(number) < EXACT:
        return f"{int(number):,}"
    return f"{number:,.4g}"
