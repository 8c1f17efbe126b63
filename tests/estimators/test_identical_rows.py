"""Masses of identical rows are clusters, and copies of all rows change nothing."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.affinity import NeighborAffinity
from neuraleig.training import Training

BLOBS, BLOB = make_blobs(200, centers=[[0, 0], [8, 0]], random_state=0)


def labels_of(X, n_clusters, groups=None, **options):
    model = NeuralEigenSpectralClustering(n_clusters, random_state=0, **options)
    return model.fit(X, groups=groups).labels_


def beside_blobs(*masses):
    """Masses of some rows each beside two blobs, and the classes of all rows."""
    places = [np.tile(np.array(place, float), (n, 1)) for place, n in masses]
    classes = [np.full(n, 2 + number) for number, (_, n) in enumerate(masses)]
    return np.concatenate([BLOBS, *places]), np.concatenate([BLOB, *classes])


MASSES = {
    "far": [([20, 20], 30)],
    "near": [([4, 6], 100)],
    "half of all rows": [([4, 6], 200)],
    "nearly all rows": [([4, 6], 1800)],
    "two": [([20, 20], 50), ([-9, 9], 150)],
    "two side by side": [([20, 20], 100), ([21, 20], 100)],
}


@pytest.mark.parametrize("masses", MASSES.values(), ids=MASSES.keys())
def test_a_mass_is_a_cluster_and_has_the_labels_of_its_jitter(masses):
    X, classes = beside_blobs(*masses)
    n_clusters = 2 + len(masses)
    found = labels_of(X, n_clusters)
    assert adjusted_rand_score(classes, found) > 0.97
    jitter = 1e-9 * np.random.default_rng(0).normal(size=X.shape)
    jitter[: len(BLOBS)] = 0.0
    shaken = labels_of(X + jitter, n_clusters)
    assert adjusted_rand_score(shaken, found) > 0.97
    assert adjusted_rand_score(shaken[200:], found[200:]) == 1.0


def test_a_mass_amid_a_blob_is_part_of_it():
    X, classes = beside_blobs(([0, 0], 100))
    classes[200:] = BLOB[np.linalg.norm(BLOBS, axis=1).argmin()]
    assert adjusted_rand_score(classes, labels_of(X, 2)) > 0.97


def test_copies_beside_jittered_copies_are_one_cluster():
    X, classes = beside_blobs(([20, 20], 120))
    X[260:] += 1e-9 * np.random.default_rng(0).normal(size=(60, 2))
    assert adjusted_rand_score(classes, labels_of(X, 3)) > 0.97


@pytest.mark.parametrize("n_times", [2, 15])
def test_repeating_all_rows_changes_no_label(n_times):
    X, _ = make_blobs(240, centers=4, cluster_std=2.0, random_state=3)
    X = np.concatenate([X, np.tile(X[:1] + 0.5, (20, 1))])
    once = labels_of(X, 4)
    often = labels_of(np.repeat(X, n_times, axis=0), 4)
    np.testing.assert_array_equal(often, np.repeat(once, n_times))


@pytest.mark.parametrize("unit", [1, 2, 4])
def test_rows_of_few_distinct_integers_keep_their_clusters(unit):
    centers = [[0, 0], [12, 0], [6, 10]]
    X, y = make_blobs(900, centers=centers, cluster_std=2.0, random_state=0)
    assert adjusted_rand_score(y, labels_of(np.round(X / unit), 3)) > 0.9


def test_copies_of_half_of_the_rows_change_no_cluster():
    drawn = np.random.default_rng(0).integers(200, size=300)
    X, classes = np.concatenate([BLOBS, BLOBS[drawn]]), np.append(BLOB, BLOB[drawn])
    assert adjusted_rand_score(classes, labels_of(X, 2)) > 0.97


def test_copies_within_groups_keep_their_clusters():
    groups = np.arange(200) % 2
    repeat = np.where(groups == 0, 1 + 30 * (np.arange(200) < 20), 1)
    X = np.repeat(BLOBS + 30.0 * groups[:, None] * [0, 1], repeat, axis=0)
    found = labels_of(
        X,
        2,
        groups=np.repeat(groups, repeat),
        affinity=NeighborAffinity(across_groups=True),
    )
    assert adjusted_rand_score(np.repeat(BLOB, repeat), found) > 0.97


@pytest.mark.parametrize("assign_labels", ["kmeans", "cluster_qr", "kmeans_hidden"])
def test_other_readings_find_the_mass(assign_labels):
    X, classes = beside_blobs(([20, 20], 100))
    # Twenty steps of fine-tuning, as tests take, may end far from any functions.
    training = Training(max_iter=0)
    found = labels_of(X, 3, assign_labels=assign_labels, training=training)
    assert adjusted_rand_score(classes, found) > 0.97
