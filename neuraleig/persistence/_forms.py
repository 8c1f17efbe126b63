"""Declared forms of values that somebody else may have written, and their check."""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from neuraleig._tree_file import Stored

# Sizes and counts: what fits into 64 bits.
LARGEST = 2**63 - 1


class Form(NamedTuple):
    """Values that are allowed in one place of a file: words for errors, and a test."""

    words: str
    holds: Callable[[Any], bool]


# Of a record the form of every entry ("name?" need not be there), of a list that of all
# parts. A tuple is the form of a value that may be None.
Schema = Form | Mapping[str, Any] | list[Any] | tuple[Any]


def _is_array(value: object) -> bool:
    """Whether a value is an array: as the file has it, or numpy's."""
    if isinstance(value, Stored):
        return not value.is_tensor
    return _is_a(value, "numpy", "ndarray")


def _is_tensor(value: object) -> bool:
    if isinstance(value, Stored):
        return value.is_tensor
    return _is_a(value, "torch", "Tensor")


def _is_a(value: object, module: str, name: str) -> bool:
    """Whether a value is of a class of a module, which may not be imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def _is_finite(array: Any) -> bool:  # noqa: ANN401
    if isinstance(array, Stored):
        return all(map(math.isfinite, array.values()))
    # Without numpy, which need not be imported here.
    return bool((abs(array) < math.inf).all())


TEXT = Form("a text", lambda value: isinstance(value, str))
FLAG = Form("true or false", lambda value: isinstance(value, bool))
RECORD = Form("a record", lambda value: isinstance(value, dict))
TENSOR = Form("a tensor", _is_tensor)
TENSORS = Form(
    "tensors by name",
    lambda value: (
        isinstance(value, dict)
        and all(isinstance(k, str) and _is_tensor(v) for k, v in value.items())
    ),
)

NAMES = Form(
    "texts by the numbers of clusters",
    lambda found: (
        isinstance(found, dict)
        and all(type(k) is int and isinstance(v, str) for k, v in found.items())
    ),
)


def integer(least: int = 0) -> Form:
    """Form of an integer of at least ``least``."""
    return Form(
        f"an integer of at least {least}",
        lambda value: type(value) is int and least <= value <= LARGEST,
    )


def number(least: float = -1e308) -> Form:
    """Form of a finite number of at least ``least``."""
    words = "a finite number" + (f" of at least {least}" if least > -1e308 else "")
    return Form(
        words,
        lambda value: type(value) in (int, float) and least <= value <= 1e308,
    )


def choice(names: Collection[str]) -> Form:
    """Form of one of some texts."""
    return Form(
        f"one of {', '.join(names)}",
        lambda value: isinstance(value, str) and value in names,
    )


def numbers(n_dimensions: int = 1, dtype: str = "float64") -> Form:
    """Form of an array of finite numbers."""
    return Form(
        f"finite {dtype} values in {n_dimensions} dimension(s)",
        lambda value: (
            _is_array(value)
            and (str(value.dtype), value.ndim) == (dtype, n_dimensions)
            and _is_finite(value)
        ),
    )


def check_names(names: Mapping[int, str], n_clusters: int) -> None:
    """Refuse names of clusters that there are not."""
    if any(not 0 <= cluster < n_clusters for cluster in names):
        raise ValueError(f"names of clusters beyond {n_clusters}")


NUMBER = number()


def check(value: Any, schema: Schema, name: str) -> None:  # noqa: ANN401
    """Refuse a value that is not of a declared form; errors name it."""
    if isinstance(schema, Form):
        if not schema.holds(value):
            raise ValueError(f"{name} is {shown(value)}; expected {schema.words}")
    elif isinstance(schema, tuple):
        if value is not None:
            check(value, schema[0], name)
    elif isinstance(schema, list):
        check(value, Form("a list", lambda found: isinstance(found, list)), name)
        for i, part in enumerate(value):
            check(part, schema[0], f"{name}[{i}]")
    else:
        _check_record(value, schema, name)


def _check_record(value: Any, schema: Mapping[str, Schema], name: str) -> None:  # noqa: ANN401
    check(value, RECORD, name)
    known = {key.removesuffix("?"): form for key, form in schema.items()}
    unknown = sorted(str(key) for key in value.keys() - known.keys())
    missing = sorted(schema.keys() - value.keys() - {f"{key}?" for key in known})
    if unknown or missing:
        kind, key = ("an unknown", unknown[0]) if unknown else ("no", missing[0])
        raise ValueError(f"{name} has {kind} {shown(key)}")
    for key, part in value.items():
        check(part, known[key], f"{name}.{key}")


def shown(value: Any) -> str:  # noqa: ANN401
    """Value in an error, however long it is."""
    if _is_array(value) or _is_tensor(value):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__} of {len(value)} entries"
    return reprlib.repr(value)
