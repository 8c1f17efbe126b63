"""Parameters of estimators as plain JSON, and back."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, NoReturn, TypeVar

import numpy as np
from sklearn.base import BaseEstimator

from neuraleig._sklearn import check_parameters
from neuraleig.persistence._records import Record

# Beyond these they are objects, of which files hold none.
PLAIN = (bool, int, float, str, type(None))
# Parameters that are left out: a loaded estimator has ``None`` for them.
DROPPED = ("callbacks",)
# Parameters that may be functions, of which files hold the names.
FUNCTIONS = ("affinity", "backbone", "network")
# Keys of what JSON has no word for.
TUPLE, FUNCTION = "tuple", "function"

EstimatorT = TypeVar("EstimatorT", bound=BaseEstimator)


@dataclass(frozen=True)
class Missing:
    """Stands for a function of the user that a file names and does not hold.

    Parameters
    ----------
    parameter : str
        Parameter whose value it was.
    name : str
        Name of the function.
    """

    parameter: str
    name: str

    def __call__(self, *arguments: object, **options: object) -> NoReturn:
        """Say what to do."""
        raise ValueError(
            f"{self.parameter} was {self.name!r} when the model was saved, a function "
            "that files do not hold; pass it to neuraleig.load as "
            f"{self.parameter}=, or set_params({self.parameter}=...)."
        )


def name_of(function: object) -> str:
    """Name by which a function, or the type of an object, is known."""
    if isinstance(function, Missing):
        return function.name
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def packed_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """Parameters of an estimator in JSON.

    Parameters
    ----------
    estimator : BaseEstimator
        Estimator.

    Returns
    -------
    parameters : dict
        By name. Tuples stay apart from lists; paths are text; of functions there is
        the name; callbacks and generators of random numbers are ``None``.

    Raises
    ------
    TypeError
        If any other is an object that JSON does not know.
    ValueError
        If one has no valid value.
    """
    packed: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=False).items():
        if name in DROPPED or isinstance(value, np.random.RandomState):
            packed[name] = None
        elif name in FUNCTIONS and callable(value):
            packed[name] = {FUNCTION: name_of(value)}
        else:
            packed[name] = _packed(value, name)
    # What no loaded estimator may have would make a file that nobody can load.
    check_parameters(estimator)
    return packed


def estimator_of(
    kind: type[EstimatorT], packed: Record, functions: Mapping[str, Any]
) -> EstimatorT:
    """Unfitted estimator with parameters that :func:`packed_parameters` packed.

    Parameters
    ----------
    kind : type
        Class of the estimator.
    packed : Record
        Parameters by name. Those that are not there have their defaults.
    functions : mapping of str to object
        What the user brings for functions; ``None`` for those that are missing.

    Returns
    -------
    estimator : EstimatorT
        With valid parameters.

    Raises
    ------
    ValueError
        If there are others, or one has no valid value.
    """
    found = packed.take_all()
    unknown = sorted(set(found) - set(signature(kind).parameters))
    if unknown:
        raise ValueError(f"{kind.__name__} has no parameter {unknown[0]!r}")
    parameters = {}
    for name, value in found.items():
        if name in FUNCTIONS and isinstance(value, dict):
            missing = Missing(name, _only(value, FUNCTION, str))
            brought = functions.get(name)
            parameters[name] = missing if brought is None else brought
        else:
            parameters[name] = _unpacked(value, name)
    estimator: EstimatorT = kind(**parameters)
    check_parameters(estimator)
    return estimator


def _packed(value: object, name: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"{name}={value!r} is not finite; set_params({name}=...) before saving."
        )
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, tuple):
        return {TUPLE: [_packed(part, name) for part in value]}
    if isinstance(value, list):
        return [_packed(part, name) for part in value]
    raise TypeError(
        f"{name} is a {type(value).__name__}, and files hold plain parameters alone; "
        f"set_params({name}=...) before saving."
    )


def _unpacked(value: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return tuple(_unpacked(part, name) for part in _only(value, TUPLE, list))
    if isinstance(value, list):
        return [_unpacked(part, name) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is not finite")
    return value


def _only(value: dict[str, Any], key: str, kind: type) -> Any:  # noqa: ANN401 - JSON
    """Value of an object's only key."""
    if value.keys() != {key} or not isinstance(value[key], kind):
        raise ValueError(f"a parameter has an object of {sorted(value)[:3]}")
    return value[key]
