"""Densities of rows as trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from neuraleig.novelty import RowDensity
from neuraleig.novelty._density import SHARES
from neuraleig.persistence._forms import Schema, check, number, numbers

VECTOR, MATRIX = numbers(dtype="float32"), numbers(2, dtype="float32")
DENSITY: dict[str, Schema] = {
    "centre": VECTOR,
    "components": MATRIX,
    "floor": number(least=0),
    "log_weights": VECTOR,
    "means": MATRIX,
    "factors": MATRIX,
    "quantiles": numbers(),
}


def packed_density(density: RowDensity | None) -> dict[str, Any] | None:
    """Tree of a density, if there is one."""
    if density is None:
        return None
    values = {name: getattr(density, name) for name in DENSITY}
    return {k: v.numpy() if isinstance(v, Tensor) else v for k, v in values.items()}


def density_of(packed: dict[str, Any] | None, n_features: int) -> RowDensity | None:
    """Density of a tree, for rows of so many features."""
    if packed is None:
        return None
    check(packed, DENSITY, "density")
    n_directions = len(packed["components"])
    n_coordinates = n_directions + 2 * (packed["floor"] > 0)
    n_gaussians = len(packed["log_weights"])
    n_entries = n_coordinates * (n_coordinates + 1) // 2
    shapes = {
        "centre": (n_features,),
        "components": (n_directions, n_features),
        "means": (n_gaussians, n_coordinates),
        "factors": (n_gaussians, n_entries),
    }
    for name, shape in shapes.items():
        if packed[name].shape != shape:
            raise ValueError(
                f"density.{name} is of shape {packed[name].shape}; expected {shape}"
            )
    if n_directions == 0 or n_gaussians == 0:
        raise ValueError("its density has no directions or no Gaussians")
    if not is_in_order(packed["quantiles"]):
        raise ValueError("the quantiles of its density are not 9 in ascending order")
    diagonal = np.cumsum(np.r_[0, np.arange(n_coordinates, 1, -1)])
    if packed["factors"][:, diagonal].min() <= 0:
        raise ValueError("its density has factors that are not positive")
    return RowDensity(**packed)


def is_in_order(quantiles: np.ndarray[Any, Any]) -> bool:
    """Whether there are as many quantiles as shares, none below the one before."""
    return quantiles.shape == (len(SHARES),) and bool(np.all(np.diff(quantiles) >= 0))
