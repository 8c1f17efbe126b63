"""Published settings."""

from __future__ import annotations

from typing import Any

# Those that the three have in common. Of the two heads only that of the clusters was
# trained: they are the eigenfunctions.
PUBLISHED: dict[str, Any] = {
    "backbone": "vit_small_patch16_224.augreg_in21k",
    "n_components": 1,
    "n_neighbors": 256,
    "pixel_weight": 0.3,
    "init": "random",
    # More than any of their windows has: all.
    "tokens_per_window": 10_000,
    "label_objective": "neuralef",
    "hidden_size": None,
    "n_blocks": 2,
    "n_heads": 18,
    "mlp_size": 576,
    "head": "orthogonal",
    "assignment": "gumbel_softmax",
    "temperature": (1.0, 0.3),
    "lr": 1e-3,
    "optimizer": "adam",
    "early_stopping": False,
}

# Steps are epochs times images of the training set, over images of a batch.
PRESETS: dict[str, dict[str, Any]] = {
    "pascal_context": {
        **PUBLISHED,
        "n_clusters": 256,
        "window_size": 480,
        "stride": 320,
        "batch_size": 16,
        "max_iter": 40 * 4998 // 16,
    },
    "cityscapes": {
        **PUBLISHED,
        "n_clusters": 256,
        "window_size": 768,
        "stride": 512,
        "batch_size": 8,
        "max_iter": 40 * 2975 // 8,
    },
    "ade20k": {
        **PUBLISHED,
        "n_clusters": 512,
        "window_size": 512,
        "stride": 512,
        "batch_size": 16,
        "max_iter": 20 * 20210 // 16,
    },
}


def preset_parameters(preset: str) -> dict[str, Any]:
    """Parameters of a preset.

    Parameters
    ----------
    preset : str
        Its name.

    Returns
    -------
    parameters : dict
        A copy, by the names of the segmenter.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset={preset!r} is none of {', '.join(PRESETS)}.")
    return dict(PRESETS[preset])
