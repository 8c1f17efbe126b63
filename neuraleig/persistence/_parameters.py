"""Parameters of estimators as trees of plain values, and back."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from inspect import signature
from typing import Any, NoReturn

import numpy as np
from sklearn.base import BaseEstimator

from neuraleig._components import Component
from neuraleig._sklearn import check_parameters
from neuraleig.affinity import (
    CallableAffinity,
    CosineAffinity,
    NeighborAffinity,
    PrecomputedAffinity,
    PrecomputedNeighborAffinity,
    RBFAffinity,
    TokenAffinity,
)
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.networks import TokenAttention
from neuraleig.persistence._forms import RECORD, TEXT, check, choice, shown
from neuraleig.persistence._plain_file import UnusableError
from neuraleig.segmentation.backbones import TimmBackbone
from neuraleig.training import Training

PLAIN = (bool, int, float, str, type(None))
# Parameters that are left out: a loaded estimator has ``None`` for them.
DROPPED = ("callbacks",)
# Parameters that may be functions, of which files hold the names.
FUNCTIONS = ("affinity", "backbone", "network")
# Estimators that parameters may hold, and no others.
COMPONENTS: dict[str, type[BaseEstimator]] = {
    kind.__name__: kind
    for kind in (
        CallableAffinity,
        CosineAffinity,
        NeighborAffinity,
        NeuralEigenSpectralClustering,
        PrecomputedAffinity,
        PrecomputedNeighborAffinity,
        RBFAffinity,
        TimmBackbone,
        TokenAffinity,
        TokenAttention,
        Training,
    )
}
# Forms of what is not plain.
FUNCTION, COMPONENT = {"function": TEXT}, {"class": TEXT, "parameters": RECORD}


class Brought:
    """What a user passes beside the file, by the arguments of ``load``."""

    def __init__(self, **parts: Any) -> None:  # noqa: ANN401
        self.parts: dict[str, Any] = {
            n: part for n, part in parts.items() if part is not None
        }
        self._used: set[str] = set()
        for name in FUNCTIONS:
            part = self.parts.get(name)
            if part is not None and not callable(part):
                raise UnusableError(
                    f"got {name}={part!r}; only functions are passed, names are in the "
                    "file"
                )

    def get(self, name: str) -> Any:  # noqa: ANN401
        """Part of a name that the model has a use for; ``None`` if it is missing."""
        self._used.add(name)
        return self.parts.get(name)

    def refuse_unused(self) -> None:
        """Refuse what the model has no use for."""
        for name in self.parts.keys() - self._used:
            raise UnusableError(
                f"has no use for {name}={self.parts[name]!r}; leave {name} out"
            )


@dataclass(frozen=True)
class Missing:
    """Stands for a function of the user that a file names and does not hold.

    ``parameter`` is its path, as ``set_params`` takes it.
    """

    parameter: str
    name: str

    def __call__(self, *arguments: object, **options: object) -> NoReturn:
        """Say what to do."""
        raise ValueError(
            f"{self.parameter} was {self.name!r} when the model was saved, a function "
            "that files do not hold; pass it to neuraleig.load as "
            f"{_argument(self.parameter)}=."
        )


def name_of(function: object) -> str:
    """Name by which a function, or the type of an object, is known."""
    if isinstance(function, Missing):
        return function.name
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def packed_parameters(estimator: BaseEstimator, path: str = "") -> dict[str, Any]:
    """Parameters of an estimator as plain values; ``path`` comes before their names.

    Components are their class and parameters, functions their names, paths texts;
    callbacks and generators of random numbers are ``None``.

    Raises
    ------
    TypeError
        If any other is an object.
    ValueError
        If one has no valid value.
    """
    packed = {
        name: None if name in DROPPED else packed_value(value, f"{path}{name}")
        for name, value in estimator.get_params(deep=False).items()
    }
    # What no loaded estimator may have would make a file that nobody can load.
    _validate(estimator, path)
    return packed


def estimator_of(
    kind: type, packed: dict[str, Any], brought: Brought, path: str = ""
) -> Any:  # noqa: ANN401
    """Unfitted estimator of a class with packed parameters, checked.

    Parameters that are not there have their defaults.
    """
    check(packed, RECORD, "parameters")
    unknown = sorted(packed.keys() - signature(kind).parameters.keys())
    if unknown:
        raise ValueError(f"{kind.__name__} has no parameter {shown(unknown[0])}")
    parameters = {
        name: value_of(value, f"{path}{name}", brought)
        for name, value in packed.items()
    }
    estimator = kind(**parameters)
    _validate(estimator, path)
    return estimator


def packed_value(value: object, path: str) -> Any:  # noqa: ANN401
    """Parameter at a path as a plain value."""
    kind = type(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"{path}={value!r} is not finite; set_params({path}=...) before saving."
        )
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, np.random.RandomState):
        return None
    if isinstance(value, tuple | list):
        parts = [packed_value(part, path) for part in value]
        if not any(isinstance(part, dict) for part in parts):
            return tuple(parts) if isinstance(value, tuple) else parts
    elif kind is COMPONENTS.get(kind.__name__):
        inside = packed_parameters(value, f"{path}__")
        return {"class": kind.__name__, "parameters": inside}
    elif callable(value) and _argument(path) is not None:
        return {"function": name_of(value)}
    raise TypeError(
        f"{path} is a {kind.__name__}, and files hold plain parameters alone; "
        f"set_params({path}=...) before saving."
    )


def value_of(value: Any, path: str, brought: Brought) -> Any:  # noqa: ANN401
    """Parameter at a path of a packed value, checked."""
    if isinstance(value, tuple | list):
        if any(isinstance(part, dict) for part in value):
            raise ValueError(f"{path} is a list of records")
        return type(value)(value_of(part, path, brought) for part in value)
    if not isinstance(value, dict):
        is_finite = not isinstance(value, float) or math.isfinite(value)
        if not isinstance(value, PLAIN) or not is_finite:
            raise ValueError(f"{path} is {shown(value)}")
        return value
    if "class" in value:
        check(value, COMPONENT, path)
        check(value["class"], choice(COMPONENTS), f"{path}.class")
        kind = COMPONENTS[value["class"]]
        return estimator_of(kind, value["parameters"], brought, f"{path}__")
    check(value, FUNCTION, path)
    argument = _argument(path)
    if argument is None:
        raise ValueError(f"{path} is a function")
    function = brought.get(argument)
    return Missing(path, value["function"]) if function is None else function


def _argument(path: str) -> str | None:
    """Argument of ``load`` for the function at a path; ``None`` if there is none."""
    return next((name for name in path.split("__") if name in FUNCTIONS), None)


def _validate(estimator: Any, path: str) -> None:  # noqa: ANN401
    """Check single parameters: what they need beside them may be elsewhere."""
    if isinstance(estimator, Component):
        Component.check(estimator, path.removesuffix("__"), type(estimator).__name__)
    else:
        check_parameters(estimator)
