"""Semantic segmentation of unlabelled images."""

from neuraleig.segmentation._cluster_table import ClusterWarning
from neuraleig.segmentation._pixel_probabilities import PixelProbabilities
from neuraleig.segmentation._segmenter import DenseSegmenter
from neuraleig.segmentation.backbones import Backbone, ColorTexture, TimmBackbone
from neuraleig.segmentation.evaluation import (
    PROTOCOLS,
    ClusterMatching,
    Evaluation,
    Protocol,
    SegmentationDataset,
    SegmentationScores,
    evaluate,
    load_dataset,
    match_clusters,
)
from neuraleig.segmentation.images import ImageError, ImageWarning, read_image
from neuraleig.segmentation.outputs import (
    ClusterSheet,
    FolderReport,
    label_colors,
    overlay,
)

__all__ = [
    "PROTOCOLS",
    "Backbone",
    "ClusterMatching",
    "ClusterSheet",
    "ClusterWarning",
    "ColorTexture",
    "DenseSegmenter",
    "Evaluation",
    "FolderReport",
    "ImageError",
    "ImageWarning",
    "PixelProbabilities",
    "Protocol",
    "SegmentationDataset",
    "SegmentationScores",
    "TimmBackbone",
    "evaluate",
    "label_colors",
    "load_dataset",
    "match_clusters",
    "overlay",
    "read_image",
]
