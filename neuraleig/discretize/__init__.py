"""Discretisation: from eigenfunctions or scores to labels."""

from neuraleig.discretize._argmax import Argmax
from neuraleig.discretize._base import Discretizer, diffused_rows, diffusion_weights
from neuraleig.discretize._centroids import (
    MIN_GAIN,
    Judgement,
    NearestCentre,
    Reading,
    best_reading,
    candidate_sizes,
    read_clusters,
)
from neuraleig.discretize._cluster_qr import ClusterQR, cluster_qr_rotation

__all__ = [
    "MIN_GAIN",
    "Argmax",
    "ClusterQR",
    "Discretizer",
    "Judgement",
    "NearestCentre",
    "Reading",
    "best_reading",
    "candidate_sizes",
    "cluster_qr_rotation",
    "diffused_rows",
    "diffusion_weights",
    "read_clusters",
]
