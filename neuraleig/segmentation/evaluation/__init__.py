"""Evaluation: confusion, matching, data sets and protocols."""

from neuraleig.segmentation.evaluation._confusion import ConfusionMatrix
from neuraleig.segmentation.evaluation._datasets import (
    SegmentationDataset,
    load_dataset,
)
from neuraleig.segmentation.evaluation._matching import ClusterMatching, match_clusters
from neuraleig.segmentation.evaluation._protocols import (
    PROTOCOLS,
    Evaluation,
    Protocol,
    evaluate,
)
from neuraleig.segmentation.evaluation._scores import SegmentationScores

__all__ = [
    "PROTOCOLS",
    "ClusterMatching",
    "ConfusionMatrix",
    "Evaluation",
    "Protocol",
    "SegmentationDataset",
    "SegmentationScores",
    "evaluate",
    "load_dataset",
    "match_clusters",
]
