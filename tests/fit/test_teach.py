"""The warm start: what a network knows after it, and when it ends."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from neuraleig import NeuralEigenSpectralClustering
from neuraleig._fit import _fit, _row_problem, _teach
from neuraleig._fit._teach import WarmStart, refit_labels, teach
from neuraleig.metrics import clustering_accuracy
from neuraleig.networks import least_squares
from neuraleig.reading import judge_labels
from neuraleig.training import Training, TrainingState


@pytest.fixture
def rounds(monkeypatch):
    """Steps of every round of training, which are not taken."""
    taken = []

    def recorded(network, batches, objective, schedule, *, epoch_steps, **options):
        n_rounds = schedule.n_steps // epoch_steps
        taken.extend([epoch_steps] * n_rounds)
        return TrainingState(
            network, schedule.n_steps, step=schedule.n_steps, epoch=n_rounds
        )

    monkeypatch.setattr(_teach, "train", recorded)
    return taken


def test_functions_and_labels_are_taught(
    problem, targets, run, small_network, settings_of
):
    network = small_network(rows=problem.rows)
    teach(network, problem, targets, settings_of(by_head=False), run)
    with torch.no_grad():
        functions, logits, _ = network(problem.rows)
    assert adjusted_rand_score(targets.labels, logits.argmax(dim=1)) > 0.97
    error = (functions - targets.functions).square().mean()
    assert float(error) < 0.05


def test_heads_are_solved_for_on_fresh_weights(
    problem, targets, run, small_network, settings_of, rounds
):
    network = small_network(rows=problem.rows)
    teach(network, problem, targets, settings_of(), run)
    with torch.no_grad():
        hidden = network.trunk(problem.rows)
    weight, bias = least_squares(hidden, targets.functions)
    torch.testing.assert_close(network.function_head.weight.detach().double(), weight)
    torch.testing.assert_close(network.function_head.bias.detach().double(), bias)
    one_hot = torch.nn.functional.one_hot(targets.labels)
    weight, _ = least_squares(hidden, one_hot)
    factor = network.label_head.weight.detach().double() / weight
    assert 1.0 <= float(factor.min()) <= float(factor.max()) <= 32.0
    torch.testing.assert_close(factor, factor.mean().expand_as(factor))


def test_scores_are_sharp_where_labels_are_plain(
    problem, targets, run, small_network, settings_of
):
    network = small_network(rows=problem.rows)
    teach(network, problem, targets, settings_of(), run)
    with torch.no_grad():
        assignments = network.eval()(problem.rows).assignments
    assert float(assignments.amax(dim=1).mean()) > 0.95


def test_what_is_known_needs_no_round(
    problem, targets, run, small_network, settings_of, rounds
):
    settings = replace(settings_of(), learned_error=np.inf)
    start = teach(small_network(rows=problem.rows), problem, targets, settings, run)
    assert start == (True, 1)
    assert rounds == []


@pytest.fixture
def with_noise(targets):
    """Functions that no network learns, and labels that it does."""
    return replace(targets, functions=torch.randn(targets.functions.shape))


def test_known_labels_are_enough_where_functions_gain_no_more(
    problem, with_noise, run, small_network, settings_of
):
    network = small_network(rows=problem.rows)
    start = teach(network, problem, with_noise, settings_of(), run)
    # A round of 25 steps, and two least squares.
    assert start == (True, 2 + 25)


def test_labels_are_not_enough_where_functions_are_read(
    problem, with_noise, run, small_network, settings_of
):
    settings = settings_of(by_head=False, batch_size=512)
    start = teach(small_network(rows=problem.rows), problem, with_noise, settings, run)
    assert not start.has_learned
    assert start.n_updates > 250


@pytest.mark.parametrize(
    ("batch_size", "n_rounds", "n_steps"),
    [
        # 25 passes over 600 rows in batches of 256 are 59 steps.
        (512, 3, 25),
        # 300 steps are less than 25 passes in batches of 30.
        (60, 12, 25),
        # Six passes in batches of two, a round each.
        (4, 6, 300),
    ],
)
def test_rounds_without_success_end(
    problem,
    targets,
    run,
    small_network,
    settings_of,
    rounds,
    batch_size,
    n_rounds,
    n_steps,
):
    noise = torch.randint(3, targets.labels.shape)
    unlearnable = replace(targets, labels=noise)
    settings = settings_of(batch_size=batch_size)
    network = small_network()
    start = teach(network, problem, unlearnable, settings, run)
    assert rounds == [n_steps] * n_rounds
    assert start == (False, 1 + n_rounds * (n_steps + 1))


def test_small_clusters_count_as_much_as_large_ones(
    problem, targets, run, small_network, settings_of, rounds
):
    # Three labels drawn at random among 600 are 99.5 % of the rows learned, and
    # two clusters of three not learned at all.
    labels = torch.zeros_like(targets.labels)
    labels[torch.randperm(600)[:3]] = 1
    rare = replace(targets, labels=labels)
    settings = replace(settings_of(), learned_error=np.inf)
    start = teach(small_network(), problem, rare, settings, run)
    assert not start.has_learned
    assert rounds != []


def test_orthogonal_heads_learn_by_steps(
    problem, targets, run, small_network, settings_of
):
    network = small_network(rows=problem.rows, head="orthogonal")
    settings = settings_of(batch_size=256)
    teach(network, problem, targets, settings, run)
    with torch.no_grad():
        logits = network(problem.rows).logits
    assert adjusted_rand_score(targets.labels, logits.argmax(dim=1)) > 0.9
    weight = network.label_head.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(3))


# Labels after fine-tuning


def labels_of(network, problem):
    with torch.no_grad():
        return network.eval()(problem.rows).logits.argmax(dim=1)


def test_labels_that_cut_less_stay(problem, targets, run, small_network, settings_of):
    network = small_network(rows=problem.rows)
    teach(network, problem, targets, settings_of(), run)
    before = labels_of(network, problem)
    worse = replace(targets, labels=torch.randint(3, targets.labels.shape))
    refit_labels(network, problem, worse, run)
    assert adjusted_rand_score(before, labels_of(network, problem)) > 0.97


@pytest.mark.parametrize("spoiled", ["cut", "merged"])
def test_labels_of_the_warm_start_return_if_they_cut_less(
    problem, targets, run, small_network, settings_of, spoiled
):
    network = small_network(rows=problem.rows)
    teach(network, problem, targets, settings_of(), run)
    with torch.no_grad():
        if spoiled == "cut":
            network.label_head.weight.normal_()
        else:
            # One cluster for all cuts nothing, and is no clustering.
            network.label_head.bias[0] += 1e6
    refit_labels(network, problem, targets, run)
    found = labels_of(network, problem)
    assert adjusted_rand_score(targets.labels, found) > 0.97
    cut = judge_labels(problem.graph, found.numpy()).cut
    assert cut <= judge_labels(problem.graph, targets.labels.numpy()).cut + 0.01


def test_rows_that_alternate_between_clusters_keep_them_all(monkeypatch):
    # A stride through the rows would see one cluster.
    monkeypatch.setattr(_row_problem, "SOLVE_ROWS", 200)
    generator = np.random.default_rng(0)
    y = np.arange(600) % 3
    X = np.array([[0, 0], [9, 0], [0, 9]])[y] + generator.normal(size=(600, 2))
    model = NeuralEigenSpectralClustering(
        3, hidden_sizes=(32,), training=Training(max_iter=5), random_state=0
    )
    assert clustering_accuracy(y, model.fit_predict(X)) > 0.99


def test_small_clusters_are_among_the_rows_that_are_solved_for(problem, monkeypatch):
    # Of 31 rows among 2,030, a plain draw of 200 may have none.
    monkeypatch.setattr(_row_problem, "SOLVE_ROWS", 200)
    monkeypatch.setattr(_row_problem, "ROWS_PER_CLUSTER", 20)
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [999, 1000, 31])
    labels = torch.from_numpy(y)
    for part in range(5):
        drawn = problem.drawn(labels, part)
        assert drawn.unique().numel() == 200
        assert torch.bincount(labels[drawn], minlength=3).min() == 20
    X = np.array([[0, 0], [9, 0], [0, 9]])[y] + generator.normal(size=(2030, 2))
    model = NeuralEigenSpectralClustering(3, hidden_sizes=(32,), random_state=0)
    assert clustering_accuracy(y, model.fit_predict(X)) > 0.99


def test_few_rows_are_all_drawn(problem):
    drawn = problem.drawn(torch.tensor([2, 0, 0, 1]), 0)
    assert sorted(drawn.tolist()) == [0, 1, 2, 3]


def test_a_lower_cut_that_gives_up_a_cluster_is_worth_less(problem, targets):
    known = targets.labels.numpy()
    assert _teach._are_worth_more(problem, known.copy(), known)
    # All but three rows of a cluster go to its neighbour.
    shaved = known.copy()
    rows = np.flatnonzero(known == 1)
    shaved[rows[3:]] = 0
    assert not _teach._are_worth_more(problem, shaved, known)
    merged = np.where(known == 1, 0, known)
    assert not _teach._are_worth_more(problem, merged, known)


def test_orthogonal_labels_stay_as_they_are(
    problem, targets, run, small_network, settings_of
):
    network = small_network(rows=problem.rows, head="orthogonal")
    before = network.label_head.raw.clone()
    refit_labels(network, problem, targets, run)
    assert torch.equal(network.label_head.raw, before)


# Whether fine-tuning follows


@pytest.mark.parametrize(
    ("learned", "max_iter", "n_iter"), [(True, None, 0), (True, 7, 7), (False, 7, 7)]
)
def test_what_is_known_is_tuned_only_if_steps_are_asked_for(
    blobs, monkeypatch, learned, max_iter, n_iter
):
    start = WarmStart(learned, 0)
    monkeypatch.setattr(_fit, "teach", lambda *args: start)
    model = NeuralEigenSpectralClustering(
        3, hidden_sizes=(16,), training=Training(max_iter=max_iter), random_state=0
    )
    assert model.fit(blobs[0]).n_iter_ == n_iter


def test_small_data_are_not_passed_over_for_ever(blobs, monkeypatch):
    monkeypatch.setattr(_fit, "teach", lambda *args: WarmStart(False, 0))
    model = NeuralEigenSpectralClustering(3, hidden_sizes=(16,), random_state=0)
    # 25 passes over 600 rows, 512 at a step.
    assert model.fit(blobs[0]).n_iter_ == 30


def test_known_labels_are_not_enough_where_other_rows_judge(
    problem, with_noise, run, small_network, settings_of, monkeypatch
):
    monkeypatch.setattr(_row_problem, "SOLVE_ROWS", 300)
    monkeypatch.setattr(_teach, "CHECK_ROWS", 200)
    network = small_network(rows=problem.rows)
    assert not teach(network, problem, with_noise, settings_of(), run).has_learned
