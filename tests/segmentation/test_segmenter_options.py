"""Every way of fitting tells two textures apart, in images that it has not seen."""

import numpy as np
import pytest
import torch

from neuraleig import DenseSegmenter
from neuraleig.sampling import WindowSampler
from neuraleig.training import BaseCallback

PUBLISHED = {
    "init": "random",
    "n_components": 1,
    "label_objective": "neuralef",
    "head": "orthogonal",
    "assignment": "gumbel_softmax",
    "temperature": (1.0, 0.3),
    "tokens_per_window": None,
    "early_stopping": False,
    "max_iter": 60,
}
OPTIONS = {
    "k-means": {"assign_labels": "kmeans"},
    "random start": {"init": "random", "max_iter": 60},
    "queue": {"queue_size": 64, "batch_size": 1},
    "neuralef": {"objective": "neuralef"},
    "nested low rank": {"objective": "nested_low_rank"},
    "neuralef of labels": {"label_objective": "neuralef"},
    "published": PUBLISHED,
    "published, k-means": {**PUBLISHED, "assign_labels": "kmeans"},
    "orthogonal heads": {"head": "orthogonal"},
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
    "a small sample": {"max_graph_tokens": 100},
    "muon": {"optimizer": "muon"},
    "no blocks": {"n_blocks": 0},
    "only the start": {"max_iter": 0},
}


@pytest.mark.parametrize("changes", OPTIONS.values(), ids=OPTIONS.keys())
def test_textures_are_told_apart(
    make_segmenter, images, new_images, new_masks, changes
):
    model = make_segmenter(**changes).fit(images)
    assert model.n_clusters_ == 2
    assert np.isfinite(model.loss_curve_).all()
    # One cluster for everything would have 0.25 to 0.35.
    assert model.score(new_images, new_masks) > 0.75


def test_windows_are_smaller_than_images(shared_windowed, images):
    geometry = shared_windowed._geometry
    for image in images:
        windows = geometry.lattice(*image.shape[:2]).windows
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

    watch = Watch()
    make_segmenter(callbacks=[watch], max_iter=50).fit(images)
    # At the start, and after each of two epochs.
    assert watch.seen == 3
    other = Watch()
    make_segmenter(callbacks=[other], max_iter=50, early_stopping=False).fit(images)
    assert other.seen == 0


def test_nothing_is_judged_where_no_step_is_taken(
    make_segmenter, make_picture, monkeypatch
):
    images = [make_picture(seed, 24, 32)[0] for seed in range(40)]
    monkeypatch.setattr(WindowSampler, "validation_batch", None)
    assert make_segmenter(max_iter=None).fit(images).loss_curve_ == []
    with pytest.raises(TypeError, match="not callable"):
        make_segmenter(max_iter=1).fit(images)


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
    model = DenseSegmenter.from_preset(preset, n_clusters=3)
    assert model.n_clusters == 3
    assert model.n_neighbors == 256
    assert model.temperature == (1.0, 0.3)
    # The published schedule is the longest: none is of a few steps.
    assert model.max_iter > 10_000
    model._check_parameters()


def test_unknown_presets():
    with pytest.raises(ValueError, match="preset='potsdam' is none of pascal_context"):
        DenseSegmenter.from_preset("potsdam")
