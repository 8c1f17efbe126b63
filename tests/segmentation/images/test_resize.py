import numpy as np
import pytest

from neuraleig.segmentation.images._resize import resized_to, short_side_size


def an_image(height, width):
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "size", "rounded", "cut"),
    [
        ((60, 90), 30, (30, 45), (30, 45)),
        ((90, 61), 30, (44, 30), (44, 30)),
        ((375, 500), 320, (320, 427), (320, 426)),
        ((10, 10), 25, (25, 25), (25, 25)),
    ],
)
def test_the_shorter_side_is_set(shape, size, rounded, cut):
    assert short_side_size(*shape, size) == rounded
    assert short_side_size(*shape, size, cut=True) == cut


def test_resizing_to_its_own_size_changes_nothing():
    image = an_image(31, 40)
    assert resized_to(image, 31, 40) is image


def test_resizing_keeps_constants_and_does_not_alias():
    constant = np.full((50, 70, 3), (3, 128, 255), dtype=np.uint8)
    small = resized_to(constant, 13, 18)
    assert small.shape == (13, 18, 3)
    assert (small == (3, 128, 255)).all()
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    inner = resized_to(stripes, 16, 16)[:, 2:-2].astype(float)
    assert np.abs(inner - 127.5).max() < 8
