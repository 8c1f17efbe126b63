"""Fitted transformers of scikit-learn as trees of their public values, and back.

Private state differs between versions of scikit-learn. A transformer is therefore made
again by the installed version: it is fitted to a witness, a row or two of made-up
values that lead to the stored state, and then gets the values that it had learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from neuraleig._sklearn import check_parameters, imputed_dtype, infrequent_places
from neuraleig.persistence._forms import Form, check, choice, numbers, shown

# Shapes that a learned value may have, in sizes by name; None: it may be missing.
Shapes = tuple[tuple[str, ...] | None, ...]
ONE: Shapes = ((),)
EACH: Shapes = (("features",),)
IF_USED: Shapes = (("features",), None)
COUNT: Shapes = ((), ("features",))
PER_COMPONENT: Shapes = (("components",),)
# Cells of the largest witness.
MOST_CELLS = 2**22
# No category of a file is equal to it.
UNKNOWN = object()
PLAIN = str | int | float | bool | None
INTEGERS = numbers(dtype="int64")
DTYPES = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
DTYPES += ["object", "float16", "float32", "float64"]
NUMBERS = Form(
    "numbers",
    lambda value: (
        value is None or type(value) in (int, float) or _is_array(value, "fiu")
    ),
)
CELLS = Form(
    "cells",
    lambda value: (
        isinstance(value, list) or (_is_array(value, "fiub") and value.ndim == 1)
    ),
)
ENCODER = {"categories": [CELLS], "infrequent": ([(INTEGERS,)],)}
IMPUTER = {"statistics": CELLS, "dtype": choice(DTYPES), "indicator": (INTEGERS,)}


class Inputs(NamedTuple):
    """Number of the features that a step takes, and their names if it had any."""

    number: int
    names: list[str] | None = None


class Kind(NamedTuple):
    """Class of transformers, and how its learned values are stored.

    ``packed`` returns them as a tree. ``fitted`` takes an unfitted transformer, such a
    tree and its inputs, fits it, and returns the number of its outputs. ``others`` are
    parameters that are among the learned values, or left out, as it is made with.
    """

    made: type[BaseEstimator]
    packed: Callable[[Any, str], dict[str, Any]]
    fitted: Callable[[Any, Any, Inputs], int]
    others: Mapping[str, Any] = MappingProxyType({})


def packed_options(kind: Kind, made: Any) -> dict[str, Any]:  # noqa: ANN401
    """Parameters that are not at their defaults: versions differ in the others."""
    packed = {}
    for name, parameter in signature(kind.made).parameters.items():
        value = getattr(made, name)
        if name not in kind.others and value is not parameter.default:
            option = _packed_option(value, f"{kind.made.__name__}.{name}")
            if not _is_equal(option, parameter.default):
                packed[name] = option
    return packed


def with_options(kind: Kind, packed: dict[str, Any]) -> Any:  # noqa: ANN401
    """Unfitted transformer with packed parameters, checked."""
    known = signature(kind.made).parameters.keys() - kind.others.keys()
    unknown = sorted(packed.keys() - known)
    if unknown:
        raise ValueError(f"{kind.made.__name__} has no parameter {shown(unknown[0])}")
    options = {name: _option(value) for name, value in packed.items()}
    made = kind.made(**options, **kind.others)
    check_parameters(made)
    return made


def fit(made: Any, witness: Any, **lenient: object) -> int:  # noqa: ANN401
    """Fit a transformer under other parameters; returns the number of its outputs."""
    asked = made.get_params(deep=False)
    lenient = {name: value for name, value in lenient.items() if name in asked}
    made.set_params(**lenient).fit(witness)
    width = _width(made, witness)
    made.set_params(**{name: asked[name] for name in lenient})
    return width


def _width(made: Any, witness: Any) -> int:  # noqa: ANN401
    return int(made.transform(witness[:1]).shape[1])


def _is_array(value: object, kinds: str) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in kinds


def _is_equal(option: object, default: object) -> bool:
    return type(option) is type(default) and option == default


def _packed_option(value: Any, path: str) -> Any:  # noqa: ANN401
    """Parameter as plain values, types of numbers by name."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, list | tuple):
        return type(value)(_packed_option(part, path) for part in value)
    if isinstance(value, dict):
        return {str(k): _packed_option(part, path) for k, part in value.items()}
    if isinstance(value, np.random.RandomState):
        return None
    if isinstance(value, type | np.dtype) and np.dtype(value).name in DTYPES:
        return {"dtype": np.dtype(value).name}
    raise TypeError(
        f"{path} is of type {type(value).__name__}, and files hold plain parameters "
        "alone; set a text or a number before the fit, or save the last step alone."
    )


def _option(packed: Any) -> Any:  # noqa: ANN401
    if isinstance(packed, dict) and packed.keys() == {"dtype"}:
        check(packed["dtype"], choice(DTYPES), "dtype")
        return np.dtype(packed["dtype"]).type
    if isinstance(packed, dict):
        return {name: _option(part) for name, part in packed.items()}
    if isinstance(packed, list | tuple):
        return type(packed)(map(_option, packed))
    if not isinstance(packed, PLAIN):
        raise ValueError(f"a parameter is {shown(packed)}")
    return packed


def _packed_cells(values: Any, name: str) -> Any:  # noqa: ANN401
    """Array of one dimension: numbers as they are, others as a list of plain cells."""
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        return array
    cells = array.tolist()
    for cell in cells:
        if not isinstance(cell, PLAIN):
            raise TypeError(
                f"{name} has a value of type {type(cell).__name__}, which files do not "
                "hold; turn such cells into texts or numbers before the fit."
            )
    return cells


def _cells(packed: Any, name: str) -> Any:  # noqa: ANN401
    """Array of packed cells. Texts are objects: padded, they could take any memory."""
    if isinstance(packed, np.ndarray):
        return packed
    for cell in packed:
        if not isinstance(cell, PLAIN):
            raise ValueError(f"{name} has the cell {shown(cell)}")
    cells = np.empty(len(packed), object)
    cells[:] = packed
    return cells


def _numeric(kind: type[BaseEstimator], learned: Mapping[str, Shapes]) -> Kind:
    """Kind whose learned values are numbers and arrays of them."""

    def packed(made: Any, _: str) -> dict[str, Any]:  # noqa: ANN401
        values = {name: getattr(made, name) for name in learned}
        return {
            n: v.item() if isinstance(v, np.generic) else v for n, v in values.items()
        }

    def fitted(made: Any, tree: Any, inputs: Inputs) -> int:  # noqa: ANN401
        check(tree, dict.fromkeys(learned, NUMBERS), "learned")
        components = np.shape(tree.get("components_"))
        sizes = {"features": inputs.number, "components": (*components, 0)[0]}
        for name, shapes in learned.items():
            found = None if tree[name] is None else np.shape(tree[name])
            allowed = [s and tuple(sizes[size] for size in s) for s in shapes]
            if found not in allowed:
                raise ValueError(f"{name} is of shape {found}; expected {allowed[0]}")
        witness = np.repeat([[0.0], [1.0]], inputs.number, axis=1)
        fit(made, witness, n_components=1, svd_solver="full")
        for name, value in tree.items():
            setattr(made, name, value)
        return sizes["components"] if "components_" in learned else inputs.number

    return Kind(kind, packed, fitted)


def _packed_encoder(made: Any, path: str) -> dict[str, Any]:  # noqa: ANN401
    return {
        "categories": [
            _packed_cells(c, f"{path}.categories_") for c in made.categories_
        ],
        "infrequent": infrequent_places(made),
    }


def _fitted_encoder(made: Any, tree: Any, inputs: Inputs) -> int:  # noqa: ANN401
    """Fit an encoder to rows of all categories that are not infrequent."""
    check(tree, ENCODER, "learned")
    categories = [_cells(packed, "categories") for packed in tree["categories"]]
    rare = tree["infrequent"]
    nothing = [None] * len(categories)
    if {len(categories), len(rare or nothing)} != {inputs.number}:
        raise ValueError(f"its categories are not those of {inputs.number} features")
    for values in categories:
        _check_categories(values)
    asked: dict[str, Any] = {"handle_unknown": "ignore"}
    if isinstance(made, OrdinalEncoder):
        asked = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    if rare is not None:
        asked |= {"min_frequency": 1, "max_categories": None}
    objects = [values.astype(object) for values in categories]
    witness = _categories_witness(objects, rare)
    width = fit(made, witness, categories=objects, **asked)
    made.categories_ = categories
    found = infrequent_places(made)
    pairs: Any = zip(found or nothing, rare or nothing, strict=True)
    if not all(np.array_equal(one, other) for one, other in pairs):
        raise ValueError("its infrequent categories are not those of its parameters")
    return width


def _categories_witness(categories: list[Any], rare: list[Any] | None) -> Any:  # noqa: ANN401
    """Rows without infrequent categories, in which all others are."""
    kept = [values[:1] for values in categories]
    if rare is not None:
        pairs = zip(categories, rare, strict=True)
        kept = [v if places is None else np.delete(v, places) for v, places in pairs]
    n_rows = max(1, *map(len, kept))
    if n_rows * len(kept) > MOST_CELLS:
        raise ValueError(f"it has {n_rows} categories in {len(kept)} features")
    witness = np.full((n_rows, len(kept)), UNKNOWN, dtype=object)
    for place, cells in enumerate(kept):
        witness[: len(cells), place] = cells
    return witness


def _check_categories(values: Any) -> None:  # noqa: ANN401
    """Refuse categories in which a search by halves would leave the array."""
    if len(values) == 0:
        raise ValueError("a feature has no categories")
    if values.dtype != object:
        known = values[:-1] if values[-1] != values[-1] else values
        if not (known[:-1] < known[1:]).all():
            raise ValueError("categories that are numbers are not in ascending order")


def _packed_imputer(made: SimpleImputer, path: str) -> dict[str, Any]:
    indicator = made.indicator_
    return {
        "statistics": _packed_cells(made.statistics_, f"{path}.statistics_"),
        "dtype": imputed_dtype(made).name,
        "indicator": None if indicator is None else indicator.features_,
    }


def _fitted_imputer(made: Any, tree: Any, inputs: Inputs) -> int:  # noqa: ANN401
    """Fit an imputer to a row with the missing values, and to one without."""
    check(tree, IMPUTER, "learned")
    statistics = _cells(tree["statistics"], "statistics")
    missing = tree["indicator"]
    if len(statistics) != inputs.number or (missing is None) == made.add_indicator:
        raise ValueError(f"its statistics are not those of {inputs.number} features")
    values = ("x", "y") if tree["dtype"] == "object" else (1, 2)
    value = next(v for v in values if v != made.missing_values)
    witness = np.full((2, inputs.number), value, dtype=tree["dtype"])
    if missing is not None:
        witness[0, missing] = made.missing_values
    fit(made, witness)
    if missing is not None and not np.array_equal(made.indicator_.features_, missing):
        raise ValueError("its indicator is not one of its features")
    made.statistics_ = statistics
    return _width(made, witness)


KINDS: dict[str, Kind] = {
    kind.made.__name__: kind
    for kind in (
        _numeric(
            StandardScaler,
            {
                "mean_": IF_USED,
                "var_": IF_USED,
                "scale_": IF_USED,
                "n_samples_seen_": COUNT,
            },
        ),
        _numeric(RobustScaler, {"center_": IF_USED, "scale_": IF_USED}),
        _numeric(
            MinMaxScaler,
            {
                **dict.fromkeys(("min_", "scale_", "data_min_", "data_max_"), EACH),
                "data_range_": EACH,
                "n_samples_seen_": ONE,
            },
        ),
        _numeric(Normalizer, {}),
        _numeric(
            PCA,
            {
                "components_": (("components", "features"),),
                "mean_": EACH,
                "explained_variance_": PER_COMPONENT,
                "explained_variance_ratio_": PER_COMPONENT,
                "singular_values_": PER_COMPONENT,
                "noise_variance_": ONE,
                "n_components_": ONE,
                "n_samples_": ONE,
            },
        ),
        _numeric(
            TruncatedSVD,
            {
                "components_": (("components", "features"),),
                "explained_variance_": PER_COMPONENT,
                "explained_variance_ratio_": PER_COMPONENT,
                "singular_values_": PER_COMPONENT,
            },
        ),
        Kind(OneHotEncoder, _packed_encoder, _fitted_encoder),
        Kind(OrdinalEncoder, _packed_encoder, _fitted_encoder),
        Kind(SimpleImputer, _packed_imputer, _fitted_imputer),
    )
}
