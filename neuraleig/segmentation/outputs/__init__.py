"""What is written and drawn: folders of labels, palettes, contact sheets."""

from neuraleig.segmentation.outputs._folders import FolderReport, predict_folder
from neuraleig.segmentation.outputs._palette import label_colors, overlay
from neuraleig.segmentation.outputs._sheets import ClusterSheet, cluster_sheet

__all__ = [
    "ClusterSheet",
    "FolderReport",
    "cluster_sheet",
    "label_colors",
    "overlay",
    "predict_folder",
]
