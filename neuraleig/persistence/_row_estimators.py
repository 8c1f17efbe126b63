"""Fitted estimators of rows as trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from neuraleig._sklearn import transform_output
from neuraleig.affinity import Affinity, RBFAffinity
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.persistence._cluster_numbers import (
    packed_numbers,
    set_numbers,
)
from neuraleig.persistence._densities import density_of, packed_density
from neuraleig.persistence._forms import (
    NUMBER,
    check,
    check_names,
)
from neuraleig.persistence._networks import eigenfunctions_of, packed_eigenfunctions
from neuraleig.persistence._parameters import (
    Brought,
    estimator_of,
    packed_parameters,
    packed_value,
    value_of,
)
from neuraleig.persistence._readers import (
    calibration_of,
    packed_calibration,
    packed_reader,
    reader_of,
)
from neuraleig.persistence._schemas import CLUSTERING, EMBEDDING

RowEstimator = NeuralEigenSpectralClustering | NeuralSpectralEmbedding


def packed_row_estimator(estimator: RowEstimator) -> dict[str, Any]:
    """Tree of a fitted estimator, without anything of the training rows."""
    is_clustering = isinstance(estimator, NeuralEigenSpectralClustering)
    form: Any = CLUSTERING if is_clustering else EMBEDDING
    names, affinity = getattr(estimator, "feature_names_in_", None), estimator.affinity_
    tree = {
        "parameters": packed_parameters(estimator),
        "network": packed_eigenfunctions(estimator.eigenfunctions_),
        "graph_eigenvalues_": np.asarray(estimator.graph_eigenvalues_, np.float64),
        "loss_curve_": np.asarray(estimator.loss_curve_, np.float64),
        "fit": {name: getattr(estimator, name) for name in form["fit"]},
        "affinity": {
            "component": packed_value(affinity, "affinity"),
            "gamma": next((kernel.gamma_ for kernel in _kernels(affinity)), None),
        },
        "feature_names": None if names is None else names.tolist(),
        "transform_output": transform_output(estimator),
        "density": packed_density(estimator._density),
    }
    projection = getattr(estimator, "projection_", None)
    if projection is not None:
        tree["projection"] = projection
    if is_clustering:
        tree["discretizer"] = packed_reader(estimator._discretizer)
        tree |= packed_numbers(estimator)
        tree["calibration"] = packed_calibration(estimator._calibration)
        if estimator.cluster_names_:
            tree["cluster_names"] = estimator.cluster_names_
        if hasattr(estimator, "cluster_shares_"):
            tree["reference"] = {
                "cluster_shares_": estimator.cluster_shares_,
                "mean_confidence_": estimator.mean_confidence_,
            }
    return tree


def row_estimator_of(
    kind: type, tree: dict[str, Any], brought: Brought, device: torch.device
) -> RowEstimator:
    """Fitted estimator of a tree, of a class, on a device.

    A stream begins anew, as after ``fit``: its rows are not in files.
    """
    is_clustering = kind is NeuralEigenSpectralClustering
    check(tree, CLUSTERING if is_clustering else EMBEDDING, "content")
    estimator = estimator_of(kind, tree["parameters"], brought)
    estimator.eigenfunctions_ = eigenfunctions_of(tree["network"], brought)
    eigenfunctions = estimator.eigenfunctions_
    n_columns = eigenfunctions.shift.numel()
    estimator.n_features_in_ = n_columns
    estimator.projection_ = tree.get("projection")
    if estimator.projection_ is not None:
        estimator.n_features_in_ = len(estimator.projection_)
        if estimator.projection_.shape[1] != n_columns:
            raise ValueError(f"its projection is not one onto {n_columns} columns")
    estimator.eigenvalues_ = eigenfunctions.eigenvalues.numpy().copy()
    estimator.graph_eigenvalues_ = tree["graph_eigenvalues_"]
    estimator.loss_curve_ = tree["loss_curve_"].tolist()
    for name, value in tree["fit"].items():
        setattr(estimator, name, value)
    estimator.affinity_ = _affinity_of(tree["affinity"], brought)
    estimator._set_density(density_of(tree.get("density"), n_columns))
    names = tree["feature_names"]
    if names is not None:
        if len(names) != estimator.n_features_in_:
            raise ValueError("its names of features are not those of its features")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    if tree["transform_output"] is not None:
        estimator.set_output(transform=tree["transform_output"])
    if is_clustering:
        _set_clusters(estimator, tree)
    eigenfunctions.to(device)
    estimator.device_ = str(next(eigenfunctions.parameters()).device)
    made: RowEstimator = estimator
    return made


def _set_clusters(
    estimator: NeuralEigenSpectralClustering, tree: dict[str, Any]
) -> None:
    """Set what a clustering has besides eigenfunctions, which are set."""
    network: Any = estimator.eigenfunctions_.network
    n_functions, n_scores = estimator.eigenfunctions_.n_components, network.n_clusters
    reader = reader_of(tree["discretizer"], estimator.eigenvalues_.copy(), n_scores)
    estimator._discretizer = reader
    estimator._calibration = calibration_of(
        tree.get("calibration"), reader.n_clusters, n_functions, n_scores
    )
    kept = tree.get("reference", {})
    if kept and kept["cluster_shares_"].shape != (reader.n_clusters,):
        raise ValueError(f"its shares are not those of {reader.n_clusters} clusters")
    for name, value in kept.items():
        setattr(estimator, name, value)
    estimator.cluster_names_ = tree.get("cluster_names", {})
    check_names(estimator.cluster_names_, reader.n_clusters)
    estimator._stream = None
    set_numbers(estimator, tree)


def _affinity_of(tree: dict[str, Any], brought: Brought) -> Affinity:
    """Affinity of the fit, with the width that it chose."""
    affinity = value_of(tree["component"], "affinity", brought)
    if not isinstance(affinity, Affinity):
        raise ValueError(f"its affinity is a {type(affinity).__name__}")
    for kernel in _kernels(affinity):
        check(tree["gamma"], NUMBER, "affinity.gamma")
        kernel.gamma_ = tree["gamma"]
    return affinity


def _kernels(affinity: Affinity) -> list[RBFAffinity]:
    """Kernel whose width was chosen: the affinity itself, or the one inside of it.

    An affinity holds at most one other, and no other class has fitted attributes.
    """
    parts = [affinity, *affinity.get_params().values()]
    return [part for part in parts if isinstance(part, RBFAffinity)]
