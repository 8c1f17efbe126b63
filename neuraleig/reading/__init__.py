"""Labels read off eigenfunctions or scores."""

from neuraleig.reading._argmax import Argmax
from neuraleig.reading._base import Discretizer, diffused_rows, diffusion_weights
from neuraleig.reading._cluster_qr import ClusterQR, cluster_qr_rotation
from neuraleig.reading._judge import judge_labels
from neuraleig.reading._read_clusters import (
    Judgement,
    NearestCentre,
    Reading,
    read_clusters,
)
from neuraleig.reading._renumbered import Renumbered

__all__ = [
    "Argmax",
    "ClusterQR",
    "Discretizer",
    "Judgement",
    "NearestCentre",
    "Reading",
    "Renumbered",
    "cluster_qr_rotation",
    "diffused_rows",
    "diffusion_weights",
    "judge_labels",
    "read_clusters",
]
