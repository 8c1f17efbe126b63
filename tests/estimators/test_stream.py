"""Streams: a bounded sample, few fits, and clusters that keep their numbers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.estimators import _stream
from neuraleig.estimators._stream import StreamSample
from neuraleig.metrics import clustering_accuracy
from neuraleig.reading import AlignmentWarning

CENTRES = [[0, 0], [9, 0], [0, 9]]


def clustering(**changes):
    # Wide and short: that functions of far blobs are learned is not the matter.
    parameters = {
        "hidden_sizes": (128,),
        "training__max_iter": 20,
        "random_state": 0,
    } | changes
    return NeuralEigenSpectralClustering(3).set_params(**parameters)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(1200, centers=CENTRES, random_state=0)


@pytest.fixture
def fits(monkeypatch):
    """Sizes of all fits."""
    sizes = []

    def recorded(self, X, *args, **options):
        sizes.append(len(X))
        return fit(self, X, *args, **options)

    fit = NeuralEigenSpectralClustering._fit
    monkeypatch.setattr(NeuralEigenSpectralClustering, "_fit", recorded)
    return sizes


# The sample


def test_few_rows_are_all_kept_in_order():
    rows = np.arange(12.0).reshape(6, 2)
    sample = StreamSample.empty(2, seed=0)
    for start in range(0, 6, 2):
        sample = sample.extended(rows[start : start + 2], 10)
    np.testing.assert_array_equal(sample.rows, rows)
    assert sample.n_seen == 6


def test_every_row_of_a_stream_is_as_likely():
    rows = np.arange(20.0)[:, None]
    counts = np.zeros(20)
    for seed in range(1000):
        sample = StreamSample.empty(1, seed)
        for start in range(0, 20, 4):
            sample = sample.extended(rows[start : start + 4], 5)
        assert len(sample.rows) == 5
        counts[sample.rows[:, 0].astype(int)] += 1
    # 250 each in the mean, with a deviation of 14.
    assert np.abs(counts - 250).max() < 70


def test_rows_are_as_likely_where_more_are_kept_later():
    rows = np.arange(60.0)[:, None]
    counts, sizes = np.zeros(60), []
    for seed in range(1000):
        sample = StreamSample.empty(1, seed)
        for start in range(0, 60, 10):
            # Five of the first thirty rows, and ten of all.
            most = 5 if start < 30 else 10
            sample = sample.extended(rows[start : start + 10], most)
        counts[sample.rows[:, 0].astype(int)] += 1
        sizes.append(len(sample.rows))
    assert max(sizes) == 10
    # The same for all, up to its deviation of 12.
    assert np.abs(counts - counts.mean()).max() < 50
    early, late = counts[:30].mean(), counts[30:].mean()
    assert abs(early / late - 1) < 0.06


# Streams


def test_one_call_is_a_fit(blobs):
    X = blobs[0]
    streamed, fitted = clustering().partial_fit(X), clustering().fit(X)
    np.testing.assert_array_equal(streamed.labels_, fitted.labels_)
    np.testing.assert_array_equal(streamed.predict_proba(X), fitted.predict_proba(X))


def test_a_long_stream_takes_few_fits_of_bounded_size(blobs, fits, monkeypatch):
    monkeypatch.setattr(_stream, "KEPT_ROWS", 300)
    X, y = blobs
    model = clustering()
    for start in range(0, 1200, 20):
        model.partial_fit(X[start : start + 20])
        assert model.labels_.shape == (20,)
    assert max(fits) == 300
    # Growth by a tenth, from 20 rows on: no more than log(60) / log(1.1).
    assert len(fits) <= 43
    assert model.n_samples_seen_ > 1200 / 1.1
    assert clustering_accuracy(y, model.predict(X)) > 0.99


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans", "cluster_qr"])
def test_labels_do_not_change_their_meaning(blobs, assign_labels):
    X = blobs[0]
    model = clustering(assign_labels=assign_labels)
    seen = []
    for start in range(0, 1200, 300):
        model.partial_fit(X[start : start + 300])
        seen.append(model.predict(X))
    for labels in seen[1:]:
        assert np.mean(labels == seen[0]) > 0.98


def test_names_stay_with_their_clusters(blobs):
    X = blobs[0]
    model = clustering().partial_fit(X[:300])
    number = int(model.predict([CENTRES[1]])[0])
    model.name_clusters({number: "right"})
    model.partial_fit(X[300:900])
    assert model.alignment_.former == (0, 1, 2)
    assert model.cluster_names_ == {number: "right"}
    assert model.predict([CENTRES[1]])[0] == number


def test_a_name_is_not_lost_in_silence(blobs):
    X, y = blobs
    model = clustering().partial_fit(X[y < 2][:300])
    # Two of three clusters are parts of one blob, which becomes one cluster later: rows
    # that come then are beyond the other blob.
    model.name_clusters({0: "a", 1: "b", 2: "c"})
    with pytest.warns(AlignmentWarning, match=r"lost clusters: \d \([abc]\)"):
        model.partial_fit(np.where(y[:, None] == 2, X - [9, 9], X))
    (lost,) = model.alignment_.lost_names.values()
    assert sorted([lost, *model.cluster_names_.values()]) == ["a", "b", "c"]


def test_later_rows_count():
    X, y = load_digits(return_X_y=True)
    X = X / X.std()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    model = NeuralEigenSpectralClustering(10, random_state=0)
    accuracies = []
    for start in range(0, 1500, 300):
        model.partial_fit(X[start : start + 300])
        accuracies.append(clustering_accuracy(y[1500:], model.predict(X[1500:])))
    assert accuracies[-1] > accuracies[0]
    assert accuracies[-1] > 0.85


def test_a_cluster_that_comes_late_is_found(blobs):
    X, y = blobs
    early = X[y < 2]
    model = clustering().partial_fit(early)
    model.partial_fit(X[y == 2])
    assert clustering_accuracy(y, model.predict(X)) > 0.98


def test_the_rows_of_a_fit_count_until_the_stream_is_longer(blobs, fits):
    X = blobs[0]
    model = clustering().fit(X[:600])
    before = model.predict(X)
    model.partial_fit(X[600:1200])
    assert fits == [600]
    np.testing.assert_array_equal(model.predict(X), before)
    model.partial_fit(X[:100])
    assert fits == [600, 700]


def test_a_fit_forgets_the_stream(blobs, fits):
    X = blobs[0]
    model = clustering().partial_fit(X[:300]).fit(X[300:600])
    model.partial_fit(X[:400])
    assert fits == [300, 300, 400]
    assert model.n_samples_seen_ == 400


def test_streams_can_be_cloned_and_pickled(blobs):
    X = blobs[0]
    model = clustering().partial_fit(X[:300])
    copy = pickle.loads(pickle.dumps(model))
    for other in (model, copy):
        other.partial_fit(X[300:900])
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert not hasattr(clone(model), "eigenfunctions_")


def test_names_of_features_are_kept(blobs):
    frame = pd.DataFrame(blobs[0], columns=["a", "b"])
    model = clustering().partial_fit(frame[:300]).partial_fit(frame[300:900])
    np.testing.assert_array_equal(model.feature_names_in_, ["a", "b"])
    model.predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame.rename(columns={"a": "c"}))


def test_callers_may_use_their_memory_again(blobs):
    X = blobs[0]
    buffer = np.empty((300, 2))
    reused, fresh = clustering(), clustering()
    for start in range(0, 900, 300):
        buffer[:] = X[start : start + 300]
        reused.partial_fit(buffer)
        fresh.partial_fit(X[start : start + 300])
    np.testing.assert_array_equal(reused.predict(X), fresh.predict(X))


# Bad input


def test_parameters_are_checked_at_every_call(blobs):
    model = clustering().partial_fit(blobs[0][:300])
    with pytest.raises(ValueError, match="n_clusters"):
        model.set_params(n_clusters=0).partial_fit(blobs[0][300:310])


def test_bad_rows_leave_the_model_as_it_was(blobs):
    X = blobs[0]
    model = clustering().partial_fit(X[:300])
    before = model.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full((5, 2), np.nan))
    with pytest.raises(ValueError, match="3 features"):
        model.partial_fit(np.zeros((5, 3)))
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.n_samples_seen_ == 300


def test_the_first_rows_must_be_enough():
    with pytest.raises(ValueError, match="n_clusters=3"):
        clustering().partial_fit(np.zeros((2, 2)))


def test_streams_have_no_precomputed_affinity(blobs):
    with pytest.raises(ValueError, match="rows of a stream"):
        clustering(affinity="precomputed").partial_fit(blobs[0])
