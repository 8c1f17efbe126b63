"""What a clustering promises: of its labels, of its functions, of its repetitions."""

import pickle
import textwrap

import joblib
import new_process
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import (
    load_digits,
    load_iris,
    make_blobs,
    make_circles,
    make_moons,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsTransformer, kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from neuraleig import GraphWarning, NeuralEigenSpectralClustering
from neuraleig._fit import _teach
from neuraleig.affinity import NeighborAffinity
from neuraleig.metrics import (
    clustering_accuracy,
    modularity,
    normalized_cut,
    trace_ratio,
)
from neuraleig.spectrum import graph_spectrum
from neuraleig.training import Training

SMALL = {"hidden_sizes": (32,), "training__max_iter": 20, "random_state": 0}
READINGS = ["argmax", "kmeans", "cluster_qr"]


def clustering(n_clusters=3, **params):
    return NeuralEigenSpectralClustering(n_clusters).set_params(**SMALL | params)


def graph_of(X, n_neighbors=10):
    return NeighborAffinity(n_neighbors).build(X, seed=0)


class Tanh(nn.Module):
    """A user's network, at the top of a module so that it pickles."""

    def __init__(self, n_features):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 16), nn.Tanh(), nn.Dropout(0.1)
        )

    def forward(self, rows):
        return self.layers(rows)


def gaussian(left, right):
    """A user's affinity."""
    return np.exp(-0.5 * np.square(left[:, None] - right).sum(axis=2))


@pytest.fixture(scope="module")
def blobs():
    """Three blobs that touch: one connected graph, no doubt about the clusters."""
    return make_blobs(240, centers=[[0, 0], [6, 0], [3, 5]], random_state=0)


@pytest.fixture(scope="module")
def fitted(blobs):
    return clustering().fit(blobs[0])


@pytest.fixture(scope="module", params=READINGS)
def read(request, blobs):
    """Fitted with each way to read labels."""
    return clustering(assign_labels=request.param).fit(blobs[0])


# Labels


@pytest.mark.parametrize("assign_labels", READINGS)
def test_blobs_are_recovered_in_and_out_of_the_sample(assign_labels, blobs):
    X, y = blobs
    model = clustering(assign_labels=assign_labels).fit(X[::2])
    assert clustering_accuracy(y[::2], model.labels_) >= 0.99
    assert clustering_accuracy(y[1::2], model.predict(X[1::2])) >= 0.98


@pytest.mark.parametrize(
    ("make", "options"),
    [(make_moons, {"noise": 0.06}), (make_circles, {"noise": 0.04, "factor": 0.5})],
)
def test_moons_and_circles_are_told_apart_by_the_defaults(make, options):
    X, y = make(1200, random_state=0, **options)
    model = NeuralEigenSpectralClustering(2, random_state=0).fit(X[:800])
    assert clustering_accuracy(y[:800], model.labels_) == 1.0
    assert clustering_accuracy(y[800:], model.predict(X[800:])) == 1.0


def test_labels_of_the_fit_are_predictions(read, blobs):
    np.testing.assert_array_equal(read.labels_, read.predict(blobs[0]))
    again = clone(read)
    np.testing.assert_array_equal(again.fit_predict(blobs[0]), read.labels_)


def test_labels_are_the_most_probable_clusters(read, blobs):
    probabilities = read.predict_proba(blobs[0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert probabilities.min() >= 0.0
    np.testing.assert_array_equal(probabilities.argmax(axis=1), read.labels_)


def test_probabilities_are_open_between_clusters(fitted):
    # Two blobs are centred at (0, 0) and (6, 0).
    inside, between = fitted.predict_proba([[0.0, 0.0], [3.0, 0.0]]).max(axis=1)
    assert inside > 0.95
    assert between < inside


def test_labels_are_integers_from_0_without_gaps(read):
    assert read.labels_.dtype == np.int64
    assert np.unique(read.labels_).tolist() == [0, 1, 2]


@pytest.mark.parametrize("assign_labels", READINGS)
def test_clusters_that_die_leave_no_gap_and_a_warning(assign_labels):
    # Four places cannot make six clusters.
    X = np.tile([[0.0, 0.0], [1.0, 0.0], [0.0, 5.0], [1.0, 5.0]], (5, 1))
    model = clustering(6, assign_labels=assign_labels, n_neighbors=2)
    with pytest.warns(ConvergenceWarning, match="of n_clusters=6 clusters have rows"):
        model.fit(X)
    found = np.unique(model.labels_)
    assert found.tolist() == list(range(found.size))
    assert found.size <= 4
    assert model.predict_proba(X).shape == (20, found.size)


def test_one_cluster_has_all_rows(blobs):
    model = clustering(1).fit(blobs[0])
    assert not model.labels_.any()
    np.testing.assert_array_equal(model.predict_proba(blobs[0]), np.ones((240, 1)))
    assert model.score(blobs[0]) == pytest.approx(0.0)


# A row is labelled by itself


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_alone_gets_the_bits_it_gets_in_company(read, blobs, dtype):
    X = blobs[0].astype(dtype)
    functions, labels = read.transform(X), read.predict(X)
    probabilities = read.predict_proba(X)
    for row in range(0, 240, 17):
        alone = X[row : row + 1]
        np.testing.assert_array_equal(read.transform(alone)[0], functions[row])
        np.testing.assert_array_equal(read.predict_proba(alone)[0], probabilities[row])
        assert read.predict(alone)[0] == labels[row]


@pytest.mark.parametrize("size", [2, 31, 33, 2047, 2049, 5000])
def test_company_of_any_size_changes_no_bit(fitted, size):
    X = np.random.default_rng(0).uniform(-3, 9, (5000, 2))
    functions = fitted.transform(X)
    order = np.random.default_rng(1).permutation(5000)[:size]
    np.testing.assert_array_equal(fitted.transform(X[order]), functions[order])
    np.testing.assert_array_equal(fitted.transform(X[-size:]), functions[-size:])


def test_every_call_answers_the_same(read, blobs):
    before = pickle.dumps(read)
    first = read.predict(blobs[0]), read.transform(blobs[0])
    second = read.predict(blobs[0]), read.transform(blobs[0])
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert pickle.dumps(read) == before


# Saved, copied, repeated


def test_a_pickle_answers_the_same(read, blobs):
    loaded = pickle.loads(pickle.dumps(read))
    np.testing.assert_array_equal(loaded.transform(blobs[0]), read.transform(blobs[0]))
    np.testing.assert_array_equal(loaded.predict(blobs[0]), read.labels_)


def test_joblib_and_a_new_process_answer_the_same(read, blobs, tmp_path):
    joblib.dump(read, tmp_path / "model.joblib")
    np.save(tmp_path / "rows.npy", blobs[0])
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "model.joblib").predict(blobs[0]), read.labels_
    )
    program = """
        import joblib, numpy as np
        model, rows = joblib.load("model.joblib"), np.load("rows.npy")
        np.savez("answers.npz", labels=model.predict(rows), one=model.predict(rows[:1]),
                 functions=model.transform(rows))
    """
    new_process.run(["-c", textwrap.dedent(program)], cwd=tmp_path, check=True)
    answers = np.load(tmp_path / "answers.npz")
    np.testing.assert_array_equal(answers["labels"], read.labels_)
    np.testing.assert_array_equal(answers["one"], read.labels_[:1])
    np.testing.assert_array_equal(answers["functions"], read.transform(blobs[0]))


def test_the_same_seed_gives_the_same_fit(fitted, blobs):
    again = clustering().fit(blobs[0])
    np.testing.assert_array_equal(again.transform(blobs[0]), fitted.transform(blobs[0]))
    assert again.loss_curve_ == fitted.loss_curve_
    other = clustering(random_state=1).fit(blobs[0])
    assert other.loss_curve_ != fitted.loss_curve_


def test_a_refit_starts_anew(fitted, blobs):
    model = clustering().fit(blobs[0][::-1] + 1.0)
    np.testing.assert_array_equal(
        model.fit(blobs[0]).transform(blobs[0]), fitted.transform(blobs[0])
    )


def test_a_random_state_instance_is_drawn_from(blobs):
    first, second = np.random.RandomState(3), np.random.RandomState(3)
    left = clustering(random_state=first).fit(blobs[0])
    right = clustering(random_state=second).fit(blobs[0])
    assert left.loss_curve_ == right.loss_curve_
    # It has moved on, so that the next fit differs.
    assert clustering(random_state=first).fit(blobs[0]).loss_curve_ != left.loss_curve_


def test_global_random_states_are_neither_read_nor_changed(blobs):
    def states():
        return np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002

    before = states()
    model = clustering(network=Tanh, training__assignment="gumbel_softmax").fit(
        blobs[0]
    )
    model.predict(blobs[0])
    after = states()
    np.testing.assert_array_equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    again = clustering(network=Tanh, training__assignment="gumbel_softmax").fit(
        blobs[0]
    )
    assert again.loss_curve_ == model.loss_curve_


# Inputs


def test_any_container_of_the_same_rows_gives_the_same_fit(tmp_path):
    X = make_blobs(90, centers=3, random_state=2)[0].round().astype(int)
    expected = clustering(n_neighbors=15).fit(X.astype(float))
    np.save(tmp_path / "rows.npy", X.astype(float))
    containers = [
        X,
        X.tolist(),
        np.asfortranarray(X, dtype=float),
        np.load(tmp_path / "rows.npy", mmap_mode="r"),
        np.repeat(X.astype(float), 2, axis=1)[:, ::2],
    ]
    for container in containers:
        model = clustering(n_neighbors=15).fit(container)
        np.testing.assert_array_equal(model.labels_, expected.labels_)
        np.testing.assert_array_equal(
            model.transform(container), expected.transform(X.astype(float))
        )


def test_functions_come_in_the_float_type_of_the_rows(fitted, blobs):
    single = clustering().fit(blobs[0].astype(np.float32))
    for model in (fitted, single):
        assert model.transform(blobs[0]).dtype == np.float64
        assert model.transform(blobs[0].astype(np.float32)).dtype == np.float32
    assert adjusted_rand_score(single.labels_, fitted.labels_) > 0.95


def test_fit_leaves_its_input_alone(blobs):
    X = blobs[0].copy()
    X.flags.writeable = False
    matrix = graph_of(X).weights
    before = matrix.copy()
    clustering(affinity="precomputed").fit(X, affinity_matrix=matrix).predict(X)
    np.testing.assert_array_equal(matrix.toarray(), before.toarray())


# Invariances


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_units_and_origin_do_not_matter(fitted, blobs, scale, shift):
    moved = clustering().fit(scale * (blobs[0] + shift))
    assert adjusted_rand_score(moved.labels_, fitted.labels_) > 0.95


def test_the_order_of_rows_does_not_matter(fitted, blobs):
    order = np.random.default_rng(0).permutation(240)
    shuffled = clustering().fit(blobs[0][order])
    assert adjusted_rand_score(shuffled.labels_, fitted.labels_[order]) > 0.95


def test_the_order_of_features_does_not_matter(fitted, blobs):
    swapped = clustering().fit(blobs[0][:, ::-1])
    assert adjusted_rand_score(swapped.labels_, fitted.labels_) > 0.95


# Eigenfunctions


def test_eigenvalues_descend_from_1(read):
    assert read.eigenvalues_[0] == 1.0
    # But for what the network errs.
    assert np.all(np.diff(read.eigenvalues_) <= 0.01)
    assert np.all(np.abs(read.eigenvalues_) <= 1.0)


@pytest.mark.parametrize("assign_labels", ["kmeans", "cluster_qr"])
def test_labels_off_functions_survive_eigenvalues_that_are_nearly_equal(assign_labels):
    # Two rings have the eigenvalues 1, 1, 0.9996, 0.9996: closer than a network errs.
    X, y = make_circles(1400, noise=0.04, factor=0.5, random_state=1)
    for seed in range(2):
        model = NeuralEigenSpectralClustering(
            2,
            assign_labels=assign_labels,
            training=Training(max_iter=60),
            random_state=seed,
        )
        assert clustering_accuracy(y, model.fit_predict(X)) > 0.99


def test_functions_are_orthonormal_eigenfunctions_on_the_graph(fitted, blobs):
    graph = graph_of(blobs[0])
    functions = fitted.transform(blobs[0])
    np.testing.assert_array_equal(functions[:, 0], 1.0)
    shares = graph.degrees / graph.degrees.sum()
    gram = functions.T @ (shares[:, None] * functions)
    np.testing.assert_allclose(gram, np.eye(functions.shape[1]), atol=1e-4)
    energy = functions.T @ (graph.weights @ functions) / graph.degrees.sum()
    np.testing.assert_allclose(np.diag(energy), fitted.eigenvalues_, atol=1e-4)
    # Nearest to the exact functions, not the best in their span: but almost.
    np.testing.assert_allclose(energy, np.diag(fitted.eigenvalues_), atol=1e-2)
    exact = graph_spectrum(graph.weights, functions.shape[1]).functions
    error = np.square(functions - exact).mean(axis=0)
    assert error.max() < 0.05


def test_functions_have_a_name_each(fitted, blobs):
    names = fitted.get_feature_names_out()
    assert names.size == fitted.transform(blobs[0]).shape[1] == fitted.eigenvalues_.size
    assert names[0] == "neuraleigenspectralclustering0"


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = X / X.std()
    tuned = NeuralEigenSpectralClustering(10, random_state=0).fit(X)
    return X, y, tuned


def test_digits_are_clustered_and_their_spectrum_is_near_exact(digits):
    X, y, tuned = digits
    exact = graph_spectrum(graph_of(X).weights, tuned.eigenvalues_.size).eigenvalues
    assert trace_ratio(tuned.eigenvalues_, exact) >= 0.99
    assert clustering_accuracy(y, tuned.labels_) >= 0.9


def test_fine_tuning_improves_what_it_starts_from(digits, monkeypatch):
    X = digits[0]
    # From heads on fresh weights: a whole warm start leaves nothing to learn here.
    monkeypatch.setattr(_teach, "MAX_STEPS", 0)
    monkeypatch.setattr(_teach, "MIN_PASSES", 0)
    start, tuned = (
        NeuralEigenSpectralClustering(
            10, training=Training(max_iter=steps), random_state=0
        ).fit(X)
        for steps in (0, 100)
    )
    assert start.loss_curve_ == [] and len(tuned.loss_curve_) == 100
    assert tuned.ncut_ <= start.ncut_
    assert tuned.eigenvalues_.sum() > start.eigenvalues_.sum() + 0.01


def test_the_cut_and_the_score_are_those_of_the_labels_on_the_graph(fitted, blobs):
    weights = graph_of(blobs[0]).weights
    assert fitted.ncut_ == pytest.approx(normalized_cut(weights, fitted.labels_))
    assert fitted.score(blobs[0]) == pytest.approx(modularity(weights, fitted.labels_))
    assert 0.5 < fitted.score(blobs[0]) <= 1.0


def test_the_score_is_that_of_the_regularized_graph(blobs):
    model = clustering(affinity__regularization=0.5).fit(blobs[0])
    graph = NeighborAffinity(10, regularization=0.5).build(blobs[0], seed=0)
    assert graph.uniform > 0
    labels = model.labels_
    expected = modularity(graph.weights, labels, uniform=graph.uniform)
    assert model.score(blobs[0]) == pytest.approx(expected)
    assert expected < modularity(graph.weights, labels) - 0.05


def test_n_components_counts_the_constant_function(blobs):
    model = clustering(n_components=4).fit(blobs[0])
    assert model.eigenvalues_.shape == (4,)
    assert model.transform(blobs[0]).shape == (240, 4)


# Training


@pytest.mark.parametrize("max_iter", [1, 7])
def test_every_step_leaves_its_loss(blobs, max_iter):
    model = clustering(training__max_iter=max_iter, training__early_stopping=False).fit(
        blobs[0]
    )
    assert len(model.loss_curve_) == max_iter
    # What the warm start took counts as well.
    assert model.n_iter_ > max_iter
    assert np.all(np.isfinite(model.loss_curve_))


def test_a_random_start_learns_the_clusters(blobs):
    X, y = blobs
    model = clustering(
        training__init="random",
        assign_labels="kmeans",
        training__max_iter=300,
        training__lr=5e-3,
    )
    model.fit(X)
    assert clustering_accuracy(y, model.labels_) >= 0.98
    assert np.mean(model.loss_curve_[-20:]) < np.mean(model.loss_curve_[:20])


@pytest.mark.parametrize(
    "params",
    [
        {"training__walk_length": 3},
        {"affinity__regularization": 0.1},
        {"training__head": "orthogonal"},
        {"network": Tanh},
        {"training__objective": "neuralef"},
        {"training__objective": "nested_low_rank"},
        {"training__label_objective": "neuralef"},
        {"training__assignment": "gumbel_softmax"},
        {"training__sampling": "nodes"},
        {"affinity__weights": "binary"},
        {"affinity__weights": "heat"},
        {"metric": "manhattan"},
        {"affinity": "rbf"},
        {"affinity": gaussian},
        {"n_neighbors": np.int64(8), "n_components": np.int32(5)},
        {"hidden_sizes": [np.int64(16), 16]},
        {"training__batch_size": 2},
        {"training__temperature": [2.0, 0.5]},
    ],
    # Without the addresses of functions: two processes collect the same tests.
    ids=lambda params: str({k: getattr(v, "__name__", v) for k, v in params.items()}),
)
def test_every_part_recovers_blobs(blobs, params):
    X, y = blobs
    model = clone(clustering(**params)).fit(X)
    assert clustering_accuracy(y, model.labels_) >= 0.98
    assert np.all(np.isfinite(model.loss_curve_))


def test_cosine_clusters_directions():
    generator = np.random.default_rng(0)
    angles = np.repeat([0.0, 2.0, 4.0], 50) + generator.normal(scale=0.1, size=150)
    lengths = generator.uniform(0.5, 2.0, 150)
    X = lengths[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    # Kernels between opposite directions are cut at 0, and leave three components.
    model = clustering(affinity="cosine").fit(X)
    assert clustering_accuracy(np.repeat(range(3), 50), model.labels_) == 1.0


def test_dense_kernels_with_small_eigenvalues_keep_their_clusters():
    # All rows point much the same way: the second eigenvalue is 0.04, and ten steps of
    # a walk leave nothing of it.
    X, y = load_iris(return_X_y=True)
    model = clustering(affinity="cosine").fit(X)
    assert model.graph_eigenvalues_[1] < 0.1
    assert np.unique(model.labels_).size == 3
    assert normalized_mutual_info_score(y, model.labels_) > 0.55


def test_two_pairs_of_rows_are_two_clusters():
    X = np.array([[0.0], [0.1], [5.0], [5.1]])
    labels = NeuralEigenSpectralClustering(2, n_neighbors=3, random_state=0).fit(X)
    assert labels.predict(X).tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])


def test_rbf_is_the_callable_that_it_names(blobs):
    named = clustering(affinity="rbf", gamma=0.5).fit(blobs[0])
    given = clustering(affinity=gaussian).fit(blobs[0])
    assert named.affinity_.gamma_ == 0.5
    assert not hasattr(given.affinity_, "gamma_")
    # Rounding differs, and training amplifies it.
    np.testing.assert_allclose(named.eigenvalues_, given.eigenvalues_, atol=0.01)
    assert adjusted_rand_score(named.labels_, given.labels_) == 1.0
    assert named.score(blobs[0]) == pytest.approx(given.score(blobs[0]), abs=1e-9)


def test_the_width_in_use_goes_with_the_kernel(blobs):
    model = clustering(affinity="rbf").fit(blobs[0])
    assert model.affinity_.gamma_ > 0
    assert model.affinity == "rbf"
    model.set_params(affinity="nearest_neighbors").fit(blobs[0])
    assert not hasattr(model.affinity_, "gamma_")


def test_a_users_network_is_the_one_that_is_trained(blobs):
    model = clustering(network=Tanh).fit(blobs[0])
    assert isinstance(model.eigenfunctions_.network.trunk, Tanh)
    loaded = pickle.loads(pickle.dumps(model))
    # Its dropout rests in prediction.
    np.testing.assert_array_equal(loaded.predict(blobs[0]), model.labels_)
    np.testing.assert_array_equal(loaded.transform(blobs[0]), model.transform(blobs[0]))


# So few steps may leave a cluster without rows.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_published_recipe_is_reached_by_parameters(blobs):
    model = clustering(
        training__init="random",
        training__objective="neuralef",
        training__label_objective="neuralef",
        training__assignment="gumbel_softmax",
        training__head="orthogonal",
        training__sampling="nodes",
        training__temperature=(1.0, 0.3),
        training__max_iter=50,
        training__early_stopping=False,
    )
    model.fit(blobs[0])
    assert model.n_iter_ == 50
    assert np.all(np.isfinite(model.loss_curve_))
    assert np.all(np.isfinite(model.predict_proba(blobs[0])))
    network = model.eigenfunctions_.network
    assert network.assignment.temperature == pytest.approx(0.3)
    assert network.assignment.noise
    for head in (network.function_head, network.label_head):
        weight = head.weight.detach()
        eye = torch.eye(weight.shape[0])
        torch.testing.assert_close(weight @ weight.T, eye, atol=1e-5, rtol=0)


# Given graphs


@pytest.mark.parametrize(
    "convert",
    [
        lambda weights: weights,
        lambda weights: weights.toarray(),
        lambda weights: weights.toarray().tolist(),
        lambda weights: weights.tocsc(),
        lambda weights: _with_indices(weights, np.int32),
        lambda weights: _with_indices(weights, np.int64),
    ],
    ids=["csr", "dense", "list", "csc", "int32", "int64"],
)
def test_a_given_graph_is_as_good_as_a_found_one(fitted, blobs, convert):
    X = blobs[0]
    matrix = convert(graph_of(X).weights)
    model = clustering(affinity="precomputed").fit(X, affinity_matrix=matrix)
    np.testing.assert_array_equal(model.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(model.labels_, fitted.labels_)
    score = model.score(X, affinity_matrix=matrix)
    assert score == pytest.approx(fitted.score(X))


def _with_indices(weights, kind):
    weights = weights.copy()
    weights.indices = weights.indices.astype(kind)
    weights.indptr = weights.indptr.astype(kind)
    return weights


@pytest.mark.parametrize("n_stored", [10, 15])
def test_given_neighbours_are_as_good_as_found_ones(fitted, blobs, n_stored):
    X = blobs[0]
    without_self = kneighbors_graph(X, n_stored, mode="distance", include_self=False)
    with_self = KNeighborsTransformer(n_neighbors=n_stored).fit_transform(X)
    assert with_self.nnz == 240 * (n_stored + 1)
    for matrix in (without_self, with_self):
        model = clustering(affinity="precomputed_nearest_neighbors")
        model.fit(X, affinity_matrix=matrix)
        np.testing.assert_allclose(model.transform(X), fitted.transform(X), atol=1e-3)
        np.testing.assert_array_equal(model.labels_, fitted.labels_)


# Difficult graphs


def far_blobs(n_blobs, n_per_blob=60, seed=0):
    """Blobs so far apart that the graph has a component for each."""
    labels = np.repeat(np.arange(n_blobs), n_per_blob)
    X = np.random.default_rng(seed).normal(size=(labels.size, 2))
    X[:, 0] += 100.0 * labels
    return X, labels


@pytest.mark.parametrize("assign_labels", READINGS)
def test_components_are_recovered_exactly(assign_labels):
    X, y = far_blobs(4)
    model = clustering(4, assign_labels=assign_labels).fit(X)
    assert model.n_connected_components_ == 4
    assert clustering_accuracy(y, model.labels_) == 1.0
    assert model.ncut_ == pytest.approx(0.0)
    np.testing.assert_allclose(model.eigenvalues_[:4], 1.0, atol=1e-2)


def test_long_components_are_not_cut_for_evener_sizes():
    # Cutting an arc costs next to nothing, and thirds have more modularity.
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [700, 700, 350])
    angles = 2 * np.pi * (y + generator.uniform(0.05, 0.75, y.size)) / 3
    radii = 1 + 0.5 * np.sin(3 * angles) + generator.normal(0, 0.06, y.size)
    X = radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    model = clustering(3).fit(X)
    assert model.n_connected_components_ == 3
    assert clustering_accuracy(y, model.labels_) == 1.0


def test_more_components_than_clusters_are_united_with_a_warning():
    X, y = far_blobs(4)
    with pytest.warns(GraphWarning, match="4 connected components for 2 clusters") as w:
        model = clustering(2).fit(X)
    assert [warning.filename for warning in w] == [__file__]
    for component in range(4):
        assert np.unique(model.labels_[y == component]).size == 1
    assert np.unique(model.labels_).size == 2


def test_outlier_clumps_do_not_take_clusters(blobs):
    X, y = make_blobs(900, centers=[[0, 0], [6, 0], [3, 5]], random_state=0)
    generator = np.random.default_rng(0)
    centres = 1000.0 + 100.0 * np.arange(12)
    clumps = centres.repeat(12)[:, None] + generator.normal(scale=0.1, size=(144, 2))
    # Twelve components of twelve rows beside one of 900: only that one is clustered.
    model = clustering().fit(np.concatenate([X, clumps]))
    assert model.n_connected_components_ == 1
    assert clustering_accuracy(y, model.labels_[:900]) >= 0.98
    assert np.unique(model.labels_).size == 3


def test_duplicates_share_their_label_and_change_no_cluster(blobs):
    X, y = blobs
    copies = np.repeat(X, 15, axis=0)
    model = clustering().fit(copies)
    assert np.all(model.labels_.reshape(240, 15) == model.labels_[::15, None])
    assert clustering_accuracy(y, model.labels_[::15]) >= 0.98


@pytest.mark.filterwarnings("ignore::neuraleig.GraphWarning")
@pytest.mark.parametrize("affinity", ["nearest_neighbors", "rbf"])
@pytest.mark.parametrize("assign_labels", READINGS)
@pytest.mark.parametrize("init", ["spectral", "random"])
def test_identical_rows_are_one_cluster(affinity, assign_labels, init):
    X = np.full((20, 3), 7.0)
    model = clustering(
        2, affinity=affinity, assign_labels=assign_labels, training__init=init
    )
    with pytest.warns(ConvergenceWarning, match="Only 1 of n_clusters=2"):
        model.fit(X)
    assert not model.labels_.any()
    np.testing.assert_array_equal(model.transform(X), np.ones((20, 1)))


@pytest.mark.parametrize("assign_labels", READINGS)
def test_two_rows_are_enough(assign_labels):
    X = np.array([[0.0, 0.0], [1.0, 1.0]])
    model = clustering(1, assign_labels=assign_labels)
    with pytest.warns(GraphWarning, match="1 neighbours are used instead"):
        model.fit(X)
    assert model.labels_.tolist() == [0, 0]
    assert model.transform(X).shape == (2, 2)


def test_too_many_neighbours_are_clipped_with_a_warning(blobs):
    X = blobs[0][:8]
    with pytest.warns(GraphWarning, match="n_neighbors=10 is not below .* 7 neighb"):
        model = clustering(1).fit(X)
    full = clustering(1, n_neighbors=7).fit(X)
    np.testing.assert_array_equal(model.transform(X), full.transform(X))


# Inside scikit-learn


def test_a_pipeline_is_its_steps(blobs):
    X = blobs[0] * [1.0, 50.0]
    pipeline = make_pipeline(StandardScaler(), clustering()).fit(X)
    scaler = StandardScaler().fit(X)
    alone = clustering().fit(scaler.transform(X))
    np.testing.assert_array_equal(pipeline.predict(X), alone.labels_)
    np.testing.assert_array_equal(
        pipeline.transform(X), alone.transform(scaler.transform(X))
    )


def test_a_grid_search_finds_the_number_of_clusters(blobs):
    grid = {"n_clusters": np.arange(2, 6)}
    search = GridSearchCV(clustering(), grid, cv=3).fit(blobs[0])
    assert search.best_params_ == {"n_clusters": 3}


def test_a_grid_search_compares_neighbourhoods(blobs):
    grid = {"n_neighbors": [4, 12]}
    search = GridSearchCV(clustering(), grid, cv=2).fit(blobs[0])
    scores = search.cv_results_["mean_test_score"]
    assert np.all(scores > 0.5)
    assert search.best_params_["n_neighbors"] == grid["n_neighbors"][scores.argmax()]
    assert clustering_accuracy(blobs[1], search.best_estimator_.labels_) >= 0.98
    assert search.best_estimator_.get_params().items() >= search.best_params_.items()


def test_cross_validation_scores_unseen_rows(blobs):
    order = np.random.default_rng(0).permutation(240)
    scores = cross_val_score(clustering(), blobs[0][order], cv=3)
    assert scores.shape == (3,)
    assert np.all(scores > 0.5)


def test_a_clone_has_the_parameters_and_nothing_else(blobs):
    model = clustering(
        network=Tanh, affinity=gaussian, training__temperature=(1.0, 0.5)
    )
    model.fit(blobs[0])
    copy = clone(model)
    assert vars(copy).keys() == model.get_params(deep=False).keys()
    # The settings of training are a copy of their own.
    assert copy.training is not model.training
    own, copied = (dict(m.get_params(), training=None) for m in (model, copy))
    assert own == copied
    np.testing.assert_array_equal(copy.fit(blobs[0]).labels_, model.labels_)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform", "score"])
def test_nothing_answers_before_fit(method, blobs):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(clustering(), method)(blobs[0])


def test_a_data_frame_gives_its_columns_names(blobs):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(blobs[0], columns=["east", "north"])
    model = clustering().fit(frame)
    assert model.feature_names_in_.tolist() == ["east", "north"]
    np.testing.assert_array_equal(model.predict(frame), model.labels_)
    # Every method takes the frame without a word about names.
    bare = clustering().fit(blobs[0])
    assert model.score(frame) == pytest.approx(bare.score(blobs[0]))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["north", "east"]])
