"""What the states of all estimators have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeVar

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from neuraleig._typing import Array
from neuraleig.persistence._model_file import State
from neuraleig.persistence._networks import eigenfunctions_state, make_eigenfunctions
from neuraleig.persistence._parameters import estimator_of, packed_parameters
from neuraleig.persistence._records import Record

# Fitted attributes that are one row of numbers.
ROWS = ("graph_eigenvalues_", "loss_curve_")

EstimatorT = TypeVar("EstimatorT", bound=BaseEstimator)


@dataclass(frozen=True)
class Brought:
    """What a user passes beside the file when a model is loaded.

    Parameters
    ----------
    affinity, network, backbone : object
        Functions of the fit, which files name and do not hold; or ``None``.
    checkpoint : path or None
        File of the weights of a timm model.
    """

    affinity: Callable[..., Any] | None = None
    network: Callable[..., Any] | None = None
    backbone: Any = None
    checkpoint: str | PathLike[str] | None = None


def fitted_state(estimator: Any, numbers: Mapping[str, type]) -> State:  # noqa: ANN401
    """State that estimators of all classes have.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted.
    numbers : mapping of str to type
        Attributes that are plain numbers; those that are not set are left out.

    Returns
    -------
    state : State
        Parameters, network, curves and numbers.
    """
    network = eigenfunctions_state(estimator.eigenfunctions_)
    tensors = {
        name: torch.as_tensor(getattr(estimator, name), dtype=torch.float64)
        for name in ROWS
    }
    content = {
        "parameters": packed_parameters(estimator),
        "network": network.content,
        "fit": {
            name: kind(getattr(estimator, name))
            for name, kind in numbers.items()
            if hasattr(estimator, name)
        },
    }
    return State(network.tensors | tensors, content)


def fitted_estimator(
    kind: type[EstimatorT],
    content: Record,
    tensors: dict[str, Tensor],
    numbers: Mapping[str, type],
    brought: Brought,
    optional: tuple[str, ...] = (),
) -> EstimatorT:
    """Estimator with what :func:`fitted_state` says of it.

    Parameters
    ----------
    kind : type
        Class of the estimator.
    content : Record
        Of the state; entries that are read are taken out.
    tensors : dict of str to Tensor
        Of the state; likewise.
    numbers : mapping of str to type
        As for :func:`fitted_state`.
    brought : Brought
        By the user.
    optional : tuple of str, default=()
        Numbers that need not be there.

    Returns
    -------
    estimator : EstimatorT
        On the CPU.
    """
    functions = {"affinity": brought.affinity, "network": brought.network}
    estimator: Any = estimator_of(kind, content.record("parameters"), functions)
    estimator.eigenfunctions_ = make_eigenfunctions(
        content.record("network"), tensors, brought.network
    )
    estimator.eigenvalues_ = estimator.eigenfunctions_.eigenvalues.numpy().copy()
    estimator.graph_eigenvalues_ = finite(tensors, "graph_eigenvalues_")
    estimator.loss_curve_ = finite(tensors, "loss_curve_").tolist()
    fit = content.record("fit")
    for name, number in numbers.items():
        if name in fit or name not in optional:
            value = fit.integer(name) if number is int else fit.number(name)
            setattr(estimator, name, value)
    fit.end()
    fitted: EstimatorT = estimator
    return fitted


def finite(
    tensors: dict[str, Tensor],
    name: str,
    dtype: torch.dtype = torch.float64,
    n_dimensions: int = 1,
) -> Array:
    """Finite numbers of a type, as an array; they are taken out of the tensors.

    Raises
    ------
    KeyError
        If they are missing.
    ValueError
        If they are of another type or number of dimensions, or not finite.
    """
    found = tensors.pop(name)
    if found.dtype != dtype or found.ndim != n_dimensions:
        raise ValueError(f"{name!r} is {found.dtype} of shape {tuple(found.shape)}")
    if not bool(torch.isfinite(found).all()):
        raise ValueError(f"{name!r} holds values that are not finite")
    array: Array = found.numpy()
    return array


def refuse_rest(content: Record, tensors: Mapping[str, Tensor]) -> None:
    """Refuse what nobody has taken out of a state."""
    content.end()
    if tensors:
        raise ValueError(f"with an unknown {min(tensors)!r}")
