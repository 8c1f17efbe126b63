"""Small pictures of two textures, and segmenters that are fitted to them once."""

import copy

import numpy as np
import pytest

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig.networks import TokenAttention

# Whole patches of 8 pixels, and not.
SIZES = (48, 64), (48, 64), (56, 72), (45, 60)


def picture(seed, height=48, width=64):
    """Stripes on one side of an edge, and nothing on the other; classes 1 and 0."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    mask = columns >= generator.integers(width // 3, 2 * width // 3)
    if generator.random() < 0.5:
        mask = ~mask
    stripes = 0.25 * np.sign(np.sin(2 * np.pi * rows / 8 + generator.uniform(0, 6)))
    grey = 0.5 + mask * stripes + 0.02 * generator.standard_normal((height, width))
    rgb = (grey[..., None] * [1.0, 0.9, 0.8]).clip(0, 1)
    return np.rint(255 * rgb).astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture(scope="session")
def make_picture():
    """Maker of an image and its mask."""
    return picture


@pytest.fixture(scope="session")
def images():
    return [picture(seed, *size)[0] for seed, size in enumerate(SIZES)]


@pytest.fixture(scope="session")
def masks():
    return [picture(seed, *size)[1] for seed, size in enumerate(SIZES)]


@pytest.fixture(scope="session")
def new_images():
    return [picture(seed)[0] for seed in (10, 11)]


@pytest.fixture(scope="session")
def new_masks():
    return [picture(seed)[1] for seed in (10, 11)]


ATTENTION = NeuralEigenSpectralClustering(network=TokenAttention(16, 1, 2))


@pytest.fixture(scope="session")
def make_segmenter():
    """Maker of a segmenter that is fitted within a second, by nested names."""

    def make(n_clusters=2, **changes):
        model = DenseSegmenter(n_clusters, backbone="color_texture", random_state=0)
        return model.set_params(**changes)

    return make


@pytest.fixture(scope="session")
def shared(make_segmenter, images):
    """Two clusters; whole images are one window. Not to be changed."""
    return make_segmenter().fit(images)


@pytest.fixture(scope="session")
def shared_windowed(make_segmenter, images):
    """Several overlapping windows per image, and several clusters."""
    model = make_segmenter(5, window_size=32, clusterer__n_components=4)
    return model.fit(images)


@pytest.fixture(scope="session")
def shared_attention(make_segmenter, images):
    """A network that sees whole windows, of which images have several."""
    return make_segmenter(3, window_size=32, clusterer=ATTENTION).fit(images)


@pytest.fixture
def fitted(shared):
    """A copy that may be changed."""
    return copy.deepcopy(shared)


@pytest.fixture
def windowed(shared_windowed):
    """A copy that may be changed."""
    return copy.deepcopy(shared_windowed)


@pytest.fixture(scope="session")
def assert_same_model():
    """Check that two fits came to the same bits."""

    def check(one, other):
        states = [m.eigenfunctions_.state_dict() for m in (one, other)]
        assert states[0].keys() == states[1].keys()
        for name, value in states[0].items():
            np.testing.assert_array_equal(value, states[1][name], err_msg=name)
        assert one.loss_curve_ == other.loss_curve_

    return check
