"""The steps of a fit, each by what it hands to the next."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from neuraleig import (
    GraphWarning,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
)
from neuraleig._random import Seeds
from neuraleig.affinity import Graph, NeighborAffinity, RBFAffinity
from neuraleig.estimators import _base, _steps
from neuraleig.estimators._steps import (
    Settings,
    build_problem,
    fine_tune,
    judge_labels,
    make_objective,
    solve_targets,
    warm_start,
    without_outliers,
)
from neuraleig.metrics import clustering_accuracy, modularity, normalized_cut
from neuraleig.networks import make_network
from neuraleig.spectrum import graph_spectrum

CPU = torch.device("cpu")
SEEDS = Seeds.draw(0)
SETTINGS = {
    "objective": "rayleigh",
    "label_objective": "normalized_cut",
    "sampling": "edges",
    "walk_length": 1,
    "max_iter": 20,
    "batch_size": 64,
    "lr": 1e-3,
    "temperature": (1.0, 1.0),
    "early_stopping": True,
    "validation_fraction": 0.1,
    "n_iter_no_change": 10,
    "tol": 1e-4,
}


def components_of(*sizes):
    """A graph whose components are complete graphs."""
    blocks = [np.ones((size, size)) - np.eye(size) for size in sizes]
    weights = sp.csr_array(sp.block_diag(blocks))
    return Graph(weights, 10 * np.arange(sum(sizes)))


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(600, centers=[[0, 0], [6, 0], [3, 5]], random_state=0)


@pytest.fixture(scope="module")
def problem(blobs):
    return build_problem(blobs[0], NeighborAffinity(), 3, SEEDS)


@pytest.fixture(scope="module")
def targets(problem):
    return solve_targets(problem, 4, 9, 3, 10.0, SEEDS)


def small_network(n_features=2, n_functions=3, n_clusters=3, seed=0):
    torch.manual_seed(seed)
    return make_network(
        "mlp",
        n_features=n_features,
        n_functions=n_functions,
        n_clusters=n_clusters,
        hidden_sizes=(32,),
    )


# Outliers


def test_as_many_components_as_clusters_are_kept():
    graph = components_of(50, 2)
    assert without_outliers(graph, 2) is graph


def test_components_too_small_for_a_cluster_are_left_out():
    # A tenth of the mean of three clusters of 113 nodes is 3.8 nodes.
    kept = without_outliers(components_of(2, 50, 3, 50, 2, 6), 3)
    assert kept.n_nodes == 106
    nodes = np.concatenate([np.arange(2, 52), np.arange(55, 105), np.arange(107, 113)])
    np.testing.assert_array_equal(kept.index, 10 * nodes)
    sizes = np.bincount(kept.component_labels)
    assert sorted(sizes) == [6, 50, 50]


def test_large_components_beyond_the_clusters_are_reported():
    with pytest.warns(GraphWarning, match="3 connected components for 2 clusters"):
        kept = without_outliers(components_of(30, 30, 30, 1), 2)
    assert kept.n_nodes == 90


def test_one_cluster_of_components_is_reported_without_advice_on_clusters():
    with pytest.warns(GraphWarning, match="tell nothing but them apart") as caught:
        without_outliers(components_of(30, 30), 1)
    assert "n_clusters" not in str(caught[0].message)


def test_a_graph_of_nothing_but_outliers_is_kept_whole():
    graph = components_of(*[2] * 60)
    with pytest.warns(GraphWarning, match="60 connected components"):
        assert without_outliers(graph, 2) is graph


def test_uniform_weight_connects_components_and_silences_the_warning():
    graph = components_of(30, 30, 30).regularized(0.1)
    assert without_outliers(graph, 1) is graph


def test_regularization_serves_where_the_warning_recommends_it():
    X = np.random.default_rng(0).normal(size=(60, 2)) + [[0, 0], [99, 0]] * 30
    model = NeuralSpectralEmbedding(2, regularization=0.1, max_iter=5, random_state=0)
    model.fit(X)
    assert model.eigenvalues_[1] < 1.0


# Problem


def test_nodes_are_standardised_distinct_rows(blobs):
    X = np.repeat(blobs[0][:50], 2, axis=0)
    found = build_problem(X, NeighborAffinity(), 1, SEEDS)
    np.testing.assert_array_equal(found.graph.index, np.arange(0, 100, 2))
    rows = (X[::2] - X.mean(axis=0)) / np.sqrt(np.mean((X - X.mean(axis=0)) ** 2))
    np.testing.assert_allclose(found.nodes.numpy(), rows, rtol=1e-5, atol=1e-6)
    assert found.nodes.dtype == torch.float32


def test_identical_rows_leave_nothing_to_learn():
    found = build_problem(np.ones((9, 2)), RBFAffinity(), 1, SEEDS)
    assert found.has_edges
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphWarning)
        found = build_problem(np.ones((9, 2)), NeighborAffinity(), 1, SEEDS)
    assert found.graph.n_nodes == 1
    assert not found.has_edges


# Targets


def test_targets_are_exact_eigenfunctions_and_labels_read_off_more(
    problem, targets, blobs
):
    weights = problem.graph.weights
    exact = graph_spectrum(weights, 9, seed=SEEDS.spectrum)
    np.testing.assert_allclose(
        targets.functions, exact.functions[:, 1:4], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(targets.index, np.arange(600))
    assert clustering_accuracy(blobs[1], targets.labels) >= 0.99


def test_large_graphs_are_solved_on_landmarks(problem, blobs, monkeypatch):
    monkeypatch.setattr(_steps, "MAX_SOLVED_NODES", 599)
    monkeypatch.setattr(_steps, "N_LANDMARKS", 150)
    found = solve_targets(problem, 4, 9, 3, 10.0, SEEDS)
    assert found.index.shape == (150,)
    assert np.all(np.diff(found.index) > 0)
    assert found.functions.shape == (150, 3)
    # Targets stand beside the rows that they belong to.
    assert clustering_accuracy(blobs[1][found.index], found.labels) >= 0.98


def test_outliers_among_landmarks_have_no_target(monkeypatch):
    X, y = make_blobs(600, centers=[[0, 0], [9, 0]], random_state=0)
    clump = np.random.default_rng(0).normal(1e4, 1.0, (40, 2))
    rows = np.concatenate([clump, X])
    monkeypatch.setattr(_steps, "MAX_SOLVED_NODES", 600)
    monkeypatch.setattr(_steps, "N_LANDMARKS", 300)
    # The clump is large enough in the whole graph: two clusters, three components.
    with pytest.warns(GraphWarning):
        problem = build_problem(rows, NeighborAffinity(), 2, SEEDS)
    assert problem.graph.n_nodes == 640
    monkeypatch.setattr(_steps, "OUTLIER_SHARE", 0.5)
    found = solve_targets(problem, 3, 6, 2, 10.0, SEEDS)
    assert found.index.min() >= 40
    assert clustering_accuracy(y[found.index - 40], found.labels) >= 0.99


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans"])
def test_landmarks_recover_blobs_end_to_end(blobs, monkeypatch, assign_labels):
    monkeypatch.setattr(_steps, "MAX_SOLVED_NODES", 100)
    monkeypatch.setattr(_steps, "N_LANDMARKS", 80)
    solved = []

    def recorded(*args):
        solved.append(solve_targets(*args))
        return solved[-1]

    monkeypatch.setattr(_base, "solve_targets", recorded)
    model = NeuralEigenSpectralClustering(
        3, assign_labels=assign_labels, hidden_sizes=(32,), max_iter=50, random_state=0
    )
    assert clustering_accuracy(blobs[1], model.fit_predict(blobs[0])) >= 0.98
    assert [part.index.size for part in solved] == [80]


def test_the_judge_of_labels_is_the_graph(problem, blobs):
    judgement = judge_labels(problem.graph, blobs[1])
    weights = problem.graph.weights
    assert judgement.cut == pytest.approx(normalized_cut(weights, blobs[1]))
    assert judgement.modularity == pytest.approx(modularity(weights, blobs[1]))


# Warm start


def test_a_warm_start_teaches_functions_and_labels(problem, targets):
    network = small_network()
    warm_start(network, problem, targets, 128, SEEDS, CPU)
    with torch.no_grad():
        functions, logits, _ = network(problem.nodes)
    assert adjusted_rand_score(targets.labels, logits.argmax(dim=1)) > 0.95
    # The leading two tell the blobs apart; the third is finer than so few steps.
    error = (functions - targets.functions).square().mean(dim=0)[:2]
    assert float(error.max()) < 0.1


@pytest.mark.parametrize("learnable", [True, False])
def test_rounds_end_when_labels_are_learned_or_rows_were_seen(
    problem, targets, monkeypatch, learnable
):
    steps = []

    def recorded(network, batches, objective, schedule, **options):
        steps.append(schedule.n_steps)
        if learnable:
            train(network, batches, objective, schedule, **options)

    train = _steps.train
    monkeypatch.setattr(_steps, "train", recorded)
    # Whether the functions are learned too is another test's business.
    monkeypatch.setattr(_steps, "LEARNED_ERROR", np.inf)
    # Eight passes over 600 rows in batches of two.
    warm_start(small_network(), problem, targets, 2, SEEDS, CPU)
    assert len(steps) == (1 if learnable else 12)
    assert set(steps) == {200}


def test_rounds_go_on_until_functions_are_learned_however_easy_the_labels(
    problem, targets, monkeypatch
):
    rounds = []
    monkeypatch.setattr(_steps, "train", lambda *args, **kwargs: rounds.append(1))
    easy = replace(targets, labels=torch.zeros_like(targets.labels))
    network = small_network(n_clusters=1)
    warm_start(network, problem, easy, 128, SEEDS, CPU)
    assert len(rounds) == _steps.ROUNDS_ALLOWED


# Fine-tuning


@pytest.fixture
def early_stopping(monkeypatch):
    """Every early stopping that is made."""
    made = []

    class Recorded(_steps.EarlyStopping):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(_steps, "EarlyStopping", Recorded)
    return made


@pytest.mark.parametrize("lr", [1e-3, 1e3])
def test_the_best_held_out_state_is_kept(problem, targets, early_stopping, lr):
    network = small_network()
    warm_start(network, problem, targets, 128, SEEDS, CPU)
    settings = Settings(**SETTINGS | {"lr": lr, "max_iter": 150})
    state = fine_tune(network, problem, None, settings, SEEDS, CPU)
    (watch,) = early_stopping
    assert state.step == len(state.losses) == 150
    assert len(watch.scores) == 4
    with torch.no_grad():
        score = float(watch.objective(network(watch.batch.inputs), watch.batch))
    assert score == pytest.approx(min(watch.scores))
    # A rate that is far too large ends worse than it began, and is undone.
    assert (score == pytest.approx(watch.scores[0])) == (lr == 1e3)


def test_training_stops_without_improvement(problem, early_stopping):
    settings = Settings(
        **SETTINGS | {"max_iter": 1000, "lr": 1e-12, "n_iter_no_change": 2}
    )
    state = fine_tune(small_network(), problem, None, settings, SEEDS, CPU)
    assert state.step == len(state.losses) == 150
    assert len(early_stopping[0].scores) == 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, 1), ({"early_stopping": False}, 0), ({"validation_fraction": 0.01}, 0)],
)
def test_training_is_watched_where_enough_is_held_out(
    problem, early_stopping, changes, expected
):
    settings = Settings(**SETTINGS | changes)
    fine_tune(small_network(), problem, None, settings, SEEDS, CPU)
    assert len(early_stopping) == expected


def test_the_targets_stay_in_the_objective(problem, targets, early_stopping):
    network = small_network()
    settings = Settings(**SETTINGS)
    fine_tune(network, problem, targets, settings, SEEDS, CPU)
    fine_tune(network, problem, None, settings, SEEDS, CPU)
    anchored, free = early_stopping
    with torch.no_grad():
        outputs = network(anchored.batch.inputs)
        added = anchored.objective(outputs, anchored.batch)
        added = added - free.objective(outputs, anchored.batch)
        expected = _steps.ANCHOR * _steps._regression(targets, CPU)(
            outputs, anchored.batch
        )
    torch.testing.assert_close(added, expected)
    assert float(expected) > 0


def test_targets_of_landmarks_do_not_stay(problem, early_stopping, monkeypatch):
    monkeypatch.setattr(_steps, "MAX_SOLVED_NODES", 100)
    monkeypatch.setattr(_steps, "N_LANDMARKS", 80)
    few = solve_targets(problem, 4, 9, 3, 10.0, SEEDS)
    settings = Settings(**SETTINGS)
    network = small_network()
    fine_tune(network, problem, few, settings, SEEDS, CPU)
    fine_tune(network, problem, None, settings, SEEDS, CPU)
    with torch.no_grad():
        batch = early_stopping[0].batch
        outputs = network(batch.inputs)
        values = [float(watch.objective(outputs, batch)) for watch in early_stopping]
    assert values[0] == values[1]


@pytest.mark.parametrize("walk_length", [1, 3])
def test_edges_are_drawn_as_the_settings_say(problem, monkeypatch, walk_length):
    made = []

    class Recorded(_steps.EdgeSampler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(_steps, "EdgeSampler", Recorded)
    changes = {"walk_length": walk_length, "batch_size": 41}
    settings = Settings(**SETTINGS | changes)
    fine_tune(small_network(), problem, None, settings, SEEDS, CPU)
    (sampler,) = made
    assert (sampler.n_edges, sampler.n_steps) == (20, walk_length)
    held_out = sampler.n_held_out / (problem.graph.weights.nnz / 2)
    assert held_out == pytest.approx(0.1, abs=0.03)


def test_kernels_are_trained_on_all_rows_not_only_landmarks(blobs, monkeypatch):
    made = []

    class Recorded(_steps.NodeSampler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(_steps, "NodeSampler", Recorded)
    X = blobs[0]
    problem = build_problem(X, RBFAffinity(n_landmarks=100), 3, SEEDS)
    assert problem.graph.n_nodes == 100
    settings = Settings(**SETTINGS | {"sampling": "nodes"})
    fine_tune(small_network(), problem, None, settings, SEEDS, CPU)
    (sampler,) = made
    assert sampler.inputs.shape == (600, 2)
    # 60 rows could not judge the training: none are held out.
    assert sampler.n_held_out == 0
    # The kernel sees rows in their own units.
    index = np.array([3, 500, 7])
    among = sampler.among(index)
    matrix = problem.affinity.kernel(X[index], X[index])
    dense = np.zeros((3, 3))
    dense[among.source, among.target] = among.weight
    np.testing.assert_allclose(dense, np.triu(matrix, k=1), atol=1e-6)


@pytest.mark.parametrize("objective", ["rayleigh", "neuralef", "nested_low_rank"])
@pytest.mark.parametrize("label_objective", ["normalized_cut", "neuralef"])
def test_objectives_add_up_and_see_their_own_outputs(
    problem, early_stopping, objective, label_objective
):
    changes = {"objective": objective, "label_objective": label_objective}
    settings = Settings(**SETTINGS | changes)
    network = small_network()
    fine_tune(network, problem, None, settings, SEEDS, CPU)
    batch = early_stopping[0].batch
    combined = make_objective(settings, 3, 3)
    with torch.no_grad():
        outputs = network(batch.inputs)
    for part in ("functions", "assignments"):
        leaf = getattr(outputs, part).clone().requires_grad_()
        combined(outputs._replace(**{part: leaf}), batch).backward()
        assert float(leaf.grad.abs().max()) > 0
