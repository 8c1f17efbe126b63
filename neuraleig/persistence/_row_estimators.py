"""The states of the estimators of rows."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from neuraleig._sklearn import transform_output
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.persistence._discretizers import discretizer_state, make_discretizer
from neuraleig.persistence._fitted import (
    Brought,
    fitted_estimator,
    fitted_state,
    refuse_rest,
)
from neuraleig.persistence._model_file import ModelFile, State, UnusableError
from neuraleig.persistence._networks import GIVEN
from neuraleig.persistence._records import Record

# Attributes of a fit that are plain numbers; the last is one of rbf kernels alone.
NUMBERS = {"n_iter_": int, "n_connected_components_": int, "gamma_": float}
CLUSTER_NUMBERS = NUMBERS | {
    "n_samples_seen_": int,
    "suggested_n_clusters_": int,
    "ncut_": float,
}
OPTIONAL = ("gamma_",)
# What scikit-learn's set_output takes.
OUTPUTS = ("default", "pandas", "polars")
# Of these the parameter may be a function.
FUNCTIONS = ("affinity", "network")

RowEstimator = TypeVar(
    "RowEstimator", NeuralEigenSpectralClustering, NeuralSpectralEmbedding
)


def embedding_state(estimator: NeuralSpectralEmbedding) -> State:
    """State of a fitted embedding, without the embedding of the training rows."""
    return _row_state(estimator, NUMBERS)


def clustering_state(estimator: NeuralEigenSpectralClustering) -> State:
    """State of a fitted clustering, without labels and rows of the training."""
    state = _row_state(estimator, CLUSTER_NUMBERS)
    discretizer = discretizer_state(estimator._discretizer)
    content = state.content | {"discretizer": discretizer.content}
    return State(state.tensors | discretizer.tensors, content)


def embedding_from(
    file: ModelFile, brought: Brought, device: torch.device
) -> NeuralSpectralEmbedding:
    """Fitted embedding of a file.

    Parameters
    ----------
    file : ModelFile
        Whose state :func:`embedding_state` returned.
    brought : Brought
        Functions that the user passes.
    device : torch.device
        Where it is to run.

    Returns
    -------
    estimator : NeuralSpectralEmbedding
        Fitted.

    Raises
    ------
    ModelFileError
        If the state is not whole, or the functions are others.
    """
    content, tensors = Record(file.state.content, "content"), dict(file.state.tensors)
    with file.checked():
        estimator = _row_estimator(
            NeuralSpectralEmbedding, content, tensors, NUMBERS, brought
        )
        refuse_rest(content, tensors)
    return _placed(estimator, device)


def clustering_from(
    file: ModelFile, brought: Brought, device: torch.device
) -> NeuralEigenSpectralClustering:
    """Fitted clustering of a file.

    Parameters
    ----------
    file, brought, device
        As for :func:`embedding_from`.

    Returns
    -------
    estimator : NeuralEigenSpectralClustering
        Fitted. A stream begins anew, as after ``fit``: its rows are not in files.

    Raises
    ------
    ModelFileError
        If the state is not whole, or the functions are others.
    """
    content, tensors = Record(file.state.content, "content"), dict(file.state.tensors)
    with file.checked():
        estimator = _row_estimator(
            NeuralEigenSpectralClustering, content, tensors, CLUSTER_NUMBERS, brought
        )
        network: Any = estimator.eigenfunctions_.network
        estimator._discretizer = make_discretizer(
            content.record("discretizer"),
            tensors,
            estimator.eigenvalues_.copy(),
            network.n_clusters,
        )
        estimator._stream = None
        refuse_rest(content, tensors)
    return _placed(estimator, device)


def _row_state(
    estimator: NeuralEigenSpectralClustering | NeuralSpectralEmbedding,
    numbers: dict[str, type],
) -> State:
    state = fitted_state(estimator, numbers)
    names = getattr(estimator, "feature_names_in_", None)
    further = {
        "feature_names": None if names is None else names.tolist(),
        "transform_output": transform_output(estimator),
    }
    return State(state.tensors, state.content | further)


def _row_estimator(
    kind: type[RowEstimator],
    content: Record,
    tensors: dict[str, Tensor],
    numbers: dict[str, type],
    brought: Brought,
) -> RowEstimator:
    _check_needed(content, brought)
    estimator = fitted_estimator(kind, content, tensors, numbers, brought, OPTIONAL)
    estimator.n_features_in_ = estimator.eigenfunctions_.shift.numel()
    names = content.take("feature_names")
    if names is not None:
        is_text = isinstance(names, list) and all(isinstance(n, str) for n in names)
        if not is_text or len(names) != estimator.n_features_in_:
            raise ValueError("its names of features are not those of its features")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    if content.peek().get("transform_output") is None:
        content.take("transform_output")
    else:
        output = content.choice("transform_output", OUTPUTS)
        estimator.set_output(transform=output)
    return estimator


def _check_needed(content: Record, brought: Brought) -> None:
    """Refuse functions that the model has no use for."""
    parameters, trunk = content.peek("parameters"), content.peek("network", "trunk")
    for name in FUNCTIONS:
        function = getattr(brought, name)
        in_file = parameters.get(name)
        is_needed = isinstance(in_file, dict) or (
            name == "network" and trunk.get("kind") == GIVEN
        )
        if function is None:
            continue
        if not callable(function):
            raise UnusableError(
                f"got {name}={function!r}; only functions are passed, names are in the "
                "file"
            )
        if not is_needed:
            raise UnusableError(
                f"got {name}={function!r}, and the model was fitted with "
                f"{name}={in_file!r}; leave {name} out"
            )


def _placed(estimator: RowEstimator, device: torch.device) -> RowEstimator:
    estimator.eigenfunctions_.to(device)
    estimator.device_ = str(next(estimator.eigenfunctions_.parameters()).device)
    return estimator
