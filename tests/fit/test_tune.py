"""Fine-tuning: what is minimised, on what, and which state is kept."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig._device import CPU
from neuraleig._fit import RowProblem, _tune
from neuraleig._fit._settings import Settings
from neuraleig._fit._teach import teach
from neuraleig._fit._tune import tune
from neuraleig.affinity import NeighborAffinity, RBFAffinity
from neuraleig.objectives import NormalizedCut, Rayleigh
from neuraleig.training import Training


@pytest.fixture
def early_stopping(monkeypatch):
    """Every early stopping that is made, in a list that grows."""
    made = []

    class Recorded(_tune.EarlyStopping):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(_tune, "EarlyStopping", Recorded)
    return made


@pytest.mark.parametrize("lr", [1e-3, 1e3])
def test_the_best_held_out_state_is_kept(
    problem, run, targets, early_stopping, lr, small_network, settings_of
):
    network = small_network()
    teach(network, problem, targets, settings_of(batch_size=256), run)
    settings = settings_of(lr=lr, max_iter=150)
    state = tune(network, problem, None, settings, run)
    (watch,) = early_stopping
    assert state.step == len(state.losses) == 150
    assert len(state.scores) == 4
    with torch.no_grad():
        score = float(watch.objective(network(watch.batch.inputs), watch.batch))
    assert score == pytest.approx(min(state.scores))
    # A rate that is far too large ends worse than it began, and is undone.
    assert (score == pytest.approx(state.scores[0])) == (lr == 1e3)


def test_training_stops_without_improvement(
    problem, run, early_stopping, small_network, settings_of
):
    settings = settings_of(max_iter=1000, lr=1e-12, n_iter_no_change=2)
    state = tune(small_network(), problem, None, settings, run)
    assert state.step == len(state.losses) == 150
    assert len(state.scores) == 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, 1), ({"early_stopping": False}, 0), ({"validation_fraction": 0.01}, 0)],
)
def test_training_is_watched_where_enough_is_held_out(
    problem, run, early_stopping, changes, expected, small_network, settings_of
):
    settings = settings_of(**changes)
    tune(small_network(), problem, None, settings, run)
    assert len(early_stopping) == expected


def objectives_of(monkeypatch):
    """Every objective that is trained."""
    trained = []

    def recorded(network, batches, objective, *args, **options):
        trained.append(objective)
        return train(network, batches, objective, *args, **options)

    train = _tune.train
    monkeypatch.setattr(_tune, "train", recorded)
    return trained


def test_the_targets_stay_in_the_objective(
    problem, run, targets, early_stopping, small_network, settings_of, monkeypatch
):
    trained = objectives_of(monkeypatch)
    network = small_network()
    for taught in (targets, None):
        tune(network, problem, taught, settings_of(), run)
    batch = early_stopping[0].batch
    with torch.no_grad():
        outputs = network(batch.inputs)
        added = trained[0](outputs, batch) - trained[1](outputs, batch)
        expected = _tune.ANCHOR * targets.regression(run.device)(outputs, batch)
    torch.testing.assert_close(added, expected)
    assert float(expected) > 0


def test_functions_alone_judge_what_follows_a_warm_start(
    problem, run, targets, early_stopping, small_network, settings_of
):
    # Its labels are fitted anew afterwards; without one they must count.
    network = small_network()
    for taught in (targets, None):
        tune(network, problem, taught, settings_of(), run)
    after, alone = early_stopping
    with torch.no_grad():
        outputs = network(after.batch.inputs)
        rayleigh = Rayleigh()(outputs, after.batch)
        labels = NormalizedCut()(outputs, after.batch)
        assert after.objective(outputs, after.batch) == rayleigh
        total = alone.objective(outputs, after.batch)
    torch.testing.assert_close(total, rayleigh + labels)


def test_orthogonal_labels_count_after_a_warm_start_too(
    problem, run, targets, early_stopping, small_network, settings_of
):
    network = small_network(head="orthogonal")
    tune(network, problem, targets, settings_of(), run)
    (watch,) = early_stopping
    with torch.no_grad():
        outputs = network(watch.batch.inputs)
        total = watch.objective(outputs, watch.batch)
        functions = Rayleigh()(outputs, watch.batch)
    assert total > functions


@pytest.mark.parametrize("walk_length", [1, 3])
def test_edges_are_drawn_as_the_settings_say(problem, walk_length, settings_of):
    settings = settings_of(walk_length=walk_length, batch_size=41)
    sampler, by_nodes = problem.tuning_batches(settings, 0.1, seed=0)
    assert by_nodes
    assert (sampler.n_edges, sampler.n_steps) == (20, walk_length)
    held_out = sampler.n_held_out / (problem.graph.weights.nnz / 2)
    assert held_out == pytest.approx(0.1, abs=0.03)


def test_kernels_are_trained_on_all_rows_not_only_landmarks(
    blobs, run, early_stopping, small_network, settings_of
):
    X = blobs[0]
    problem = RowProblem.build(X, RBFAffinity(n_landmarks=100), 3, run)
    assert problem.graph.n_nodes == 100
    settings = settings_of(by_edges=False, sampling="auto")
    sampler, by_nodes = problem.tuning_batches(settings, 0.0, seed=0)
    assert not by_nodes
    assert sampler.inputs.shape == (600, 2)
    # 60 rows could not judge the training: none are held out.
    tune(small_network(), problem, None, settings, run)
    assert early_stopping == []
    # The kernel sees rows in their own units.
    batch = next(iter(sampler))
    rows = X[batch.index]
    matrix = problem.affinity.kernel(rows, rows)
    among = batch.affinity
    dense = np.zeros(matrix.shape)
    dense[among.source, among.target] = among.weight
    np.testing.assert_allclose(dense, np.triu(matrix, k=1), atol=1e-6)


@pytest.mark.parametrize("objective", ["rayleigh", "neuralef", "nested_low_rank"])
@pytest.mark.parametrize("label_objective", ["normalized_cut", "neuralef"])
def test_objectives_add_up_and_see_their_own_outputs(
    problem, run, early_stopping, objective, label_objective, small_network, settings_of
):
    changes = {"objective": objective, "label_objective": label_objective}
    settings = settings_of(**changes)
    network = small_network()
    tune(network, problem, None, settings, run)
    batch = early_stopping[0].batch
    combined = early_stopping[0].objective
    with torch.no_grad():
        outputs = network(batch.inputs)
    for part in ("functions", "assignments"):
        leaf = getattr(outputs, part).clone().requires_grad_()
        combined(outputs._replace(**{part: leaf}), batch).backward()
        assert float(leaf.grad.abs().max()) > 0


@pytest.mark.parametrize("affinity", [NeighborAffinity(), RBFAffinity()])
def test_batches_of_rows_have_the_random_pairs_too(affinity):
    X, _ = make_blobs(120, centers=3, random_state=0)
    first = [
        NeuralEigenSpectralClustering(
            3,
            affinity=clone(affinity).set_params(regularization=share),
            training=Training(sampling="nodes", init="random", max_iter=3),
            hidden_sizes=(8,),
            random_state=0,
        )
        .fit(X)
        .loss_curve_[0]
        for share in (0.0, 5.0)
    ]
    # Random pairs are cut whatever the clusters are.
    assert first[1] > first[0] + 0.05


@pytest.mark.parametrize(
    ("changes", "n_rows", "batch_rows"),
    [
        ({}, 49_999, 512),
        ({}, 50_000, 1_024),
        ({"init": "random"}, 50_000, 512),
        ({"batch_size": 64}, 50_000, 64),
    ],
)
def test_steps_of_large_data_take_more_rows(changes, n_rows, batch_rows):
    settings = Settings.of(
        Training(**changes), by_edges=True, n_rows=n_rows, by_head=True, device=CPU
    )
    assert settings.batch_rows == batch_rows
