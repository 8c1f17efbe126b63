"""Inference: windows of images, blending, upsampling, refinement."""

from neuraleig.segmentation.inference._refine import refined_labels
from neuraleig.segmentation.inference._sliding_window import (
    Score,
    averaged_scores,
    scores_on_lattice,
    window_weights,
)
from neuraleig.segmentation.inference._upsample import (
    labels_from_scores,
    probabilities_in_strips,
)
from neuraleig.segmentation.inference._windows import (
    Lattice,
    Window,
    window_in_tokens,
)

__all__ = [
    "Lattice",
    "Score",
    "Window",
    "averaged_scores",
    "labels_from_scores",
    "probabilities_in_strips",
    "refined_labels",
    "scores_on_lattice",
    "window_in_tokens",
    "window_weights",
]
