import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score

from neuraleig.reading._kmeans import kmeans_labels


def labels_of(rows, n_clusters, counts=None, n_starts=5, seed=0, n_most=10_000):
    generator = np.random.RandomState(seed)
    return kmeans_labels(rows, n_clusters, counts, n_starts, generator, n_most=n_most)


def inertia(rows, labels, counts=None):
    counts = np.ones(len(rows)) if counts is None else counts
    total = 0.0
    for label in np.unique(labels):
        of, by = rows[labels == label], counts[labels == label]
        centre = by @ of / by.sum()
        total += by @ np.square(of - centre).sum(axis=1)
    return total


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_every_start_finds_far_blobs(offset):
    rows, y = make_blobs(600, centers=6, n_features=8, random_state=0)
    for found in labels_of(rows + offset, 6):
        assert adjusted_rand_score(y, found) == 1.0


def test_starts_are_as_good_as_those_of_scikit_learn():
    rows = load_digits().data
    found = labels_of(rows, 10, n_starts=20)
    ours = [inertia(rows, labels) for labels in found]
    theirs = [
        KMeans(10, n_init=1, random_state=seed).fit(rows).inertia_ for seed in range(20)
    ]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.01)
    assert np.min(ours) == pytest.approx(np.min(theirs), rel=0.002)


def test_starts_end_where_rows_are_nearest_to_their_means():
    rows = load_digits().data
    for labels in labels_of(rows, 10):
        means = np.stack([rows[labels == label].mean(axis=0) for label in range(10)])
        distances = np.square(rows[:, None] - means).sum(axis=2)
        assert np.mean(distances.argmin(axis=1) == labels) > 0.99


def test_counts_weigh_as_copies():
    rows, _ = make_blobs(60, centers=3, cluster_std=3.0, random_state=1)
    counts = np.random.default_rng(0).integers(1, 30, len(rows))
    by_counts = labels_of(rows, 3, counts, n_starts=20)
    by_copies = labels_of(rows.repeat(counts, axis=0), 3, n_starts=20)
    least = min(inertia(rows, labels, counts) for labels in by_counts)
    copied = min(inertia(rows.repeat(counts, axis=0), found) for found in by_copies)
    assert least == pytest.approx(copied, rel=1e-9)


def test_rows_beyond_the_most_go_to_the_nearest_centre():
    rows, y = make_blobs(2_000, centers=4, random_state=0, cluster_std=0.5)
    for found in labels_of(rows, 4, n_most=50):
        assert adjusted_rand_score(y, found) == 1.0


def test_few_distinct_rows_leave_clusters_empty():
    rows = np.repeat(np.eye(3), 10, axis=0)
    found = labels_of(rows, 5)
    assert found.min() >= 0
    assert found.max() < 5
    for labels in found:
        assert adjusted_rand_score(np.arange(3).repeat(10), labels) == 1.0


@pytest.mark.gpu
def test_a_device_finds_the_same_clusters():
    rows, y = make_blobs(600, centers=6, n_features=8, random_state=0)
    generator, device = np.random.RandomState(0), torch.device("cuda")
    for found in kmeans_labels(rows, 6, None, 5, generator, n_most=400, device=device):
        assert adjusted_rand_score(y, found) == 1.0


def test_seeds_alone_decide():
    rows = load_digits().data
    first, again, other = (labels_of(rows, 10, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
