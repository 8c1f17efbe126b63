"""What is written and drawn: folders of labels, palettes, contact sheets."""

from neuraleig.segmentation.outputs._crops import BestCrops, Crop, outlined_crop
from neuraleig.segmentation.outputs._folders import FolderReport, predict_folder
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters
from neuraleig.segmentation.outputs._palette import (
    FIRST_COLORS,
    Palette,
    label_colors,
    overlay,
    resolve_colors,
)
from neuraleig.segmentation.outputs._sheets import ClusterSheet, cluster_sheet

__all__ = [
    "FIRST_COLORS",
    "BestCrops",
    "ClusterNames",
    "ClusterSheet",
    "Crop",
    "FolderReport",
    "Palette",
    "cluster_sheet",
    "label_colors",
    "names_of_clusters",
    "outlined_crop",
    "overlay",
    "predict_folder",
    "resolve_colors",
]
