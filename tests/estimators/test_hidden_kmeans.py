"""``assign_labels="kmeans_hidden"``: k-means of what the network's heads see."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.exceptions import ConvergenceWarning

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy
from neuraleig.networks import RowLinear

SMALL = {"hidden_sizes": (128,), "training__max_iter": 20, "random_state": 0}
X, Y = make_blobs(240, centers=[[0, 0], [6, 0], [3, 5]], random_state=0)


def clustering(n_clusters=3, **parameters):
    model = NeuralEigenSpectralClustering(n_clusters, assign_labels="kmeans_hidden")
    return model.set_params(**SMALL | parameters)


@pytest.fixture(scope="module")
def fitted():
    return clustering().fit(X)


def hidden_of(model, rows):
    """What the heads of a network see of some rows."""
    module = model.eigenfunctions_
    with torch.no_grad():
        inputs = module.standardize(torch.from_numpy(rows))
        return module.network.trunk(inputs).double().numpy()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"training__max_iter": 0},
        {"training__init": "random"},
        {"training__head": "orthogonal"},
        {"affinity": "rbf"},
        {"n_clusters": 5},
    ],
    ids=str,
)
def test_labels_are_those_of_kmeans_on_hidden_features(parameters):
    model = clustering(**parameters).fit(X)
    hidden = hidden_of(model, X)
    kmeans = KMeans(model.n_clusters, n_init=10, random_state=0).fit(hidden)
    # As good as the best of ten starts, if not the same.
    centres = np.stack(
        [hidden[model.labels_ == k].mean(0) for k in range(model.n_clusters)]
    )
    inertia = np.square(hidden - centres[model.labels_]).sum()
    assert inertia <= 1.01 * kmeans.inertia_
    # And every row has the nearest centre.
    nearest = np.square(hidden[:, None] - centres).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == model.labels_) > 0.99


def test_blobs_are_recovered_in_and_out_of_the_sample():
    model = clustering().fit(X[::2])
    assert clustering_accuracy(Y[::2], model.labels_) >= 0.98
    assert clustering_accuracy(Y[1::2], model.predict(X[1::2])) >= 0.98


def test_labels_are_predictions_and_the_most_probable_clusters(fitted):
    np.testing.assert_array_equal(fitted.labels_, fitted.predict(X))
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), fitted.labels_)
    for row in range(0, 240, 37):
        alone = X[row : row + 1]
        np.testing.assert_array_equal(
            fitted.predict_proba(alone)[0], probabilities[row]
        )


def test_functions_are_those_of_the_same_fit_with_other_labels(fitted):
    plain = clustering(assign_labels="cluster_qr").fit(X)
    np.testing.assert_allclose(fitted.transform(X), plain.transform(X), atol=1e-6)
    assert fitted.loss_curve_ == plain.loss_curve_
    assert fitted.score(X) > 0.5


def test_the_clusters_are_a_linear_head_like_any_other(fitted):
    head = fitted.eigenfunctions_.network.label_head
    assert type(head) is RowLinear
    assert head.weight.shape[0] == 3
    # Nothing is kept beside what a fit with the label head keeps.
    plain = clustering(assign_labels="argmax").fit(X)
    assert vars(fitted).keys() == vars(plain).keys()
    assert fitted.eigenfunctions_.state_dict().keys() == (
        plain.eigenfunctions_.state_dict().keys()
    )
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(X), fitted.labels_)


def test_the_same_seed_gives_the_same_labels(fitted):
    again = clone(fitted).fit(X)
    np.testing.assert_array_equal(again.labels_, fitted.labels_)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_duplicates_share_their_label():
    labels = clustering().fit(np.repeat(X, 4, axis=0)).labels_.reshape(240, 4)
    assert np.all(labels == labels[:, :1])
    assert clustering_accuracy(Y, labels[:, 0]) > 0.95


def test_clusters_without_rows_are_warned_of():
    rows = np.tile([[0.0, 0.0], [1.0, 0.0], [0.0, 5.0], [1.0, 5.0]], (5, 1))
    with pytest.warns(ConvergenceWarning, match="of n_clusters=6 clusters have rows"):
        model = clustering(6, n_neighbors=2).fit(rows)
    found = np.unique(model.labels_)
    assert found.tolist() == list(range(found.size))
    assert model.predict_proba(rows).shape == (20, found.size)


def test_one_cluster_has_all_rows():
    model = clustering(1).fit(X)
    assert not model.labels_.any()
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((240, 1)))


def test_streams_keep_their_numbers():
    model = clustering().partial_fit(X[:160])
    before = model.predict(X[:160])
    model.partial_fit(X[160:])
    assert model.n_samples_seen_ == 240
    assert np.mean(before == model.predict(X[:160])) > 0.95


def test_more_rows_than_the_graph_may_have():
    rows, y = make_blobs(900, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)
    model = clustering(max_graph_rows=300).fit(rows)
    assert clustering_accuracy(y, model.labels_) > 0.99


def test_k_means_of_plain_features_would_not_do():
    # Moons: centres of the features cut them, those of trained ones do less so.
    rows, y = make_moons(600, noise=0.05, random_state=0)
    model = NeuralEigenSpectralClustering(
        2, assign_labels="kmeans_hidden", random_state=0
    ).fit(rows)
    plain = KMeans(2, n_init=10, random_state=0).fit(rows).labels_
    found = clustering_accuracy(y, model.labels_)
    assert found > clustering_accuracy(y, plain)
