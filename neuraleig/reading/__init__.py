"""Labels read off eigenfunctions or scores."""

from neuraleig.reading._argmax import Argmax
from neuraleig.reading._base import Discretizer, diffused_rows, diffusion_weights
from neuraleig.reading._centroids import (
    MIN_GAIN,
    Judgement,
    NearestCentre,
    Reading,
    best_reading,
    candidate_sizes,
    read_clusters,
)
from neuraleig.reading._cluster_qr import ClusterQR, cluster_qr_rotation
from neuraleig.reading._hidden_centres import nearest_centre_scores
from neuraleig.reading._judge import judge_labels, judged_graph
from neuraleig.reading._labels import (
    BY_HEAD,
    fit_discretizer,
    labels_of,
    warn_of_dead_clusters,
)
from neuraleig.reading._renumbered import Renumbered, order_of_former

__all__ = [
    "BY_HEAD",
    "MIN_GAIN",
    "Argmax",
    "ClusterQR",
    "Discretizer",
    "Judgement",
    "NearestCentre",
    "Reading",
    "Renumbered",
    "best_reading",
    "candidate_sizes",
    "cluster_qr_rotation",
    "diffused_rows",
    "diffusion_weights",
    "fit_discretizer",
    "judge_labels",
    "judged_graph",
    "labels_of",
    "nearest_centre_scores",
    "order_of_former",
    "read_clusters",
    "warn_of_dead_clusters",
]
