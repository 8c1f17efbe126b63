"""Fitted discretisers as trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from neuraleig._typing import FloatArray
from neuraleig.persistence._forms import (
    RECORD,
    Schema,
    check,
    choice,
    number,
    numbers,
)
from neuraleig.reading import (
    Argmax,
    Calibration,
    ClusterQR,
    Discretizer,
    NearestCentre,
    Renumbered,
)

INTEGERS, MATRIX, POSITIVE = numbers(dtype="int64"), numbers(2), number(least=0)
# Classes, and the attributes that are in the file. Eigenvalues are those of the
# eigenfunctions.
READERS: dict[str, tuple[Any, dict[str, Schema]]] = {
    "argmax": (Argmax, {"clusters": INTEGERS}),
    "nearest_centre": (
        NearestCentre,
        {"centres": MATRIX, "spread": POSITIVE, "diffusion_time": POSITIVE},
    ),
    "cluster_qr": (ClusterQR, {"rotation": MATRIX, "diffusion_time": POSITIVE}),
    "renumbered": (Renumbered, {"order": INTEGERS, "discretizer": RECORD}),
}

CALIBRATION: dict[str, Schema] = {
    "function_centres": MATRIX,
    "score_centres": MATRIX,
    "slopes": numbers(),
    "intercept": number(),
}


def packed_calibration(calibration: Calibration | None) -> dict[str, Any] | None:
    """Tree of a calibration, if there is one."""
    if calibration is None:
        return None
    values = {name: getattr(calibration, name) for name in CALIBRATION}
    return {k: v.numpy() if isinstance(v, Tensor) else v for k, v in values.items()}


def calibration_of(
    packed: dict[str, Any] | None, n_clusters: int, n_functions: int, n_scores: int
) -> Calibration | None:
    """Calibration of a tree, for so many clusters, functions and scores."""
    if packed is None:
        return None
    check(packed, CALIBRATION, "calibration")
    shapes = [packed[name].shape for name in ("function_centres", "score_centres")]
    if shapes != [(n_clusters, n_functions), (n_clusters, n_scores)]:
        raise ValueError(f"its calibration is of shapes {shapes}")
    if packed["slopes"].shape != (2,) or packed["slopes"].min() < 0:
        raise ValueError("its calibration has no two slopes of at least 0")
    return Calibration(**packed)


def packed_reader(discretizer: Discretizer) -> dict[str, Any]:
    """Tree of a fitted discretiser."""
    names = {kind: name for name, (kind, _) in READERS.items()}
    name = names[type(discretizer)]
    packed: dict[str, Any] = {"kind": name}
    for key in READERS[name][1]:
        value = getattr(discretizer, key)
        if isinstance(value, Discretizer):
            value = packed_reader(value)
        packed[key] = value.numpy() if isinstance(value, Tensor) else value
    return packed


def reader_of(packed: Any, eigenvalues: FloatArray, n_scores: int) -> Discretizer:  # noqa: ANN401
    """Fitted discretiser of a tree, for eigenfunctions and scores of these numbers."""
    check(packed, RECORD, "discretizer")
    check(packed.get("kind"), choice(READERS), "discretizer.kind")
    kind, form = READERS[packed["kind"]]
    values = {key: value for key, value in packed.items() if key != "kind"}
    check(values, form, "discretizer")
    if kind is Renumbered:
        inner = reader_of(values["discretizer"], eigenvalues, n_scores)
        row = np.zeros((1, eigenvalues.size)), np.zeros((1, n_scores))
        n_clusters = inner.probabilities(*row).shape[1]
        if not np.array_equal(np.sort(values["order"]), np.arange(n_clusters)):
            raise ValueError("the order of its clusters is not a permutation")
        return Renumbered(inner, values["order"])
    if kind is Argmax:
        clusters = values["clusters"]
        is_found = clusters.size > 0 and np.isin(clusters, np.arange(n_scores)).all()
        if not is_found or np.unique(clusters).size < clusters.size:
            raise ValueError(f"its clusters are none of {n_scores} scores, or twice")
        return Argmax(clusters)
    matrix = values["rotation"].T if kind is ClusterQR else values["centres"]
    if matrix.size == 0 or matrix.shape[1] > eigenvalues.size:
        raise ValueError(
            f"clusters of shape {matrix.shape} for {eigenvalues.size} functions"
        )
    made: Discretizer = kind(**values, eigenvalues=eigenvalues)
    return made
