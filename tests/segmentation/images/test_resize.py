import numpy as np
import pytest

from neuraleig.segmentation.images import resize_short_side


def an_image(height, width):
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((60, 90), 30, (30, 45)), ((90, 61), 30, (44, 30)), ((10, 10), 25, (25, 25))],
)
def test_resizing_sets_the_shorter_side(shape, size, expected):
    assert resize_short_side(an_image(*shape), size).shape == (*expected, 3)


def test_resizing_to_its_own_size_changes_nothing():
    image = an_image(31, 40)
    assert resize_short_side(image, 31) is image


def test_resizing_keeps_constants_and_does_not_alias():
    constant = np.full((50, 70, 3), (3, 128, 255), dtype=np.uint8)
    assert (resize_short_side(constant, 13) == (3, 128, 255)).all()
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    inner = resize_short_side(stripes, 16)[:, 2:-2].astype(float)
    assert np.abs(inner - 127.5).max() < 8
