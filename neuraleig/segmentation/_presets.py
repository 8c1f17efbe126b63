"""Published settings."""

from __future__ import annotations

from typing import Any

from neuraleig.affinity import NeighborAffinity
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.networks import TokenAttention
from neuraleig.segmentation.backbones import TimmBackbone
from neuraleig.training import Training

# Clusters, window and stride, windows per step, and steps: epochs times images of the
# training set, over images of a batch.
PRESETS: dict[str, tuple[int, int, int, int, int]] = {
    "pascal_context": (256, 480, 320, 16, 40 * 4998 // 16),
    "cityscapes": (256, 768, 512, 8, 40 * 2975 // 8),
    "ade20k": (512, 512, 512, 16, 20 * 20210 // 16),
}


def preset_parameters(preset: str) -> dict[str, Any]:
    """Parameters of the segmenter for a preset; ValueError if there is none."""
    if preset not in PRESETS:
        raise ValueError(f"preset={preset!r} is none of {', '.join(PRESETS)}.")
    n_clusters, window_size, stride, batch_size, max_iter = PRESETS[preset]
    return {
        "n_clusters": n_clusters,
        "backbone": TimmBackbone("vit_small_patch16_224.augreg_in21k"),
        "clusterer": published_clusterer(batch_size, max_iter),
        "pixel_weight": 0.3,
        "image_size": None,
        "window_size": window_size,
        "stride": stride,
        # More than any of their windows has: all.
        "tokens_per_window": 10_000,
    }


def published_clusterer(
    batch_size: int, max_iter: int
) -> NeuralEigenSpectralClustering:
    """Clusterer of the published recipe.

    Of the two heads only that of the clusters is trained: they are the eigenfunctions.
    """
    return NeuralEigenSpectralClustering(
        n_components=1,
        affinity=NeighborAffinity(256, across_groups=False),
        network=TokenAttention(width=None, n_blocks=2, n_heads=18, mlp_width=576),
        training=Training(
            init="random",
            label_objective="neuralef",
            head="orthogonal",
            assignment="gumbel_softmax",
            temperature=(1.0, 0.3),
            batch_size=batch_size,
            max_iter=max_iter,
            lr=1e-3,
            optimizer="adam",
            early_stopping=False,
        ),
    )
