"""Access to fitted estimators; the only module that reads private attributes."""

from __future__ import annotations

import json
from typing import Any

from neuraleig._typing import Array, IntArray
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.estimators._naming import NamedClusters
from neuraleig.reading import Calibration, Discretizer
from neuraleig.segmentation import DenseSegmenter

RowEstimator = NeuralEigenSpectralClustering | NeuralSpectralEmbedding


def discretizer_of(estimator: NeuralEigenSpectralClustering) -> Discretizer:
    """Return the map from functions and scores to probabilities."""
    return estimator._discretizer


def calibration_of(estimator: NeuralEigenSpectralClustering) -> Calibration | None:
    """Return what makes probabilities of these, if there is anything."""
    return estimator._calibration


def projection_of(estimator: RowEstimator) -> Array | None:
    """Return the columns onto which rows are projected, if they are."""
    # Models that former versions pickled have none.
    found: Array | None = getattr(estimator, "projection_", None)
    return found


def cluster_of_scores(segmenter: DenseSegmenter) -> IntArray:
    """Return the cluster that each score belongs to, merged clusters being one."""
    return segmenter._groups


def names_metadata(estimator: NamedClusters) -> dict[str, str]:
    """Return the names of clusters, as a property of a model."""
    names = {str(c): n for c, n in estimator.cluster_names_.items()}
    return {"cluster_names": json.dumps(names)}


def segmenter_metadata(segmenter: DenseSegmenter) -> dict[str, str]:
    """Return the parameters of a prediction, as properties of a model."""
    backbone, view = segmenter.backbone_, segmenter._view()
    n_channels = [int(number) for number in backbone.n_channels]
    values: dict[str, Any] = {
        "n_features": sum(n_channels),
        "n_channels": n_channels,
        "patch_size": int(backbone.patch_size),
        "image_size": view.image_size,
        "window_size": view.window_size,
        "stride": view.stride,
        "scales": [float(scale) for scale in segmenter.scales],
        "flip": bool(segmenter.flip),
        "refine": segmenter.refine,
        "refine_radius": float(segmenter.refine_radius),
        "n_clusters": segmenter.n_clusters_,
    }
    texts = {name: json.dumps(value) for name, value in values.items()}
    return texts | names_metadata(segmenter) | {"backbone": backbone.identity}
