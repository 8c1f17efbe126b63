"""The number of clusters left open, and other numbers after one fit."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering, Training, load, save

# Four clear clusters are four components, and some fits ask for fewer.
pytestmark = pytest.mark.filterwarnings("ignore::neuraleig.affinity.GraphWarning")
CENTERS = [[0, 0], [9, 0], [0, 9], [9, 9]]
X, Y = make_blobs(240, centers=CENTERS, random_state=0)
NEW, NEW_Y = make_blobs(80, centers=CENTERS, random_state=1)


def clustering(n_clusters="auto", **params):
    defaults = {"max_clusters": 6, "hidden_sizes": (16, 8), "random_state": 0}
    training = params.pop("training", Training(max_iter=0))
    return NeuralEigenSpectralClustering(
        n_clusters, training=training, device="cpu", **{**defaults, **params}
    )


@pytest.fixture(scope="module", params=["argmax", "kmeans"])
def model(request):
    return clustering(assign_labels=request.param).fit(X)


def test_the_number_is_found_and_in_use(model):
    assert model.n_clusters == "auto"
    assert model.n_clusters_ == model.cluster_curve_.best == 4
    assert adjusted_rand_score(Y, model.labels_) == 1.0
    assert model.predict_proba(NEW).shape == (len(NEW), 4)


def test_a_number_is_kept_beside_its_curve():
    model = clustering(2).fit(X)
    assert (model.n_clusters_, model.cluster_curve_.best) == (2, 4)
    plain = clustering(2, max_clusters=None).fit(X)
    assert plain.cluster_curve_ is None
    assert adjusted_rand_score(plain.labels_, model.labels_) == 1.0


def test_the_curve_ends_where_rows_do():
    rows = np.arange(7.0)[:, None]
    model = clustering(max_clusters=None, n_neighbors=2).fit(rows)
    assert model.cluster_curve_.n_clusters[-1] <= 7
    assert 1 <= model.n_clusters_ < 7


def test_a_curve_of_identical_rows_has_a_number_for_each_mass():
    masses = np.repeat(np.array(CENTERS, dtype=float), 30, axis=0)
    model = clustering(4, n_neighbors=2).fit(masses)
    assert model.cluster_curve_.n_clusters[-1] == 4
    assert np.unique(model.with_n_clusters(4).labels_[::30]).size == 4


def test_the_number_of_the_fit_is_the_fit(model):
    same = model.with_n_clusters(4)
    assert same.n_clusters == 4
    np.testing.assert_array_equal(same.predict_proba(NEW), model.predict_proba(NEW))
    assert same.mean_confidence_ == model.mean_confidence_
    assert not hasattr(model.with_n_clusters(2), "mean_confidence_")


def test_an_open_curve_has_thirty_numbers():
    model = clustering(max_clusters=None).fit(X)
    assert model.cluster_curve_.n_clusters[-1] == 30
    assert model.n_clusters_ == 4


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 5, 6])
def test_other_numbers_predict_their_training_labels(model, n_clusters):
    other = model.with_n_clusters(n_clusters)
    assert other.n_clusters == other.n_clusters_ == n_clusters
    np.testing.assert_array_equal(other.predict(X), other.labels_)
    assert other.predict_proba(NEW).shape == (len(NEW), n_clusters)
    np.testing.assert_array_equal(other.transform(NEW), model.transform(NEW))
    # The model itself is as it was.
    assert model.n_clusters_ == 4


def test_other_numbers_are_what_a_fit_finds_where_clusters_are_clear(model):
    first = clustering(6, assign_labels=model.assign_labels).fit(X)
    other = first.with_n_clusters(4)
    assert adjusted_rand_score(Y, other.labels_) == 1.0
    assert adjusted_rand_score(NEW_Y, other.predict(NEW)) == 1.0
    assert adjusted_rand_score(model.labels_, other.labels_) == 1.0
    assert other.ncut_ == pytest.approx(model.ncut_, abs=1e-6)


def test_fewer_clusters_are_unions_where_clusters_are_clear(model):
    fine, coarse = model.labels_, model.with_n_clusters(2).labels_
    assert all(np.unique(coarse[fine == cluster]).size == 1 for cluster in range(4))


def test_the_way_back_ends_where_it_began(model):
    back = model.with_n_clusters(2).with_n_clusters(4)
    np.testing.assert_array_equal(back.predict(NEW), model.predict(NEW))
    np.testing.assert_array_equal(back.labels_, model.labels_)


def test_components_are_not_shared(model):
    other = model.with_n_clusters(3)
    other.set_params(training__lr=0.5)
    assert model.training.lr != 0.5


def test_the_curve_is_that_of_every_way_of_reading():
    curves = [
        clustering(assign_labels=name).fit(X).cluster_curve_
        for name in ("argmax", "kmeans", "cluster_qr", "kmeans_hidden")
    ]
    for curve in curves[1:]:
        np.testing.assert_array_equal(curve.cut, curves[0].cut)


@pytest.mark.parametrize("name", ["cluster_qr", "kmeans_hidden"])
def test_readings_without_other_numbers_say_so(name):
    model = clustering(assign_labels=name).fit(X)
    assert model.n_clusters_ == 4
    with pytest.raises(ValueError, match="not available for assign_labels='" + name):
        model.with_n_clusters(2)


def test_orthogonal_heads_have_other_numbers():
    model = clustering(training=Training(max_iter=0, head="orthogonal")).fit(X)
    other = model.with_n_clusters(4)
    assert adjusted_rand_score(Y, other.labels_) == 1.0


def test_without_a_curve_the_way_out_is_named():
    model = clustering(3, max_clusters=None).fit(X)
    with pytest.raises(ValueError, match="n_clusters='auto' or max_clusters=30"):
        model.with_n_clusters(2)
    with pytest.raises(NotFittedError):
        clustering().with_n_clusters(2)


def test_numbers_off_the_curve_are_refused(model):
    with pytest.raises(ValueError, match="not on the curve, which has 1 to 6"):
        model.with_n_clusters(7)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"n_clusters": 8, "max_clusters": 5},
            "n_clusters=8 is more than max_clusters",
        ),
        ({"n_clusters": "many"}, "'n_clusters' parameter"),
        ({"max_clusters": 0}, "'max_clusters' parameter"),
        ({"training": Training(init="random")}, "n_clusters='auto' needs the eigenvec"),
        (
            {"n_clusters": 3, "training": Training(init="random")},
            "max_clusters=6 needs the eigenvectors",
        ),
    ],
)
def test_contradictions_are_refused_before_any_work(params, message):
    with pytest.raises(ValueError, match=message):
        clustering(**params).fit(X)


def test_clones_and_pickles(model):
    assert clone(model).get_params()["max_clusters"] == 6
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        loaded.with_n_clusters(3).labels_, model.with_n_clusters(3).labels_
    )


def test_files_hold_all_numbers_and_no_labels(model, tmp_path):
    save(model, tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors", device="cpu")
    np.testing.assert_array_equal(
        loaded.cluster_curve_.strength, model.cluster_curve_.strength
    )
    for number in range(1, 7):
        other, expected = loaded.with_n_clusters(number), model.with_n_clusters(number)
        np.testing.assert_array_equal(
            other.predict_proba(NEW), expected.predict_proba(NEW)
        )
        assert other.ncut_ == expected.ncut_
        assert not hasattr(other, "labels_")
    save(loaded.with_n_clusters(2), tmp_path / "two.safetensors")
    assert load(tmp_path / "two.safetensors").n_clusters_ == 2


def test_rows_beyond_the_graph_have_no_labels_of_other_numbers():
    model = clustering(max_graph_rows=150).fit(X)
    assert model.labels_.shape == (240,)
    other = model.with_n_clusters(2)
    assert not hasattr(other, "labels_")
    assert np.unique(other.predict(X)).size == 2


def test_a_stream_may_change_its_number():
    model = clustering()
    model.partial_fit(X[np.isin(Y, (0, 1))])
    assert model.n_clusters_ == 2
    model.partial_fit(X[np.isin(Y, (2, 3))])
    assert model.n_clusters_ == 4
    assert np.unique(model.predict(NEW)).size == 4
    other = model.with_n_clusters(2)
    assert np.unique(other.predict(NEW)).size == 2


def test_pipelines_and_grids():
    pipeline = make_pipeline(StandardScaler(), clustering()).fit(X)
    assert pipeline[-1].n_clusters_ == 4
    grid = GridSearchCV(
        clustering(), {"n_clusters": ["auto", 2]}, cv=KFold(2, shuffle=True)
    ).fit(X)
    assert grid.best_params_ == {"n_clusters": "auto"}


def test_kernels_have_a_curve():
    model = clustering(affinity="rbf").fit(X)
    assert model.n_clusters_ == 4
    assert adjusted_rand_score(NEW_Y, model.predict(NEW)) == 1.0


def test_equal_fits_are_equal(model):
    again = clone(model).fit(X)
    np.testing.assert_array_equal(
        again.cluster_curve_.strength, model.cluster_curve_.strength
    )
    np.testing.assert_array_equal(
        again.with_n_clusters(3).predict_proba(NEW),
        model.with_n_clusters(3).predict_proba(NEW),
    )
