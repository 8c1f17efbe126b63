"""New scenes are segmented, which a generator with a known answer can tell."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from neuraleig import DenseSegmenter

SCRIPTS = Path(__file__).parents[2] / "examples" / "benchmarks"


@pytest.fixture(scope="module")
def scenes():
    before = set(sys.modules)
    sys.path.insert(0, str(SCRIPTS))
    yield import_module("scenes")
    sys.path.remove(str(SCRIPTS))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPTS)):
            del sys.modules[name]


def test_scenes_are_a_function_of_the_seed(scenes):
    images, masks = scenes.scenes(3, 0, (48, 64))
    for image, mask in zip(images, masks, strict=True):
        assert image.shape == (48, 64, 3)
        assert mask.shape == (48, 64)
        assert image.dtype == mask.dtype == np.uint8
        assert mask.max() < len(scenes.CLASSES)
        assert np.unique(mask).size > 1
    again, _ = scenes.scenes(3, 0, (48, 64))
    np.testing.assert_array_equal(images, again)
    other, _ = scenes.scenes(3, 1, (48, 64))
    assert not np.array_equal(images, other)


def test_patches_are_small_enough(scenes):
    fit, new = scenes.scenes(4, 0), scenes.scenes(4, 1)
    label = scenes.patch_classes(fit[0] + new[0], fit[1] + new[1])
    mean_iou, _ = scenes.new_scores(label, fit, new)
    assert mean_iou > 0.95


def test_colours_alone_do_not_tell_the_classes(scenes):
    images, masks = scenes.scenes(12, 0, (96, 128))
    pixels = np.concatenate([i[8::16, 8::16].reshape(-1, 3) for i in images]) / 255
    classes = np.concatenate([m[8::16, 8::16].ravel() for m in masks])
    known = LogisticRegression(max_iter=1000).fit(pixels, classes)
    assert known.score(pixels, classes) < 0.7


def test_new_scenes_by_few_tokens(scenes):
    fit, new = scenes.scenes(12, 0), scenes.scenes(4, 1000)
    model = DenseSegmenter(
        len(scenes.CLASSES),
        backbone="color_texture",
        tokens_per_window=192,
        random_state=0,
    ).fit(fit[0])
    mean_iou, _ = scenes.new_scores(model.predict, fit, new, model.n_clusters_)
    # A quarter of the tokens of half of the scenes.
    assert mean_iou > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_new_scenes(scenes, seed):
    fit = scenes.scenes(scenes.N_FIT, seed)
    new = scenes.scenes(scenes.N_NEW, 1000 + seed)
    model = DenseSegmenter(
        len(scenes.CLASSES), backbone="color_texture", random_state=seed
    ).fit(fit[0])
    mean_iou, _ = scenes.new_scores(model.predict, fit, new, model.n_clusters_)
    assert mean_iou >= 0.9
