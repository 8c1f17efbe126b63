"""Probabilities of labels: their laws, and what a model finds in hard rows."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.training import Training

READERS = ("argmax", "kmeans", "cluster_qr", "kmeans_hidden")


def clustering(n_clusters=3, **changes):
    options = {"hidden_sizes": (32,), "random_state": 0} | changes
    return NeuralEigenSpectralClustering(n_clusters, **options)


def overlapping(seed=0, spread=1.0, n_rows=1200):
    centers = np.array([[0, 0], [4, 0], [0, 4]])
    return make_blobs(n_rows, centers=centers, cluster_std=spread, random_state=seed)


@pytest.fixture(scope="module")
def models():
    X, _ = overlapping(spread=1.2)
    return X, {name: clustering(assign_labels=name).fit(X[:600]) for name in READERS}


@pytest.mark.parametrize("name", READERS)
def test_the_largest_probability_is_the_label(models, name):
    X, fitted = models
    model = fitted[name]
    probabilities = model.predict_proba(X)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(X))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    assert (probabilities >= 0).all()


@pytest.mark.parametrize("name", READERS)
def test_a_row_has_the_same_bits_alone_and_in_company(models, name):
    X, fitted = models
    together = fitted[name].predict_proba(X)
    for i in (0, 13, 1199):
        alone = fitted[name].predict_proba(X[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])
    batches = fitted[name].predict_proba([X[:7], X[7:]])
    np.testing.assert_array_equal(batches, together)


@pytest.mark.parametrize("name", READERS)
def test_copies_of_a_row_have_its_probabilities(name):
    X, _ = overlapping(n_rows=300)
    copied = np.concatenate([X, np.repeat(X[:4], 30, axis=0)])
    probabilities = clustering(assign_labels=name).fit(copied).predict_proba(copied)
    for i in range(4):
        own = probabilities[300 + 30 * i : 330 + 30 * i]
        assert (own == probabilities[i]).all()


@pytest.mark.parametrize("name", READERS)
def test_rows_between_clusters_are_less_certain(models, name):
    _, fitted = models
    inside, between = (
        fitted[name].predict_proba(np.array(rows)).max(axis=1)
        for rows in ([[0, 0], [4, 0], [0, 4]], [[2, 0], [0, 2], [2, 2]])
    )
    assert between.max() < inside.min()


def test_clear_clusters_are_certain_and_overlapping_ones_are_not():
    means = []
    for spread in (0.4, 1.2, 2.4):
        X, _ = overlapping(spread=spread)
        model = clustering().fit(X[:600])
        means.append(model.predict_proba(X[600:]).max(axis=1).mean())
        assert abs(model.mean_confidence_ - means[-1]) < 0.1
    assert means[0] > 0.98
    assert means[0] > means[1] > means[2]


def test_the_unit_of_the_rows_does_not_matter():
    X, _ = overlapping(spread=1.2, n_rows=400)
    # A power of two, so that all roundings are the same.
    found = [clustering().fit(c * X).predict_proba(c * X) for c in (1, 1024)]
    np.testing.assert_allclose(*found, atol=1e-6)


@pytest.mark.parametrize("name", READERS)
def test_without_exact_eigenvectors_neighbours_decide(name):
    X, _ = overlapping(spread=1.2, n_rows=400)
    training = Training(init="random", max_iter=20)
    model = clustering(assign_labels=name, training=training).fit(X)
    probabilities = model.predict_proba(X)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(X))
    assert probabilities.shape[1] == 1 or probabilities.max(axis=1).std() > 0


def test_one_cluster_is_certain():
    X, _ = overlapping(n_rows=100)
    assert (clustering(1).fit(X).predict_proba(X) == 1).all()


def test_shares_are_those_of_the_labels_also_in_a_stream():
    X, _ = overlapping()
    model = clustering().fit(X)
    shares = np.bincount(model.labels_, minlength=3) / len(X)
    np.testing.assert_allclose(model.cluster_shares_, shares)
    streamed = clustering().partial_fit(X[:500]).partial_fit(X[500:])
    labels = streamed.predict(X)
    probabilities = streamed.predict_proba(X)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), labels)
    found = np.bincount(labels, minlength=3) / len(X)
    np.testing.assert_allclose(streamed.cluster_shares_, found, atol=1e-9)
