"""Label files of folders, colours, overlays and contact sheets."""

from neuraleig.segmentation.outputs._folders import FolderReport
from neuraleig.segmentation.outputs._palette import label_colors, overlay
from neuraleig.segmentation.outputs._sheets import ClusterSheet

__all__ = ["ClusterSheet", "FolderReport", "label_colors", "overlay"]
