"""Curves of all numbers of clusters, and the clusters behind them, as trees."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.estimators._cluster_numbers import Alternatives
from neuraleig.networks import EigenNetwork
from neuraleig.networks._label_heads import LabelHeads
from neuraleig.persistence._forms import shown
from neuraleig.persistence._readers import packed_reader, reader_of
from neuraleig.persistence._schemas import CURVE
from neuraleig.reading import ClusterCurve


def packed_numbers(estimator: NeuralEigenSpectralClustering) -> dict[str, Any]:
    """Curve of an estimator and its other numbers of clusters, without labels."""
    curve, known = estimator.cluster_curve_, estimator._alternatives
    packed: dict[str, Any] = {"curve": None, "alternatives": None}
    if curve is not None:
        packed["curve"] = {name: getattr(curve, name) for name in CURVE}
    if known is not None:
        heads = known.heads
        packed["alternatives"] = {
            "readers": [packed_reader(reader) for reader in known.readers],
            "cuts": known.cuts,
            "modularities": known.modularities,
            "heads": heads and {"weight": heads.weight, "bias": heads.bias},
        }
    return packed


def set_numbers(estimator: NeuralEigenSpectralClustering, tree: dict[str, Any]) -> None:
    """Set the curve and the other numbers of clusters of a loaded estimator."""
    curve = tree["curve"]
    estimator.cluster_curve_ = None if curve is None else _curve_of(curve)
    estimator._alternatives = None
    if tree["alternatives"] is not None:
        if curve is None:
            raise ValueError("it has clusters of other numbers without a curve")
        estimator._alternatives = _alternatives_of(tree["alternatives"], estimator)
    if estimator.n_clusters_ != estimator._discretizer.n_clusters:
        raise ValueError(
            f"n_clusters_={estimator.n_clusters_} is not the number of its clusters"
        )


def _curve_of(tree: dict[str, Any]) -> ClusterCurve:
    """Curve whose arrays go together."""
    found = tree["n_clusters"]
    is_whole = found.size > 0 and np.array_equal(found, np.arange(1, found.size + 1))
    if not is_whole or any(values.size != found.size for values in tree.values()):
        raise ValueError("its curve does not have one value for every number from 1")
    return ClusterCurve(**tree)


def _alternatives_of(
    tree: dict[str, Any], estimator: NeuralEigenSpectralClustering
) -> Alternatives:
    """Clusters of other numbers, as many as the curve has."""
    curve, heads = estimator.cluster_curve_, tree["heads"]
    assert curve is not None
    n_numbers = curve.n_clusters.size
    sizes = {len(tree[name]) for name in ("readers", "cuts", "modularities")}
    if sizes != {n_numbers}:
        raise ValueError("its clusters of other numbers are not those of its curve")
    made = None if heads is None else _heads_of(heads, n_numbers, estimator)
    eigenvalues = estimator.eigenvalues_.copy()
    network = cast(EigenNetwork, estimator.eigenfunctions_.network)
    n_scores = network.n_clusters
    readers = [
        reader_of(packed, eigenvalues, n_scores if made is None else number)
        for number, packed in enumerate(tree["readers"], 1)
    ]
    return Alternatives(readers, made, tree["cuts"], tree["modularities"])


def _heads_of(
    tree: dict[str, Any], n_numbers: int, estimator: NeuralEigenSpectralClustering
) -> LabelHeads:
    """Label heads for 1, 2, ... clusters on the trunk of an estimator."""
    weight, bias = tree["weight"], tree["bias"]
    n_scores = n_numbers * (n_numbers + 1) // 2
    network = cast(EigenNetwork, estimator.eigenfunctions_.network)
    head: Any = network.label_head
    # Weights of orthogonal heads are (n_clusters, n_hidden) as well.
    n_hidden = head.weight.shape[1]
    for name, values, shape in (
        ("weight", weight, (n_scores, n_hidden)),
        ("bias", bias, (n_scores,)),
    ):
        if values.shape != shape or values.dtype != torch.float32:
            raise ValueError(
                f"alternatives.heads.{name} is {shown(values)} in place of "
                f"torch.float32 of shape {shape}"
            )
        if not bool(torch.isfinite(values).all()):
            raise ValueError(
                f"alternatives.heads.{name} holds values that are not finite"
            )
    return LabelHeads(weight, bias)
