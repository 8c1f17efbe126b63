"""k-means of hidden features as a linear head."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from neuraleig.reading import _hidden_centres
from neuraleig.reading._hidden_centres import nearest_centre_scores


@pytest.fixture(scope="module")
def hidden():
    return make_blobs(400, n_features=6, centers=5, random_state=0)[0]


def kmeans_of(rows, n_clusters, seed=0):
    return KMeans(n_clusters, n_init=10, random_state=seed).fit(rows)


@pytest.mark.parametrize("n_clusters", [1, 2, 5, 9])
def test_the_largest_score_is_the_nearest_centre(hidden, n_clusters):
    weight, bias = nearest_centre_scores(hidden, n_clusters, seed=3)
    assert weight.shape == (n_clusters, 6)
    assert bias.shape == (n_clusters,)
    kmeans = kmeans_of(hidden, n_clusters, seed=3)
    new = np.random.default_rng(0).uniform(-12, 12, size=(500, 6))
    for rows in (hidden, new):
        found = (rows @ weight.T + bias).argmax(axis=1)
        np.testing.assert_array_equal(found, kmeans.predict(rows))


def test_scores_are_log_posteriors_of_equal_round_gaussians(hidden):
    weight, bias = nearest_centre_scores(hidden, 3, seed=0)
    kmeans = kmeans_of(hidden, 3)
    spread = kmeans.inertia_ / hidden.size
    likelihood = np.stack(
        [multivariate_normal(c, spread).logpdf(hidden) for c in kmeans.cluster_centers_]
    )
    expected = softmax(likelihood, axis=0).T
    found = softmax(hidden @ weight.T + bias, axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e2, 1e3])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_single_precision_is_enough_for_the_labels(hidden, shift, scale):
    rows = (scale * (hidden + shift)).astype(np.float32)
    weight, bias = nearest_centre_scores(rows, 5, seed=0)
    head = torch.nn.Linear(6, 5)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
        found = head(torch.from_numpy(rows)).argmax(dim=1).numpy()
    expected = kmeans_of(rows.astype(np.float64), 5).labels_
    assert np.mean(found == expected) > 0.995


def test_fewer_distinct_rows_than_clusters_are_no_warning():
    rows = np.repeat([[0.0, 0.0], [1.0, 0.0]], 5, axis=0)
    weight, bias = nearest_centre_scores(rows, 4, seed=0)
    assert np.all(np.isfinite(weight)) and np.all(np.isfinite(bias))
    found = (rows @ weight.T + bias).argmax(axis=1)
    assert np.array_equal(found[:5], found[[0] * 5])
    assert np.array_equal(found[5:], found[[5] * 5])
    assert found[0] != found[5]
    weight, _ = nearest_centre_scores(rows[:3], 4, seed=0)
    assert weight.shape == (3, 2)


def test_many_rows_are_drawn(hidden, monkeypatch):
    monkeypatch.setattr(_hidden_centres, "MAX_ROWS", 100)
    whole = kmeans_of(hidden, 5)
    weight, bias = nearest_centre_scores(hidden, 5, seed=0)
    again = nearest_centre_scores(hidden, 5, seed=0)
    np.testing.assert_array_equal(weight, again[0])
    found = (hidden @ weight.T + bias).argmax(axis=1)
    pairs = np.unique(np.column_stack([found, whole.labels_]), axis=0)
    # Blobs are told apart by a draw as by all of them.
    assert len(pairs) == 5


def test_counts_are_worth_as_much_as_repeated_rows():
    hidden = np.random.default_rng(0).normal(size=(40, 3)) + [[0, 0, 0], [9, 0, 0]] * 20
    counts = 1 + np.arange(40) % 4
    for one, other in zip(
        nearest_centre_scores(hidden, 2, 0, counts),
        nearest_centre_scores(np.repeat(hidden, counts, axis=0), 2, 0),
        strict=True,
    ):
        np.testing.assert_allclose(np.sort(one, axis=0), np.sort(other, axis=0))
