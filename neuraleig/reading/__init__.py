"""Labels read off eigenfunctions or scores."""

from neuraleig.reading._agreement import neighbor_agreement, reading_agreement
from neuraleig.reading._alignment import Alignment, AlignmentWarning
from neuraleig.reading._argmax import Argmax
from neuraleig.reading._base import (
    DIFFUSION_TIME,
    Discretizer,
    diffused_rows,
    diffusion_weights,
)
from neuraleig.reading._calibration import Calibration
from neuraleig.reading._cluster_curve import (
    ClusterCurve,
    CurveReading,
    read_curve,
    strengths,
)
from neuraleig.reading._cluster_qr import ClusterQR, cluster_qr_rotation
from neuraleig.reading._judge import Judgement, judge_labels
from neuraleig.reading._nearest_centre import NearestCentre
from neuraleig.reading._read_clusters import Reading, read_clusters
from neuraleig.reading._refine import refined_labels
from neuraleig.reading._renumbered import Renumbered
from neuraleig.reading._splits import split_clusters

__all__ = [
    "DIFFUSION_TIME",
    "Alignment",
    "AlignmentWarning",
    "Argmax",
    "Calibration",
    "ClusterCurve",
    "ClusterQR",
    "CurveReading",
    "Discretizer",
    "Judgement",
    "NearestCentre",
    "Reading",
    "Renumbered",
    "cluster_qr_rotation",
    "diffused_rows",
    "diffusion_weights",
    "judge_labels",
    "neighbor_agreement",
    "read_clusters",
    "read_curve",
    "reading_agreement",
    "refined_labels",
    "split_clusters",
    "strengths",
]
