"""Evaluation: confusion, matching, data sets and protocols."""

from neuraleig.segmentation.evaluation._confusion import (
    ConfusionMatrix,
    confusion_matrix,
)
from neuraleig.segmentation.evaluation._datasets import (
    DATASETS,
    SegmentationDataset,
    load_dataset,
)
from neuraleig.segmentation.evaluation._matching import (
    MATCHINGS,
    ClusterMatching,
    Matching,
    match_clusters,
)
from neuraleig.segmentation.evaluation._metrics import (
    IGNORE_INDEX,
    SegmentationScores,
    segmentation_scores,
)
from neuraleig.segmentation.evaluation._protocols import (
    PROTOCOLS,
    Evaluation,
    Protocol,
    evaluate,
)

__all__ = [
    "DATASETS",
    "IGNORE_INDEX",
    "MATCHINGS",
    "PROTOCOLS",
    "ClusterMatching",
    "ConfusionMatrix",
    "Evaluation",
    "Matching",
    "Protocol",
    "SegmentationDataset",
    "SegmentationScores",
    "confusion_matrix",
    "evaluate",
    "load_dataset",
    "match_clusters",
    "segmentation_scores",
]
