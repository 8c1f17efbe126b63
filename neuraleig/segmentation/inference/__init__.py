"""Inference: windows of images, blending, upsampling, refinement."""

from neuraleig.segmentation.inference._refine import refined_labels
from neuraleig.segmentation.inference._upsample import labels_from_scores
from neuraleig.segmentation.inference._windows import Lattice

__all__ = ["Lattice", "labels_from_scores", "refined_labels"]
