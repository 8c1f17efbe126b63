"""Fits and predictions on a CUDA device."""

import pickle

import numpy as np
import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture(scope="module")
def on_cuda(make_segmenter, images):
    return make_segmenter(device="cuda", precision="float32").fit(images)


def agreement(one, other):
    """Share of the pixels with the same label."""
    return np.mean([np.mean(a == b) for a, b in zip(one, other, strict=True)])


def test_textures_are_told_apart(on_cuda, new_images, new_masks):
    assert on_cuda.device_.startswith("cuda")
    assert on_cuda.score(new_images, new_masks) > 0.75


def test_the_cpu_is_left_alone(on_cuda, images):
    for labels, image in zip(on_cuda.predict(images), images, strict=True):
        assert isinstance(labels, np.ndarray)
        assert labels.shape == image.shape[:2]
    (lazy,) = on_cuda.predict_proba(images[0])
    assert np.isfinite(np.asarray(lazy)).all()
    assert np.isfinite(on_cuda.transform(images[0])).all()


def test_labels_on_the_cpu_are_those_on_cuda(on_cuda, images):
    copied = pickle.loads(pickle.dumps(on_cuda))
    copied.eigenfunctions_.to("cpu")
    copied.backbone_.to("cpu")
    assert agreement(copied.predict(images), on_cuda.predict(images)) > 0.99
    assert copied.score(images) == pytest.approx(on_cuda.score(images), abs=0.02)


def test_two_fits_are_as_good(on_cuda, shared, new_images, new_masks):
    # Not bit for bit: sums on the device are in another order.
    scores = [model.score(new_images, new_masks) for model in (on_cuda, shared)]
    assert scores[0] == pytest.approx(scores[1], abs=0.1)


@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_products_in_bfloat16(make_segmenter, images, precision):
    if not torch.cuda.is_bf16_supported():
        pytest.skip("the device has no bfloat16")
    backbone = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 5, padding=2),
        torch.nn.GELU(),
        torch.nn.Conv2d(16, 16, 5, padding=2),
        torch.nn.GELU(),
        torch.nn.AvgPool2d(8),
    )
    model = make_segmenter(backbone=backbone, device="cuda", precision=precision)
    model.fit(images)
    assert model._dtype == torch.bfloat16
    for labels, image in zip(model.predict(images), images, strict=True):
        assert labels.shape == image.shape[:2]
    assert np.isfinite(model.loss_curve_).all()
