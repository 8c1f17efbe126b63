"""Fits and predictions on a CUDA device.

Where it makes sense the same is asked of the CPU, so that the tests themselves are
tested where there is no such device.
"""

import pickle

import numpy as np
import pytest
import torch

from neuraleig import load, save
from neuraleig.affinity import NeighborAffinity
from neuraleig.networks import TokenAttention
from neuraleig.segmentation import TimmBackbone
from neuraleig.segmentation._presets import published_clusterer
from neuraleig.segmentation.inference import (
    Lattice,
    labels_from_scores,
    refined_labels,
)
from neuraleig.segmentation.inference._upsample import probabilities_in_strips
from neuraleig.training import BaseCallback, Training

NO_CUDA = not torch.cuda.is_available()
GPU = [pytest.mark.gpu, pytest.mark.skipif(NO_CUDA, reason="no CUDA device")]
DEVICES = ["cpu", pytest.param("cuda", marks=GPU)]
# The same is asked of the CPU in test_segmenter_options.py.
on_gpu_only = pytest.mark.parametrize("device", DEVICES[1:])
MIB = 2**20

FITS = {
    "default": {},
    "k-means": {"clusterer__assign_labels": "kmeans"},
    "orthogonal heads": {"clusterer__training__head": "orthogonal"},
    "random start": {
        "clusterer__training": Training(init="random", max_iter=60),
    },
    "attention": {"clusterer__network": TokenAttention(16, 1, 2)},
    "published": {
        "clusterer": published_clusterer(4, 60),
        "clusterer__network": TokenAttention(16, 1, 2),
        "clusterer__affinity": NeighborAffinity(64),
    },
    "fine-tuning": {"clusterer__training__max_iter": 60},
    "windows": {"window_size": 40},
    "no cache": {"feature_cache": None},
}


@pytest.fixture(scope="module", params=DEVICES)
def device(request):
    return request.param


@pytest.fixture(scope="module")
def on_device(device, make_segmenter, images):
    return make_segmenter(device=device).fit(images)


def agreement(one, other):
    """Share of the pixels with the same label."""
    return np.mean([np.mean(a == b) for a, b in zip(one, other, strict=True)])


def on_cpu(model):
    """Copy of a fitted model whose networks are on the CPU."""
    copied = pickle.loads(pickle.dumps(model))
    copied.eigenfunctions_.to("cpu")
    copied.backbone_.to("cpu")
    return copied


class TestFit:
    @on_gpu_only
    @pytest.mark.parametrize("changes", FITS.values(), ids=FITS.keys())
    def test_textures_are_told_apart(
        self, device, make_segmenter, images, new_images, new_masks, changes
    ):
        model = make_segmenter(device=device, **changes).fit(images)
        assert model.device_.startswith(device)
        assert np.isfinite(model.loss_curve_).all()
        assert np.isfinite(model.eigenvalues_).all()
        assert model.score(new_images, new_masks) > 0.7
        assert np.isfinite(model.score(new_images))

    @on_gpu_only
    def test_early_stopping_keeps_windows_back(
        self, device, make_segmenter, make_picture
    ):
        # Forty windows and more: the least of which some are held out.
        images = [make_picture(seed, 24, 32)[0] for seed in range(40)]

        class Watch(BaseCallback):
            scores = ()

            def on_epoch_end(self, state):
                if state.phase == "fine_tuning":
                    self.scores = tuple(state.scores)

        watch = Watch()
        model = make_segmenter(
            callbacks=[watch],
            clusterer__network=TokenAttention(16, 1, 2),
            clusterer__training__max_iter=51,
            clusterer__training__batch_size=2,
            device=device,
        )
        model.fit(images)
        # At the start, and after each of two epochs.
        assert len(watch.scores) == 3
        assert np.isfinite(watch.scores).all()
        assert len(model.loss_curve_) <= 51

    def test_two_fits_are_as_good(self, on_device, shared, new_images, new_masks):
        # Not bit for bit: sums on the device are in another order.
        scores = [m.score(new_images, new_masks) for m in (on_device, shared)]
        assert scores[0] == pytest.approx(scores[1], abs=0.1)


class TestPredict:
    def test_users_get_arrays(self, on_device, images):
        for labels, image in zip(on_device.predict(images), images, strict=True):
            assert isinstance(labels, np.ndarray)
            assert labels.dtype == np.uint8
            assert labels.shape == image.shape[:2]
        (lazy,) = on_device.predict_proba(images[0])
        assert isinstance(np.asarray(lazy), np.ndarray)
        np.testing.assert_array_equal(
            np.asarray(lazy).argmax(axis=2), on_device.predict(images[0])
        )
        assert np.isfinite(on_device.transform(images[0])).all()

    def test_scores_stay_where_they_are_found(self, device, on_device, images):
        scores, _ = on_device._scores(images[0])
        assert scores.device.type == device
        merged = pickle.loads(pickle.dumps(on_device)).merge_clusters([(0, 1)])
        scores, _ = merged._scores(images[0])
        assert scores.device.type == device
        assert (merged.predict(images[0]) == 0).all()

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"flip": True, "scales": (0.75, 1.5)},
            {"refine": "guided"},
            {"window_size": 32},
        ],
    )
    def test_labels_are_those_on_the_cpu(self, on_device, images, changes):
        model = pickle.loads(pickle.dumps(on_device)).set_params(**changes)
        copied = on_cpu(model)
        assert agreement(copied.predict(images), model.predict(images)) > 0.99
        for one, other in zip(
            copied.transform(images), model.transform(images), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=0.05)
        assert copied.score(images) == pytest.approx(model.score(images), abs=0.02)

    @pytest.mark.parametrize("n_clusters", [1, 2, 27, 300])
    @pytest.mark.parametrize("size", [None, (130, 99), (1, 1)])
    def test_upsampling_is_that_on_the_cpu(self, device, n_clusters, size):
        generator = torch.Generator().manual_seed(0)
        lattice = Lattice.of(90, 70, 8)
        scores = torch.randn(*lattice.shape, n_clusters, generator=generator)
        there = scores.to(device)
        shape = size or (90, 70)
        found = labels_from_scores(there, lattice, size)
        expected = labels_from_scores(scores, lattice, size)
        assert found.dtype == expected.dtype
        assert found.shape == shape
        # Rounding decides ties.
        assert np.mean(found == expected) > 0.999
        pairs = zip(
            probabilities_in_strips(there, lattice, size),
            probabilities_in_strips(scores, lattice, size),
            strict=True,
        )
        for (rows, values), (expected_rows, others) in pairs:
            assert rows == expected_rows
            np.testing.assert_allclose(values, others, atol=1e-5)
        rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        found = refined_labels(there, rgb, lattice)
        expected = refined_labels(scores, rgb, lattice)
        assert found.dtype == expected.dtype
        assert np.mean(found == expected) > 0.99

    def test_products_in_bfloat16_say_nearly_the_same(
        self, device, make_segmenter, images
    ):
        if device == "cuda" and not torch.cuda.is_bf16_supported():
            pytest.skip("the device has no bfloat16")
        pytest.importorskip("timm")
        backbone = TimmBackbone("test_vit", pretrained=False)
        model = make_segmenter(backbone=backbone, device=device).fit(images)
        expected = torch.bfloat16 if device == "cuda" else torch.float32
        assert model.backbone_.products == expected
        assert np.isfinite(model.eigenvalues_).all()
        # Whatever the type, the products of a CPU are in single precision.
        assert agreement(on_cpu(model).predict(images), model.predict(images)) > 0.95


@pytest.fixture
def peak():
    """Maker of the bytes that a call holds on the device at most."""

    def measure(call):
        call()  # what is made once
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before

    return measure


@pytest.mark.gpu
@pytest.mark.skipif(NO_CUDA, reason="no CUDA device")
class TestMemory:
    @pytest.mark.parametrize("refine", [None, "guided"])
    def test_predictions_hold_a_batch_of_windows(
        self, make_segmenter, images, peak, refine
    ):
        model = make_segmenter(device="cuda").fit(images)
        model.set_params(window_size=256, refine=refine)
        generator = np.random.default_rng(0)
        # Enough windows for a batch in either, and eight times the pixels.
        small, large = (
            generator.integers(0, 256, (height, 1024, 3), np.uint8)
            for height in (1024, 8192)
        )
        first, second = (peak(lambda i=i: model.predict(i)) for i in (small, large))
        assert second < 2048 * MIB
        # Scores of tokens and labels of pixels grow, by some bytes each.
        assert second - first < 256 * MIB

    def test_pixels_times_clusters_are_not_held(self, peak):
        lattice = Lattice.of(8192, 1024, 8)
        scores = torch.randn(*lattice.shape, 64, device="cuda")
        # They would be 2 GiB.
        assert peak(lambda: labels_from_scores(scores, lattice)) < 1024 * MIB
        rgb = np.zeros((8192, 1024, 3), np.uint8)
        assert peak(lambda: refined_labels(scores, rgb, lattice)) < 1024 * MIB


class TestFiles:
    @pytest.mark.parametrize("target", DEVICES)
    def test_models_move_between_devices(self, on_device, images, tmp_path, target):
        save(on_device, tmp_path / "model")
        loaded = load(tmp_path / "model", device=target)
        assert loaded.device_.startswith(target)
        for part in (loaded.eigenfunctions_, loaded.backbone_):
            tensors = [*part.parameters(), *part.buffers()]
            assert {tensor.device.type for tensor in tensors} <= {target}
        assert agreement(loaded.predict(images), on_device.predict(images)) > 0.99
        # And back.
        save(loaded, tmp_path / "again")
        again = load(tmp_path / "again", device=str(on_device.device_))
        for one, other in zip(
            again.predict(images), on_device.predict(images), strict=True
        ):
            np.testing.assert_array_equal(one, other)
