"""Whatever cannot be used is refused by name, before training, and leaves no trace."""

from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs
from sklearn.neighbors import kneighbors_graph
from torch import nn

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig._fit import RowProblem, _fit

X = make_blobs(
    60, n_features=3, centers=[[0, 0, 0], [6, 0, 0], [3, 5, 0]], random_state=0
)[0]
KERNEL = np.exp(-np.square(X[:, None] - X).sum(axis=2))
SMALL = {
    "n_clusters": 3,
    "hidden_sizes": (16,),
    "training__max_iter": 5,
    "random_state": 0,
}


def changed(matrix, value, *places):
    matrix = matrix.copy()
    for place in places:
        matrix[place] = value
    return matrix


class Returning(nn.Module):
    """A network that returns whatever a function makes of its rows."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, rows):
        return self.function(rows)


def network(function):
    return {"network": lambda n_features: Returning(function)}


@pytest.fixture
def no_training(monkeypatch):
    """Training of any kind fails the test."""

    def fail(*args, **kwargs):
        raise AssertionError("training began")

    monkeypatch.setattr(_fit, "teach", fail)
    monkeypatch.setattr(_fit, "tune", fail)


def assert_refused(params, message, rows=X, kind=(ValueError, TypeError), **fit_params):
    model = NeuralEigenSpectralClustering().set_params(**SMALL | params)
    before = dict(vars(model))
    with pytest.raises(kind, match=message):
        model.fit(rows, **fit_params)
    after = vars(model)
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


# Rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(X, np.nan, (3, 1)), "Input X contains NaN"),
        (changed(X, np.inf, (3, 1)), "Input X contains infinity"),
        (X + 1j, "Complex data not supported"),
        (np.empty((0, 3)), r"0 sample\(s\)"),
        (np.empty((5, 0)), r"0 feature\(s\)"),
        (X[:1], "1 sample"),
        (X[:, 0], "Expected 2D array"),
        (X[None], "dim 3"),
        ([["a", "b"], ["c", "d"]], "could not convert string to float: 'a'"),
        (sp.csr_array(changed(X, np.nan, (3, 1))), "Input X contains NaN"),
        (sp.csr_array((5, 0)), r"0 feature\(s\)"),
        (sp.csr_array(X * 1e200), r"X has values of up to .*e\+200"),
        (X * 1e200, r"X has values of up to .*e\+200"),
        (X[:2], r"n_clusters=3 is more than .* \(n_samples=2\)"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_unusable_rows_are_refused(rows, message):
    assert_refused({}, message, rows)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform", "score"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (X[:, :2], "X has 2 features, but .* is expecting 3"),
        (changed(X, np.nan, (0, 0)), "contains NaN"),
        (X[0], "Expected 2D array"),
        (X[:0], r"0 sample\(s\)"),
    ],
    ids=["width", "nan", "1d", "empty"],
)
def test_rows_unlike_those_of_the_fit_are_refused(trained, method, rows, message):
    with pytest.raises(ValueError, match=message):
        getattr(trained, method)(rows)


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans", "cluster_qr"])
@pytest.mark.parametrize("head", ["linear", "orthogonal"])
def test_rows_far_from_those_of_the_fit_have_probabilities(assign_labels, head):
    params = {"assign_labels": assign_labels, "training__head": head}
    model = NeuralEigenSpectralClustering().set_params(**SMALL | params).fit(X)
    far = np.array([[1e45, -1e45, 0], [1e200, 1e200, 1e200], [-1e308, 0, 1], X[0]])
    probabilities = model.predict_proba(far)
    assert np.all(np.isfinite(probabilities))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(far))


@pytest.fixture(scope="module")
def trained():
    return NeuralEigenSpectralClustering().set_params(**SMALL).fit(X)


# Parameters

STRINGS = [
    "affinity",
    "affinity__backend",
    "affinity__metric",
    "affinity__weights",
    "assign_labels",
    "metric",
    "network",
    "training__assignment",
    "training__head",
    "training__init",
    "training__label_objective",
    "training__objective",
    "training__optimizer",
    "training__precision",
    "training__sampling",
]
POSITIVE_INTEGERS = [
    "affinity__n_neighbors",
    "n_clusters",
    "n_components",
    "n_neighbors",
    "training__batch_size",
    "training__checkpoint_interval",
    "training__n_iter_no_change",
    "training__walk_length",
]


NEVER_OPEN = [name for name in STRINGS if name != "metric"]


@pytest.mark.parametrize(
    ("name", "value"),
    [*product(STRINGS, ["toaster", "", 3]), *product(NEVER_OPEN, [None])],
)
@pytest.mark.usefixtures("no_training")
def test_unknown_names_are_refused(name, value):
    assert_refused({name: value}, rf"'{name}' parameter .* Got {value!r} instead")


@pytest.mark.parametrize("metric", ["mahalanobis", "precomputed", "seuclidean"])
@pytest.mark.parametrize("affinity", ["nearest_neighbors", "rbf"])
@pytest.mark.usefixtures("no_training")
def test_metrics_that_need_arguments_are_refused(metric, affinity):
    params = {"metric": metric, "affinity": affinity}
    assert_refused(params, rf"'metric' parameter .* Got '{metric}' instead")


@pytest.mark.parametrize("name", POSITIVE_INTEGERS)
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", np.nan, (3,)])
@pytest.mark.usefixtures("no_training")
def test_integers_are_integers_of_their_range(name, value):
    assert_refused({name: value}, rf"'{name}' parameter .* must be an int in the range")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training__lr", 0.0),
        ("training__lr", np.inf),
        ("training__lr", np.nan),
        ("gamma", 0.0),
        ("gamma", np.inf),
        ("affinity__regularization", -0.1),
        ("training__tol", -1e-9),
        ("training__validation_fraction", 0.0),
        ("training__validation_fraction", 1.0),
        ("training__max_iter", -1),
        ("training__max_iter", 1.5),
        ("training__early_stopping", "yes"),
        ("n_jobs", 1.5),
        ("random_state", -1),
        ("random_state", "seed"),
        ("hidden_sizes", 32),
        ("training__temperature", 1.0),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_numbers_outside_their_range_are_refused(name, value):
    assert_refused({name: value}, rf"'{name}' parameter .* Got {value!r} instead")


@pytest.mark.parametrize("value", [(), (0,), (16, -1), (16.0,), ("16",), (True,), [[]]])
@pytest.mark.usefixtures("no_training")
def test_layers_without_units_are_refused(value):
    assert_refused({"hidden_sizes": value}, r"hidden_sizes=.* integers of at least 1")


@pytest.mark.parametrize(
    "value", [(), (1.0,), (1, 1, 1), (0, 1), (1, -1), (1, np.nan), (1, np.inf), "ab"]
)
@pytest.mark.usefixtures("no_training")
def test_all_but_two_positive_temperatures_are_refused(value):
    assert_refused({"training__temperature": value}, "temperature")


@pytest.mark.parametrize("value", ["toaster", "", "meta", "cpu:x"])
@pytest.mark.usefixtures("no_training")
def test_unknown_and_unusable_devices_are_refused(value):
    assert_refused({"device": value}, rf"device='{value}'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
@pytest.mark.usefixtures("no_training")
def test_an_absent_gpu_is_refused():
    assert_refused({"device": "cuda"}, "device='cuda' needs a CUDA device")


# Parts that do not fit together


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"training__sampling": "edges", "affinity": "rbf"},
            "sampling='edges' is not compatible with affinity='rbf'",
        ),
        (
            {
                "training__sampling": "edges",
                "affinity": lambda left, right: left @ right.T,
            },
            "sampling='edges' is not compatible with affinity=<function",
        ),
        (
            {"training__walk_length": 2, "training__sampling": "nodes"},
            "walk_length=2 needs stored edges",
        ),
        (
            {"training__walk_length": 3, "affinity": "cosine"},
            "walk_length=3 needs stored edges",
        ),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_parts_that_do_not_fit_are_refused(params, message):
    assert_refused(params, message)


@pytest.mark.parametrize(
    ("params", "width"),
    [
        ({"hidden_sizes": (2,)}, 2),
        ({"network": lambda n_features: nn.Linear(n_features, 2)}, 2),
        # All layers count.
        ({"hidden_sizes": (1, 2), "n_components": 5}, 3),
        ({"hidden_sizes": (4,), "assign_labels": "kmeans"}, 4),
    ],
)
def test_networks_too_narrow_for_orthogonal_heads_are_refused_before_the_graph(
    params, width, monkeypatch
):
    monkeypatch.setattr(RowProblem, "build", None)
    message = f"training__head='orthogonal' is not .* a network of {width} outputs"
    assert_refused({"training__head": "orthogonal"} | params, message)
    functions = {"training__head": "orthogonal", "hidden_sizes": (2,)}
    with pytest.raises(ValueError, match="with a network of 2 outputs"):
        NeuralSpectralEmbedding(3).set_params(**functions).fit(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network": nn.Linear(3, 4)}, r"network is a module \(Linear\); pass a call"),
        ({"network": lambda n_features: "layers"}, "network returned str"),
        ({"network": lambda n_features: nn.Linear}, "network returned type"),
        (network(lambda rows: rows[0]), r"network .* tensor of shape \(3,\)"),
        (network(lambda rows: rows[:1]), r"network .* tensor of shape \(1, 3\)"),
        (network(lambda rows: rows[:, :0]), r"network .* tensor of shape \(2, 0\)"),
        (network(lambda rows: (rows, rows)), "network maps rows to tuple"),
        (network(lambda rows: rows.numpy()), "network maps rows to ndarray"),
        (network(lambda rows: rows.double()), "network maps rows to torch.float64"),
        (
            {"network": lambda n_features: nn.Linear(n_features + 1, 4)},
            r"network fails on float32 rows of shape \(2, 3\)",
        ),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_unusable_networks_are_refused(params, message):
    assert_refused(params, message)


@pytest.mark.parametrize(
    ("affinity", "message"),
    [
        (lambda left, right: np.ones((2, 2)), r"affinity returned .* shape \(2, 2\)"),
        (lambda left, right: -left @ right.T, "affinity returned negative"),
        (lambda left, right: left @ right.T * np.nan, "affinity returned .*non-finite"),
        (lambda left, right: left @ right.T * 1j, "affinity returned complex128"),
        (lambda left, right: None, "affinity returned object"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_unusable_kernels_are_refused(affinity, message):
    assert_refused({"affinity": affinity}, message)


# Given affinities


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (None, "affinity='precomputed' needs the matrix: pass affinity_matrix"),
        (KERNEL[:5], r"affinity_matrix has shape \(5, 60\)"),
        (KERNEL[:30, :30], "affinity_matrix has 30 rows but X has 60"),
        (changed(KERNEL, -1, (0, 1), (1, 0)), "affinity_matrix has negative entries"),
        (changed(KERNEL, 2, (0, 1)), "affinity_matrix is not symmetric"),
        (changed(KERNEL, np.nan, (0, 1)), "affinity_matrix contains NaN"),
        (sp.csr_array(changed(KERNEL, np.inf, (0, 1))), "affinity_matrix contains inf"),
        (KERNEL[0], "Expected 2D array"),
        ("kernel", "could not convert string to float"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_unusable_affinity_matrices_are_refused(matrix, message):
    assert_refused({"affinity": "precomputed"}, message, affinity_matrix=matrix)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (None, "affinity='precomputed_nearest_neighbors' needs the matrix"),
        (KERNEL, "affinity_matrix is of type ndarray"),
        (kneighbors_graph(X[:30], 10, mode="distance"), "has 30 rows but X has 60"),
        (
            kneighbors_graph(X, 3, mode="distance"),
            "row of only 3 neighbours, fewer than n_neighbors=10",
        ),
        (-kneighbors_graph(X, 10, mode="distance"), "has negative entries"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_unusable_neighbours_are_refused(matrix, message):
    params = {"affinity": "precomputed_nearest_neighbors"}
    assert_refused(params, message, affinity_matrix=matrix)


@pytest.mark.parametrize("affinity", ["nearest_neighbors", "rbf", "cosine"])
@pytest.mark.usefixtures("no_training")
def test_a_matrix_that_nobody_asked_for_is_refused(affinity):
    message = rf"affinity_matrix was passed but affinity='{affinity}'"
    assert_refused({"affinity": affinity}, message, affinity_matrix=KERNEL)


def test_a_score_without_the_matrix_is_refused():
    model = NeuralEigenSpectralClustering(affinity="precomputed").set_params(**SMALL)
    model.fit(X, affinity_matrix=KERNEL)
    message = r"needs the matrix: pass affinity_matrix=\.\.\. \(of these rows\)"
    with pytest.raises(ValueError, match=message):
        model.score(X)


@pytest.mark.parametrize("matrix", [KERNEL, sp.csr_array(KERNEL)])
def test_a_score_by_a_matrix_that_nobody_asked_for_is_refused(trained, matrix):
    message = "affinity_matrix was passed but affinity='nearest_neighbors'"
    with pytest.raises(ValueError, match=message):
        trained.score(X, affinity_matrix=matrix)


@pytest.mark.usefixtures("no_training")
def test_the_embedding_has_the_same_door():
    model = NeuralSpectralEmbedding(metric="toaster")
    with pytest.raises(ValueError, match="'metric' parameter of NeuralSpectralEmb"):
        model.fit(X)
    with pytest.raises(ValueError, match="1 sample"):
        NeuralSpectralEmbedding().fit(X[:1])
    with pytest.raises(ValueError, match="affinity_matrix was passed"):
        NeuralSpectralEmbedding().fit(X, affinity_matrix=KERNEL)


# Fits that fail


@pytest.mark.parametrize("objective", ["rayleigh", "neuralef", "nested_low_rank"])
@pytest.mark.parametrize("sampling", ["edges", "nodes"])
def test_a_diverging_fit_names_the_learning_rate(objective, sampling):
    params = {
        "training__objective": objective,
        "training__sampling": sampling,
        "training__lr": 1e30,
    }
    message = r"loss is (nan|inf) at step \d+ with lr=1e\+30"
    assert_refused(params, message, kind=FloatingPointError)


def test_a_failed_refit_leaves_the_fit_before_it():
    model = NeuralEigenSpectralClustering().set_params(**SMALL).fit(X)
    labels, functions = model.predict(X), model.transform(X)
    before = dict(vars(model))
    with pytest.raises(FloatingPointError):
        model.set_params(training__lr=1e30).fit(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((5, 2), np.nan))
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict(X), labels)
    np.testing.assert_array_equal(model.transform(X), functions)


def test_an_interrupted_fit_leaves_no_trace(monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(_fit, "tune", interrupt)
    model = NeuralEigenSpectralClustering().set_params(**SMALL)
    before = dict(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert vars(model) == before


# Values that no parameter may have: a law over all of them

# Any text is a path.
PARAMETERS = sorted(
    NeuralEigenSpectralClustering(3)
    .set_params(**SMALL, affinity__n_neighbors=10)
    .get_params()
    .keys()
    - {"checkpoint"}
)
never = st.one_of(
    st.floats(max_value=-1e-9),
    st.just(np.nan),
    st.just(np.inf),
    st.just(1j),
    st.binary(),
    st.text().filter(lambda text: text not in KNOWN),
    st.lists(st.none(), max_size=3),
    st.dictionaries(st.text(), st.none()),
    st.builds(object),
)
KNOWN = {"cpu", "cuda", "auto", "euclidean", "rbf", "edges", "nodes", "p", "l1", "l2"}


@settings(max_examples=300)
@given(name=st.sampled_from(PARAMETERS), value=never)
def test_impossible_values_never_reach_training(name, value):
    # No callbacks are as good as none.
    assume((name, value) != ("callbacks", []))
    model = NeuralEigenSpectralClustering().set_params(**SMALL)
    model.set_params(**{name: value})
    with pytest.MonkeyPatch.context() as patch:
        # Not even the graph is built.
        patch.setattr(RowProblem, "build", None)
        with pytest.raises((ValueError, TypeError), match=name):
            model.fit(X)
    assert "n_features_in_" not in vars(model)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"affinity__backend": "torch", "metric": "l1"}, "affinity__backend='torch'"),
        ({"affinity__backend": "faiss", "metric": "l1"}, "affinity__backend='faiss'"),
        (
            {"affinity__backend": "sklearn", "affinity__approximate": True},
            "affinity__approximate=True",
        ),
        (
            {"affinity__approximate": True, "metric": "l1"},
            "affinity__approximate=True",
        ),
        (
            {"affinity__across_groups": True, "affinity__backend": "faiss"},
            "affinity__backend='faiss' does not support groups",
        ),
    ],
)
def test_searches_that_no_backend_has_are_refused(parameters, message):
    model = NeuralEigenSpectralClustering(2).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(np.random.default_rng(0).normal(size=(30, 3)))
