"""Rows far from all others, by mistake or as marks of missing data."""

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from neuraleig import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    load,
    save,
)
from neuraleig.affinity import NeighborAffinity

pytestmark = [
    pytest.mark.filterwarnings("ignore::neuraleig.GraphWarning"),
]


def moons():
    return *make_moons(300, noise=0.05, random_state=1), 2


def circles():
    return *make_circles(300, noise=0.04, factor=0.5, random_state=1), 2


def blobs():
    X, y = make_blobs(300, 6, centers=4, center_box=(-6, 6), random_state=1)
    return X, y, 4


def with_constants():
    X, y, n_clusters = moons()
    return np.hstack([X, np.full((300, 2), 7.0), np.zeros((300, 3))]), y, n_clusters


def mostly_zeros():
    """Counts of 40 words, of which a row has few."""
    generator = np.random.default_rng(0)
    y = np.arange(300) % 3
    rates = np.where(np.arange(40) // 14 == np.arange(3)[:, None], 0.8, 0.02)
    return generator.poisson(rates[y]).astype(float), y, 3


def one_row(X):
    X[0] = 1e3
    return 1


def one_huge_row(X):
    X[0] = 3.4e38
    return 1


def one_entry(X):
    X[0, 0] = -1e6
    return 1


def nodata(X):
    X[:5] = -9999
    return 5


def three_directions(X):
    X[:3] = 0
    X[0, 0], X[1, 1], X[2, :2] = 2e3, -7e5, 1e12
    return 3


def many_directions(X):
    directions = np.random.default_rng(0).normal(size=(6, X.shape[1]))
    X[:6] = directions * np.logspace(2.5, 9, 6)[:, None]
    return 6


SETS = [moons, circles, blobs, with_constants, mostly_zeros]
KINDS = [one_row, one_huge_row, one_entry, nodata, three_directions, many_directions]


def assert_defined(model, far, everything):
    """Far rows have finite outputs, and labels that are theirs alone."""
    for name in ("transform", "predict_proba"):
        if hasattr(model, name):
            assert np.all(np.isfinite(getattr(model, name)(everything)))
    if not hasattr(model, "predict"):
        return
    together = model.predict(everything)
    alone = [model.predict(row[None])[0] for row in far]
    np.testing.assert_array_equal(alone, together[: len(far)])


@cache
def clean_score(make):
    """Agreement of a set without far rows with its classes."""
    X, y, n_clusters = make()
    model = NeuralEigenSpectralClustering(n_clusters, random_state=0)
    return adjusted_rand_score(y, model.fit(X).labels_)


@pytest.mark.parametrize("make_far", KINDS)
@pytest.mark.parametrize("make", SETS)
def test_far_rows_leave_the_clusters_of_all_others_as_they_are(make, make_far):
    clean, y, n_clusters = make()
    model = NeuralEigenSpectralClustering(n_clusters, random_state=0)
    expected = clean_score(make)
    X = clean.copy()
    n_far = make_far(X)
    labels = model.fit(X).labels_
    found = adjusted_rand_score(y[n_far:], labels[n_far:])
    assert found > expected - 0.03
    assert_defined(model, X[:n_far], X)
    # The rows that became far, as they were.
    others = adjusted_rand_score(y, model.predict(clean))
    assert others > expected - 0.06


@pytest.mark.parametrize("make_far", [one_row, nodata, one_entry])
def test_float32_rows_too(make_far):
    X, y, n_clusters = moons()
    X = X.astype(np.float32)
    n_far = make_far(X)
    model = NeuralEigenSpectralClustering(n_clusters, random_state=0).fit(X)
    assert adjusted_rand_score(y[n_far:], model.labels_[n_far:]) > 0.95
    assert_defined(model, X[:n_far], X)


# The column is told of, and right as far as it goes.
@pytest.mark.filterwarnings("ignore::neuraleig.ScaleWarning")
@pytest.mark.parametrize("value", [1e30, -9999.0])
def test_missing_values_in_one_column_keep_what_others_say(value):
    # Such rows are a component of their own, which has clusters of its own.
    X, y = make_blobs(
        400, 5, centers=3, center_box=(-8, 8), cluster_std=0.7, random_state=0
    )
    X[:120, 4] = value
    groups = y + 3 * (np.arange(400) < 120)
    model = NeuralEigenSpectralClustering(6, random_state=0).fit(X)
    assert adjusted_rand_score(groups, model.labels_) > 0.95
    assert_defined(model, X[:5], X)


def test_a_far_blob_is_a_cluster_and_leaves_the_others():
    X, y, _ = moons()
    far = np.random.default_rng(0).normal(1e4, 1, (40, 2))
    both = np.concatenate([far, X])
    model = NeuralEigenSpectralClustering(3, random_state=0).fit(both)
    truth = np.concatenate([np.full(40, 2), y])
    assert adjusted_rand_score(truth, model.labels_) > 0.95


@pytest.mark.parametrize("share", [2, 5])
def test_clusters_of_many_rows_may_be_far_apart(share):
    centres = np.array([[0, 0, 0], [8, 0, 0], [300, 300, 0], [300, 308, 0]])
    number = np.arange(600)
    y = number % 2 + 2 * (number // 2 % share == 0)
    X = centres[y] + np.random.default_rng(0).normal(size=(600, 3))
    model = NeuralEigenSpectralClustering(4, random_state=0).fit(X[:450])
    assert adjusted_rand_score(y[450:], model.predict(X[450:])) > 0.98


def test_classes_with_far_rows_are_found_as_without():
    X, y = (part[:600] for part in load_digits(return_X_y=True))
    model = NeuralEigenSpectralClustering(10, random_state=0)
    expected = adjusted_rand_score(y, model.fit(X).labels_)
    X = X.copy()
    n_far = many_directions(X)
    found = adjusted_rand_score(y[n_far:], model.fit(X).labels_[n_far:])
    assert found > expected - 0.05


def test_neighbours_of_ordinary_rows_do_not_change():
    # By their mean, rows lose all digits beside 1e38.
    X, *_ = moons()
    X[0] = 0.0
    far = X.copy()
    far[0] = 3.4e38
    before, after = (NeighborAffinity().build(rows, seed=0) for rows in (X, far))
    known = before.weights[1:, 1:] > 0
    kept = known.multiply(after.weights[1:, 1:] > 0)
    assert kept.sum() > 0.97 * known.sum()


def test_an_embedding_is_that_of_the_other_rows(tmp_path):
    X, *_ = circles()
    n_far = three_directions(X)
    model = NeuralSpectralEmbedding(2, random_state=0).fit(X)
    assert_defined(model, X[:n_far], X)
    # The circles are nearly components, which one function tells apart.
    spread = np.ptp(model.transform(X[n_far:]), axis=0)
    assert spread.max() > 0.5
    save(model, tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors", device="cpu")
    assert loaded.eigenfunctions_.bound == model.eigenfunctions_.bound
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
