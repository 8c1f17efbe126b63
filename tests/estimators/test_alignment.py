"""Refits whose clusters have the numbers and names of a former model."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    load,
    save,
)
from neuraleig.metrics import clustering_accuracy
from neuraleig.reading import Alignment, AlignmentWarning
from neuraleig.reading._renumbered import renumbered
from neuraleig.training import BaseCallback

ANGLES = 2 * np.pi * np.arange(5) / 5
# Five clusters on a circle, so near each other that one graph connects them.
CENTERS = 4 * np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
X, Y = make_blobs(500, centers=CENTERS, cluster_std=0.9, random_state=0)
ORDER = np.array([3, 0, 4, 2, 1])


def clustering(n_clusters=5, **params):
    defaults = {
        "hidden_sizes": (64,),
        "training__max_iter": 0,
        "random_state": 0,
        "device": "cpu",
    }
    model = NeuralEigenSpectralClustering(n_clusters)
    return model.set_params(**defaults | params)


def in_other_numbers(model, order):
    """Copy of a fitted model whose clusters come in another order."""
    made = copy.copy(model)
    made._discretizer = renumbered(model._discretizer, np.asarray(order))
    made._calibration = None
    return made


@pytest.fixture(scope="module")
def former():
    """A former model whose numbers no fit comes to by itself, with names."""
    model = in_other_numbers(clustering().fit(X), ORDER)
    return model.name_clusters({0: "gold", 3: "tin"})


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans", "cluster_qr"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], ORDER, [4, 3, 2, 1, 0]])
def test_a_refit_of_other_rows_has_the_same_numbers(assign_labels, order):
    params = {"assign_labels": assign_labels}
    old = in_other_numbers(clustering(**params).fit(X[:400]), order)
    shuffled = np.random.default_rng(0).permutation(500)
    new = clustering(random_state=7, **params).fit(X[shuffled], align_to=old)
    assert np.mean(new.predict(X) == old.predict(X)) > 0.97
    assert new.alignment_.former == (0, 1, 2, 3, 4)
    agreement = np.mean(new.labels_ == old.predict(X[shuffled]))
    assert new.alignment_.agreement == pytest.approx(agreement)
    np.testing.assert_array_equal(new.labels_, new.predict(X[shuffled]))


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans", "cluster_qr"])
def test_all_that_has_numbers_follows(assign_labels):
    plain = clustering(assign_labels=assign_labels).fit(X)
    new = clustering(assign_labels=assign_labels)
    new.fit(X, align_to=in_other_numbers(plain, ORDER))
    assert new.alignment_ == Alignment(1.0, (0, 1, 2, 3, 4), (1.0,) * 5)
    np.testing.assert_array_equal(ORDER[new.labels_], plain.labels_)
    probabilities = plain.predict_proba(X)
    np.testing.assert_allclose(
        new.predict_proba(X), probabilities[:, ORDER], atol=1e-12
    )
    np.testing.assert_array_equal(new.predict(X), new.predict_proba(X).argmax(axis=1))
    np.testing.assert_array_equal(new.cluster_shares_, plain.cluster_shares_[ORDER])
    assert new.mean_confidence_ == pytest.approx(plain.mean_confidence_)
    assert new.ncut_ == pytest.approx(plain.ncut_)
    # What is learned does not depend on numbers.
    np.testing.assert_array_equal(new.transform(X), plain.transform(X))


def test_a_model_aligned_to_itself_agrees(former):
    again = clustering().fit(X, align_to=former)
    assert again.alignment_.agreement == 1
    kept = again.labels_
    again.fit(X, align_to=again)
    np.testing.assert_array_equal(again.labels_, kept)
    assert str(again.alignment_) == "agreement 100.0 %"
    assert again.cluster_names_ == {0: "gold", 3: "tin"}


def test_a_plain_fit_has_no_former_model(former):
    model = clustering().fit(X, align_to=former)
    model.fit(X)
    assert (model.alignment_, model.cluster_names_) == (None, {})


def test_names_stay_with_the_clusters(former):
    new = clustering(random_state=3).fit(X[::-1], align_to=former)
    assert new.cluster_names_ == {0: "gold", 3: "tin"}
    # They are its own.
    new.name_clusters({0: "silver"})
    assert former.cluster_names_ == {0: "gold", 3: "tin"}


def test_more_clusters_have_numbers_above(former):
    sixth, _ = make_blobs(100, centers=[[0, 0]], cluster_std=0.7, random_state=1)
    rows = np.concatenate([X, sixth])
    with pytest.warns(AlignmentWarning, match=r"new clusters: 5\.$"):
        new = clustering(6).fit(rows, align_to=former)
    assert new.alignment_.former == (0, 1, 2, 3, 4, None)
    assert new.alignment_.lost == ()
    assert np.mean(new.predict(sixth) == 5) > 0.9
    assert np.mean(new.predict(X) == former.predict(X)) > 0.95
    assert new.cluster_names_ == {0: "gold", 3: "tin"}


def test_fewer_clusters_take_the_numbers_of_lost_ones(former):
    labels = former.predict(X)
    rows = X[labels != 3]
    with pytest.warns(AlignmentWarning, match=r"lost clusters: 3 \(tin\)") as caught:
        new = clustering(4).fit(rows, align_to=former)
    assert "other numbers: 4 is 3 now" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert new.alignment_.former == (0, 1, 2, 4)
    assert (new.alignment_.new, new.alignment_.moved) == ((), {4: 3})
    assert new.alignment_.lost_names == {3: "tin"}
    assert new.cluster_names_ == {0: "gold"}
    assert np.mean(new.predict(X[labels == 4]) == 3) > 0.95
    np.testing.assert_array_equal(np.unique(new.labels_), np.arange(4))


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans"])
def test_the_clusters_of_other_numbers_follow_too(assign_labels):
    params = {"assign_labels": assign_labels, "max_clusters": 6}
    old = in_other_numbers(clustering(**params).fit(X), ORDER)
    with pytest.warns(AlignmentWarning):
        new = clustering(3, **params).fit(X, align_to=old)
    five = new.with_n_clusters(5)
    assert np.mean(five.predict(X) == old.predict(X)) > 0.95
    np.testing.assert_array_equal(five.labels_, five.predict(X))
    # Names and the alignment are those of the number of the fit.
    assert (five.alignment_, five.cluster_names_) == (None, {})
    same = new.with_n_clusters(3)
    np.testing.assert_array_equal(same.predict(X), new.predict(X))
    assert same.alignment_ == new.alignment_
    back = five.with_n_clusters(3)
    assert np.mean(back.predict(X) == new.predict(X)) > 0.95


def test_an_open_number_of_clusters_is_aligned(former):
    new = clustering("auto", max_clusters=8).fit(X, align_to=former)
    assert new.n_clusters_ == 5
    assert np.mean(new.predict(X) == former.predict(X)) > 0.97


def test_rows_beyond_the_graph_have_the_numbers_too(former):
    new = clustering(max_graph_rows=200).fit(X, align_to=former)
    assert new.alignment_.former == (0, 1, 2, 3, 4)
    np.testing.assert_array_equal(new.labels_, new.predict(X))
    assert np.mean(new.labels_ == former.predict(X)) > 0.95


def test_a_stream_goes_on_with_the_numbers(former):
    new = clustering().fit(X[:250], align_to=former)
    for start in range(0, 500, 100):
        new.partial_fit(X[start : start + 100])
    assert np.mean(new.predict(X) == former.predict(X)) > 0.95
    assert new.cluster_names_ == {0: "gold", 3: "tin"}


def test_files_keep_numbers_and_names(former, tmp_path):
    save(former, tmp_path / "old.safetensors")
    # As text and as a path.
    for path in (tmp_path / "old.safetensors", str(tmp_path / "old.safetensors")):
        new = clustering(random_state=5, max_clusters=6).fit(X, align_to=path)
        assert np.mean(new.predict(X) == former.predict(X)) > 0.97
    save(new, tmp_path / "new.safetensors")
    loaded = load(tmp_path / "new.safetensors", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), new.predict_proba(X))
    assert loaded.cluster_names_ == {0: "gold", 3: "tin"}
    for n_clusters in (2, 6):
        one, other = (m.with_n_clusters(n_clusters) for m in (new, loaded))
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
    # The alignment is one of rows, which are not in files.
    assert not hasattr(loaded, "alignment_")
    copied = pickle.loads(pickle.dumps(new))
    assert copied.alignment_ == new.alignment_


def test_a_fit_that_is_resumed_is_aligned(former, tmp_path):
    class InterruptionError(Exception):
        pass

    class InterruptAt(BaseCallback):
        def on_batch_end(self, state):
            if state.phase == "fine_tuning" and state.step == 3:
                raise InterruptionError

    params = {"training__max_iter": 10, "checkpoint": tmp_path / "fit"}
    with pytest.raises(InterruptionError):
        clustering(callbacks=[InterruptAt()], **params).fit(X, align_to=former)
    # Which model is followed is no matter of what is learned.
    new = clustering(**params).fit(X, align_to=in_other_numbers(former, ORDER))
    whole = clustering(training__max_iter=10).fit(X, align_to=former)
    np.testing.assert_array_equal(new.transform(X), whole.transform(X))
    np.testing.assert_array_equal(ORDER[new.labels_], whole.labels_)


def test_the_agreement_is_one_line_of_a_fit(former, capsys):
    clustering(verbose=1).fit(X, align_to=former)
    lines = capsys.readouterr().err.splitlines()
    assert "neuraleig: former clusters: agreement 100.0 %" in lines
    clustering(verbose=1).fit(X)
    assert "former clusters" not in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::neuraleig.reading.AlignmentWarning")
def test_the_agreement_is_the_best_that_numbers_can_be_given():
    rows = load_digits(return_X_y=True)[0] / 16
    old = clustering(10).fit(rows[:900])
    labels = old.predict(rows[600:])
    plain = clustering(10, random_state=1).fit(rows[600:])
    best = clustering_accuracy(labels, plain.labels_)
    assert np.mean(labels == plain.labels_) < best
    new = clustering(10, random_state=1).fit(rows[600:], align_to=old)
    assert new.alignment_.agreement == pytest.approx(best)
    assert np.mean(labels == new.labels_) == pytest.approx(best)


# Inside scikit-learn's estimators


def test_fit_predict_and_fit_transform_follow(former):
    labels = clustering().fit_predict(X, align_to=former)
    assert np.mean(labels == former.predict(X)) > 0.97
    model = clustering()
    functions = model.fit_transform(X, align_to=former)
    np.testing.assert_array_equal(functions, model.transform(X))
    np.testing.assert_array_equal(model.labels_, labels)


def test_a_pipeline_passes_the_model_by_the_name_of_the_step():
    steps = [("scale", StandardScaler()), ("clusters", clustering())]
    old = Pipeline(steps).fit(X)
    former = in_other_numbers(old[-1], ORDER)
    expected = np.argsort(ORDER)[old.predict(X)]
    new = clone(old).fit(X, clusters__align_to=former)
    np.testing.assert_array_equal(new.predict(X), expected)
    labels = clone(old).fit_predict(X, clusters__align_to=former)
    np.testing.assert_array_equal(labels, expected)
    # As a step in the middle.
    middle = Pipeline([*steps, ("more", StandardScaler())])
    middle.fit(X, clusters__align_to=former)
    np.testing.assert_array_equal(middle["clusters"].labels_, expected)


def test_metadata_routing_passes_the_model(former):
    scaler = StandardScaler(with_mean=False, with_std=False)
    with sklearn.config_context(enable_metadata_routing=True):
        model = clustering().set_fit_request(align_to=True)
        new = make_pipeline(scaler, model).fit(X, align_to=former)
        assert new[-1].alignment_.agreement == 1
        with pytest.raises(ValueError, match=r"\[align_to\] are passed but"):
            make_pipeline(scaler, clustering()).fit(X, align_to=former)


def test_a_search_aligns_every_candidate(former):
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(clustering(), {"n_neighbors": [8, 10]}, cv=folds)
    search.fit(X, align_to=former)
    assert search.best_estimator_.alignment_.agreement > 0.97


# What is refused


@pytest.mark.parametrize(
    ("align_to", "message"),
    [
        (3, "align_to is of type int; pass a fitted NeuralEigen.*or the file of one"),
        (NeuralSpectralEmbedding(), "is of type NeuralSpectralEmbedding"),
        (DenseSegmenter(), "is of type DenseSegmenter"),
        (make_pipeline(clustering()), "Of a pipeline pass the last step"),
        (NeuralEigenSpectralClustering, "is of type type"),
        ("nowhere", r"align_to='nowhere' cannot be loaded: .*No such file.*; pass the"),
    ],
)
def test_what_is_no_former_model_is_refused(align_to, message):
    model = clustering()
    before = vars(model).copy()
    with pytest.raises(ValueError, match=message):
        model.fit(X, align_to=align_to)
    assert vars(model) == before


def test_an_unfitted_model_is_refused():
    message = r"^align_to=NeuralEigenSpectralClustering\(\.\.\.\) is not fitted; pass a"
    with pytest.raises(NotFittedError, match=message):
        clustering().fit(X, align_to=clustering())


def test_files_of_other_things_are_refused(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"align_to='.*m' cannot be loaded"):
        clustering().fit(X, align_to=path)
    save(NeuralSpectralEmbedding(1, hidden_sizes=(8,)).fit(X), path)
    with pytest.raises(ValueError, match="it holds a NeuralSpectralEmbedding; pass"):
        clustering().fit(X, align_to=path)


def test_a_model_of_other_features_is_refused(former, tmp_path):
    wide = np.column_stack([X, X[:, 0]])
    checkpoint = tmp_path / "fit"
    message = r"align_to=.* was fitted with 2 features, and X has 3; pass a model"
    with pytest.raises(ValueError, match=f"(?s){message}"):
        clustering(checkpoint=checkpoint).fit(wide, align_to=former)
    # A fit that is refused leaves nothing behind.
    assert list(checkpoint.iterdir()) == []


@pytest.mark.parametrize("name", ["m", "nowhere"])
@pytest.mark.parametrize(
    ("parameter", "value"), [("device", "gpu"), ("n_neighbors", -1)]
)
def test_parameters_are_checked_before_a_file(former, tmp_path, name, parameter, value):
    save(former, tmp_path / "m")
    model = clustering(**{parameter: value})
    with pytest.raises(ValueError, match=parameter) as caught:
        model.fit(X, align_to=tmp_path / name)
    assert "align_to" not in str(caught.value)


def test_features_in_another_order_are_refused(former):
    frame = pd.DataFrame(X, columns=["width", "height"])
    old = clustering().fit(frame)
    message = "was fitted to the features width, height, and X has height, width"
    with pytest.raises(ValueError, match=f"(?s){message}"):
        clustering().fit(frame[["height", "width"]], align_to=old)
    assert clustering().fit(frame, align_to=old).alignment_.agreement == 1
    # Names on one side alone are no contradiction.
    assert clustering().fit(X, align_to=old).alignment_.agreement == 1
    assert clustering().fit(frame, align_to=former).alignment_.agreement == 1


def test_warnings_as_errors_leave_the_estimator_as_it_was(former):
    model = clustering(2)
    with pytest.raises(AlignmentWarning):
        model.fit(X, align_to=former)
    assert not hasattr(model, "labels_")


def test_a_fit_that_a_warning_stops_can_be_resumed(former, tmp_path):
    class CountSteps(BaseCallback):
        n_steps = 0

        def on_batch_end(self, state):
            CountSteps.n_steps += state.phase == "fine_tuning"

    params = {"training__max_iter": 5, "checkpoint": tmp_path / "fit"}
    model = clustering(2, callbacks=[CountSteps()], **params)
    with pytest.raises(AlignmentWarning):
        model.fit(X, align_to=former)
    assert CountSteps.n_steps == 5
    with pytest.warns(AlignmentWarning):
        model.fit(X, align_to=former)
    assert CountSteps.n_steps == 5
    assert not (tmp_path / "fit").exists()
