"""Parameters of estimators as plain JSON, and back."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

# Beyond these they are objects, of which files hold none.
PLAIN = (bool, int, float, str, type(None))
# Parameters that are left out: a loaded estimator has ``None`` for them.
DROPPED = ("callbacks",)


def packed_parameters(
    estimator: BaseEstimator, elsewhere: Collection[str] = ()
) -> dict[str, Any]:
    """Parameters of an estimator in JSON.

    Parameters
    ----------
    estimator : BaseEstimator
        Estimator.
    elsewhere : collection of str, default=()
        Parameters whose objects are kept otherwise; ``None`` stands for them.

    Returns
    -------
    parameters : dict
        By name. Tuples stay apart from lists; paths are text; callbacks and generators
        of random numbers are ``None``.

    Raises
    ------
    TypeError
        If any other is an object that JSON does not know.
    """
    packed: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=False).items():
        if name in DROPPED or isinstance(value, np.random.RandomState):
            packed[name] = None
        elif name in elsewhere and not isinstance(value, PLAIN):
            packed[name] = None
        else:
            packed[name] = _packed(value, name)
    return packed


def unpacked_parameters(
    packed: Mapping[str, Any], estimator: type[BaseEstimator]
) -> dict[str, Any]:
    """Parameters that :func:`packed_parameters` packed.

    Parameters
    ----------
    packed : mapping of str to JSON values
        By name. Those that are not there have their defaults.
    estimator : type
        Class whose parameters they are.

    Returns
    -------
    parameters : dict
        By name.

    Raises
    ------
    ValueError
        If there are others.
    """
    unknown = sorted(set(packed) - set(estimator._get_param_names()))
    if unknown:
        raise ValueError(f"{estimator.__name__} has no parameter {unknown[0]!r}")
    return {name: _unpacked(value) for name, value in packed.items()}


def _packed(value: object, name: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, tuple):
        return {"tuple": [_packed(part, name) for part in value]}
    if isinstance(value, list):
        return [_packed(part, name) for part in value]
    raise TypeError(
        f"{name} is a {type(value).__name__}, and files hold plain parameters alone; "
        f"set_params({name}=...) before saving."
    )


def _unpacked(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return tuple(_unpacked(part) for part in value["tuple"])
    if isinstance(value, list):
        return [_unpacked(part) for part in value]
    return value
