"""Displays of fits, in the manner of scikit-learn's."""

from neuraleig.plotting._cluster_curve import ClusterCurveDisplay
from neuraleig.plotting._cluster_map import ClusterMapDisplay
from neuraleig.plotting._cluster_sizes import ClusterSizesDisplay
from neuraleig.plotting._embedding import EmbeddingDisplay
from neuraleig.plotting._segmentation import SegmentationDisplay
from neuraleig.plotting._spectrum import SpectrumDisplay
from neuraleig.plotting._training import TrainingDisplay

__all__ = [
    "ClusterCurveDisplay",
    "ClusterMapDisplay",
    "ClusterSizesDisplay",
    "EmbeddingDisplay",
    "SegmentationDisplay",
    "SpectrumDisplay",
    "TrainingDisplay",
]
