"""Every way of fitting tells two textures apart, in images that it has not seen."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from neuraleig import DenseSegmenter
from neuraleig.affinity import NeighborAffinity
from neuraleig.networks import TokenAttention
from neuraleig.segmentation._clusterer import clusterer_of_tokens
from neuraleig.segmentation._presets import published_clusterer
from neuraleig.training import BaseCallback, Training

TUNED = {"clusterer__training__max_iter": 5}
ATTENTION = {"clusterer__network": TokenAttention(16, 1, 2)}
PUBLISHED = {
    "clusterer": published_clusterer(4, 60),
    "clusterer__network": TokenAttention(16, 1, 2),
    "clusterer__affinity": NeighborAffinity(64),
}
OPTIONS = {
    "default": {},
    "fine-tuning": TUNED,
    "k-means": {"clusterer__assign_labels": "kmeans"},
    "QR": {"clusterer__assign_labels": "cluster_qr"},
    "k-means on hidden features": {"clusterer__assign_labels": "kmeans_hidden"},
    "random start": {
        "clusterer__training__init": "random",
        "clusterer__training__max_iter": 60,
    },
    "neuralef": {**TUNED, "clusterer__training__objective": "neuralef"},
    "neuralef of labels": {**TUNED, "clusterer__training__label_objective": "neuralef"},
    "orthogonal heads": {"clusterer__training__head": "orthogonal"},
    "batches of tokens": {**TUNED, "clusterer__training__sampling": "nodes"},
    "metric": {"clusterer__metric": "cosine"},
    "neighbours": {"clusterer__n_neighbors": 40},
    "across pictures": {
        "clusterer__affinity": NeighborAffinity(40, across_groups=True)
    },
    "kernel": {"clusterer__affinity": "rbf"},
    "attention": ATTENTION,
    "attention, fine-tuning": {**ATTENTION, **TUNED},
    "attention, k-means": {**ATTENTION, "clusterer__assign_labels": "kmeans"},
    "attention, muon": {
        **ATTENTION,
        "clusterer__training": Training(max_iter=5, optimizer="muon"),
    },
    "attention, windows": {**ATTENTION, "window_size": 40},
    "attention, no blocks": {"clusterer__network": TokenAttention(16, 0)},
    "published": PUBLISHED,
    "published, k-means": {
        **PUBLISHED,
        "clusterer__assign_labels": "kmeans_hidden",
    },
    "smaller images": {"image_size": 40},
    "larger images": {"image_size": 80},
    # No smaller: features by hand are means over five patches of 8 pixels, and a
    # window that is all edge is a texture of its own.
    "windows": {"window_size": 40},
    "windows, stride": {"window_size": 40, "stride": 16},
    "whole images": {"window_size": None},
    "few tokens of a window": {"tokens_per_window": 12},
    "all tokens": {"tokens_per_window": 10_000},
    "no graph of pixels": {"pixel_weight": 0.0},
    "a small sample": {"max_tokens": 100},
}


@pytest.mark.parametrize("changes", OPTIONS.values(), ids=OPTIONS.keys())
def test_textures_are_told_apart(
    make_segmenter, images, new_images, new_masks, changes
):
    model = clone(make_segmenter().set_params(**changes)).fit(images)
    assert model.n_clusters_ == 2
    assert np.isfinite(model.loss_curve_).all()
    # One cluster for everything would have 0.25 to 0.35.
    assert model.score(new_images, new_masks) > 0.7


def test_windows_are_smaller_than_images(shared_windowed, images):
    view = shared_windowed._view()
    for image in images:
        windows = view.lattice(*image.shape[:2]).windows
        assert len(windows) > 1
        assert {(w.height, w.width) for w in windows} == {(4, 4)}


def test_more_clusters_split_them(shared_windowed, new_images, new_masks):
    assert shared_windowed.n_clusters_ == 5
    # Many to one: parts of a texture count as that texture.
    assert shared_windowed.score(new_images, new_masks) > 0.75


def test_early_stopping_keeps_windows_back(make_segmenter, make_picture):
    # Forty windows and more: the least of which some are held out.
    images = [make_picture(seed, 24, 32)[0] for seed in range(40)]

    class Watch(BaseCallback):
        seen = 0

        def on_epoch_end(self, state):
            if state.phase == "fine_tuning":
                self.seen = len(state.scores)

    def evaluations(**changes):
        watch = Watch()
        attention = clone(ATTENTION["clusterer__network"])
        model = make_segmenter(
            callbacks=[watch],
            clusterer__network=attention,
            clusterer__training__max_iter=51,
            clusterer__training__batch_size=2,
            **changes,
        )
        model.fit(images)
        return watch.seen

    # At the start, and after each of two epochs.
    assert evaluations() == 3
    assert evaluations(clusterer__training__early_stopping=False) == 0


def test_no_step_is_taken_after_a_spectral_start(make_segmenter, images):
    assert make_segmenter().fit(images).loss_curve_ == []
    # Whatever else of the training is set.
    model = make_segmenter(clusterer__training__lr=1e-2).fit(images)
    assert model.loss_curve_ == []
    model = make_segmenter(clusterer__training__max_iter=3).fit(images)
    assert len(model.loss_curve_) == 3


def test_a_module_as_backbone(make_segmenter, images, new_images, new_masks):
    # Mean and contrast of patches: what a first layer could say.
    class Contrast(torch.nn.Module):
        def forward(self, windows):
            pool = torch.nn.functional.avg_pool2d
            mean = pool(windows, 8)
            deviation = (pool(windows.square(), 8) - mean.square()).clamp_min(0).sqrt()
            return [mean, torch.cat([mean, 5 * deviation], dim=1)]

    model = make_segmenter(backbone=Contrast()).fit(images)
    assert model.backbone_.n_channels == (3, 6)
    assert model.score(new_images, new_masks) > 0.75


@pytest.mark.parametrize("preset", ["pascal_context", "cityscapes", "ade20k"])
def test_presets_are_parameters(preset):
    model = DenseSegmenter.from_preset(preset, n_clusters=3, clusterer__n_components=2)
    assert model.n_clusters == 3
    clusterer = model.clusterer
    assert clusterer.n_components == 2
    assert clusterer.affinity.n_neighbors == 256
    assert clusterer.training.temperature == (1.0, 0.3)
    # The published schedule is the longest: none is of a few steps.
    assert clusterer.training.max_iter > 10_000
    model._check_parameters()
    clusterer_of_tokens(model)


def test_unknown_presets():
    with pytest.raises(ValueError, match="preset='potsdam' is none of pascal_context"):
        DenseSegmenter.from_preset("potsdam")
