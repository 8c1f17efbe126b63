import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from neuraleig.reading import (
    Judgement,
    NearestCentre,
    Reading,
    diffused_rows,
    read_clusters,
)
from neuraleig.reading import _read_clusters as centroids
from neuraleig.reading._read_clusters import best_reading

TRUTH = np.repeat(np.arange(3), 20)


def spread_functions(labels, n_components, noise=0.05, seed=0):
    """Functions whose unit rows lie around one direction per cluster."""
    generator = np.random.default_rng(seed)
    directions = np.linalg.qr(generator.normal(size=(n_components, n_components)))[0]
    functions = directions[labels]
    return functions + noise * generator.normal(size=functions.shape)


def agreement_with(truth):
    """Judge that knows the truth, and finds no reading too cut up."""
    return lambda labels: Judgement(0.0, adjusted_rand_score(truth, labels))


def reading_of(cut, modularity, n_clusters=2):
    centres = np.zeros((n_clusters, 1))
    return Reading(np.zeros(4, int), centres, 1.0, Judgement(cut, modularity))


def test_separate_directions_are_recovered():
    functions = spread_functions(TRUTH, 3)
    found = read_clusters(
        functions, np.ones(3), 3, agreement_with(TRUTH), diffusion_time=1.0, seed=0
    )
    assert adjusted_rand_score(TRUTH, found.labels) == 1.0
    rows = diffused_rows(functions, np.ones(3), 1.0)
    means = np.stack([rows[found.labels == c].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(found.centres, means, atol=1e-12)
    spread = np.mean((rows - means[found.labels]) ** 2)
    np.testing.assert_allclose(found.spread, spread)


def test_the_judge_chooses_how_many_functions_are_used():
    # The third function, unlike the first two, tells the clusters apart.
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    functions = np.column_stack(
        [np.ones(60), generator.choice([-1.0, 1.0], 60), 3.0 * (2 * labels - 1)]
    )
    judge = agreement_with(labels)
    found = read_clusters(functions, np.ones(3), 2, judge, diffusion_time=1.0, seed=0)
    assert found.n_used == 3
    assert adjusted_rand_score(labels, found.labels) == 1.0
    against = read_clusters(
        functions,
        np.ones(3),
        2,
        lambda read: Judgement(0.0, -adjusted_rand_score(labels, read)),
        diffusion_time=1.0,
        seed=0,
    )
    assert against.n_used == 2


def test_the_centres_give_the_labels_back():
    functions = spread_functions(TRUTH, 6, noise=0.3)
    values = np.linspace(1.0, 0.8, 6)
    found = read_clusters(
        functions, values, 3, agreement_with(TRUTH), diffusion_time=2.0, seed=0
    )
    discretizer = NearestCentre(found.centres, found.spread, values, 2.0)
    probabilities = discretizer.probabilities(functions, np.empty((60, 0)))
    np.testing.assert_array_equal(probabilities.argmax(axis=1), found.labels)


def test_the_same_seed_reads_the_same():
    functions = spread_functions(TRUTH, 6, noise=1.0)
    judge = agreement_with(TRUTH)
    first, second = (
        read_clusters(functions, np.ones(6), 3, judge, diffusion_time=1.0, seed=5)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.centres, second.centres)


def test_the_global_random_state_stays_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state in question
    functions = spread_functions(TRUTH, 3)
    judge = agreement_with(TRUTH)
    read_clusters(functions, np.ones(3), 3, judge, diffusion_time=1.0, seed=0)
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("n_distinct", [1, 2])
def test_fewer_distinct_rows_than_clusters_give_fewer_labels(n_distinct):
    functions = np.eye(3)[np.arange(10) % n_distinct]
    judge = agreement_with(np.arange(10))
    found = read_clusters(functions, np.ones(3), 3, judge, diffusion_time=1.0, seed=0)
    assert np.unique(found.labels).tolist() == list(range(n_distinct))
    assert len(found.centres) == n_distinct


def test_many_rows_are_read_from_some_of_them(monkeypatch):
    monkeypatch.setattr(centroids, "MAX_ROWS", 30)
    functions = spread_functions(np.repeat(np.arange(3), 200), 3)
    truth = np.repeat(np.arange(3), 200)
    judge = agreement_with(truth)
    found = read_clusters(functions, np.ones(3), 3, judge, diffusion_time=1.0, seed=0)
    assert adjusted_rand_score(truth, found.labels) == 1.0


def test_no_reading_with_a_dead_cluster_beats_one_without():
    whole, dead = reading_of(1.0, 0.1, n_clusters=3), reading_of(0.0, 0.9)
    assert best_reading([dead, whole, dead]) is whole


def test_modularity_decides_among_small_cuts():
    least, fair, cut_up = (
        reading_of(0.2, 0.1),
        reading_of(0.3, 0.5),
        reading_of(0.5, 0.9),
    )
    assert best_reading([least, fair, cut_up]) is fair
    assert best_reading([least, cut_up]) is least


def test_separate_components_leave_some_slack():
    # The least cut is 0: without slack nothing else would ever be fair.
    exact, near = reading_of(0.0, 0.1), reading_of(1e-3, 0.5)
    assert best_reading([exact, near]) is near


def test_a_cut_many_times_the_least_needs_a_gain():
    # Three spirals that touch: the wrong reading had this much more modularity.
    right, wrong = reading_of(0.00014, 0.66542), reading_of(0.00229, 0.66585)
    assert best_reading([right, wrong]) is right
    better = reading_of(0.00229, 0.72)
    assert best_reading([right, better]) is better


def test_evener_sizes_alone_are_no_reason_to_cut():
    # Three separate arcs of 1580, 1580 and 830 rows, and a reading that divides one.
    components, evener = reading_of(0.0, 0.6427), reading_of(0.00499, 0.6571)
    assert best_reading([components, evener]) is components


def test_rounding_of_cuts_does_not_decide():
    exact, rounded = reading_of(0.0, 0.5), reading_of(1e-16, 0.5005)
    assert best_reading([exact, rounded]) is rounded
