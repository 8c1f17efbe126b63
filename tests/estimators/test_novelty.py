"""Scores of rows by their likeness to the training rows."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from neuraleig import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    load,
    save,
)


def clustering(**changes):
    options = {"hidden_sizes": (16,), "random_state": 0} | changes
    return NeuralEigenSpectralClustering(2, **options)


@pytest.fixture(scope="module")
def moons():
    X, _ = make_moons(1500, noise=0.05, random_state=0)
    return X, clustering().fit(X[:800])


def test_scores_are_functions_of_single_rows_in_any_container(moons, tmp_path):
    X, model = moons
    scores = model.score_samples(X)
    assert scores.dtype == np.float64
    assert scores.shape == (1500,)
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for rows in (mapped, [X[:3], X[3:900], X[900:]]):
        np.testing.assert_array_equal(model.score_samples(rows), scores)
    parts = list(model.iter_score_samples(X[i : i + 400] for i in range(0, 1500, 400)))
    assert [len(part) for part in parts] == [400, 400, 400, 300]
    np.testing.assert_array_equal(np.concatenate(parts), scores)
    np.testing.assert_array_equal(model.score_samples(X[7:8]), scores[7:8])


def test_flags_are_scores_below_the_threshold(moons):
    X, model = moons
    novel = model.score_samples(X) < model.novelty_threshold_
    np.testing.assert_array_equal(model.is_novel(X), novel)
    assert novel[800:].mean() < 0.03
    counts = [model.is_novel(X, share=share).sum() for share in (0.002, 0.05, 0.5)]
    assert counts[0] < counts[1] < counts[2]
    with pytest.raises(ValueError, match=r"share=2 is not a share"):
        model.is_novel(X, share=2)


def test_far_rows_are_lowest_and_novel(moons):
    X, model = moons
    far = np.array([[3.0, 3.0], [30, -30], [1e6, 0], [1e30, -1e30]])
    scores = model.score_samples(far)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) < 0).all()
    assert scores[0] < model.score_samples(X).min()
    assert model.is_novel(far).all()


def test_a_class_that_was_left_out_is_novel():
    X, y = load_digits(return_X_y=True)
    train, test = np.arange(len(X)) < 1200, np.arange(len(X)) >= 1200
    known = y != 4
    model = NeuralEigenSpectralClustering(9, random_state=0).fit(X[train & known])
    scores = model.score_samples(X[test])
    # Noise of the same marginals is told as well.
    generator = np.random.default_rng(0)
    noise = np.stack([generator.permutation(column) for column in X[test].T], axis=1)
    everything = np.r_[scores[known[test]], model.score_samples(noise)]
    is_row = np.arange(len(everything)) < known[test].sum()
    assert roc_auc_score(known[test], scores) > 0.8
    assert roc_auc_score(is_row, everything) > 0.95


def test_an_embedding_scores_rows_as_well():
    X = np.random.default_rng(0).normal(size=(600, 3))
    embedding = NeuralSpectralEmbedding(2, hidden_sizes=(16,), random_state=0)
    clusters = clustering().fit(X[:400])
    scores = embedding.fit(X[:400]).score_samples(X)
    # Both describe the same rows.
    assert np.corrcoef(scores, clusters.score_samples(X))[0, 1] > 0.95
    assert embedding.is_novel(X + 20).all()


@pytest.mark.parametrize("n_copies", [1, 400])
def test_copies_are_no_harm(moons, n_copies):
    X = np.concatenate([moons[0][:400], np.repeat([[0.5, 0.25]], n_copies, axis=0)])
    model = clustering().fit(X)
    scores = model.score_samples(X)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores[400:])) == 1
    # A mass of equal rows is no novelty, wherever it is.
    assert n_copies == 1 or not model.is_novel(X[400:]).any()


def test_a_file_has_the_same_scores_and_threshold(moons, tmp_path):
    X, model = moons
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))
    assert loaded.novelty_threshold_ == model.novelty_threshold_
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.cluster_shares_, model.cluster_shares_)
    assert loaded.mean_confidence_ == model.mean_confidence_


def test_it_needs_a_fit_and_a_density(moons):
    X, model = moons
    with pytest.raises(NotFittedError):
        clustering().score_samples(X)
    with pytest.raises(ValueError, match="features"):
        model.score_samples(X[:, :1])
    bare = clustering().fit(X[:100])
    bare._density = None
    with pytest.raises(ValueError, match="no density of rows"):
        bare.is_novel(X)
