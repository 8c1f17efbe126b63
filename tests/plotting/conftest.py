"""Fitted estimators that several displays are drawn of, and axes to draw on."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import make_blobs

from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
)
from neuraleig.training import Training

mpl.use("Agg")


@pytest.fixture(scope="session")
def rows():
    X, _ = make_blobs(120, n_features=4, centers=3, cluster_std=3, random_state=0)
    return X


@pytest.fixture(scope="session")
def clustering(rows):
    return NeuralEigenSpectralClustering(
        3, n_components=6, training=Training(max_iter=0), random_state=0
    ).fit(rows)


@pytest.fixture(scope="session")
def embedding(rows):
    return NeuralSpectralEmbedding(
        3, training=Training(max_iter=0), random_state=0
    ).fit(rows)


@pytest.fixture(scope="session")
def pictures():
    """Two images of two halves each."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 60, (2, 48, 64, 3), dtype=np.uint8)
    images[:, :, 32:] += np.uint8(180)
    return list(images)


@pytest.fixture(scope="session")
def segmenter(pictures):
    return DenseSegmenter(
        3,
        backbone="color_texture",
        random_state=0,
    ).fit(pictures)


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="session")
def legend_texts():
    """Reader of the texts of a legend."""
    return lambda display: [text.get_text() for text in display.legend_.get_texts()]
