from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from neuraleig.affinity import NeighborAffinity
from neuraleig.reading import (
    Judgement,
    NearestCentre,
    diffused_rows,
    judge_labels,
    read_clusters,
)
from neuraleig.reading import _judge as judging
from neuraleig.reading import _read_clusters as reading_module
from neuraleig.reading._candidates import Candidate, ranked_candidates
from neuraleig.spectrum import graph_spectrum

TRUTH = np.repeat(np.arange(3), 20)


def spread_functions(labels, n_components, noise=0.05, seed=0):
    """Functions whose unit rows lie around one direction per cluster."""
    generator = np.random.default_rng(seed)
    directions = np.linalg.qr(generator.normal(size=(n_components, n_components)))[0]
    functions = directions[labels]
    return functions + noise * generator.normal(size=functions.shape)


def candidate_of(cut, modularity, n_clusters=2, share=0.25):
    labels = np.arange(4) % n_clusters
    return Candidate(labels, 1, Judgement(cut, modularity), share)


def read(functions, values, n_clusters, graph, *, time=1.0, seed=0):
    return read_clusters(
        functions, values, n_clusters, graph, diffusion_time=time, seed=seed
    )


def read_rows(X, n_clusters, seed=0):
    """Labels of rows by exact eigenvectors of their default graph."""
    graph = NeighborAffinity().build(X, seed=0)
    spectrum = graph_spectrum(
        graph.weights,
        3 * n_clusters,
        component_labels=graph.component_labels,
        seed=0,
    )
    return read(
        spectrum.functions,
        spectrum.eigenvalues,
        n_clusters,
        graph,
        time=10.0,
        seed=seed,
    ).labels


def test_separate_directions_are_recovered(planted_graph):
    functions = spread_functions(TRUTH, 3)
    graph = planted_graph(TRUTH)
    found = read(functions, np.ones(3), 3, graph)
    assert adjusted_rand_score(TRUTH, found.labels) == 1.0
    assert found.judgement == judge_labels(graph, found.labels)
    rows = diffused_rows(functions, np.ones(3), 1.0)
    means = np.stack([rows[found.labels == c].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(found.centres, means, atol=1e-12)
    spread = np.mean((rows - means[found.labels]) ** 2)
    np.testing.assert_allclose(found.spread, spread)


def test_the_graph_chooses_how_many_functions_are_used(planted_graph):
    # The third function, unlike the first two, tells the clusters apart.
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    functions = np.column_stack(
        [np.ones(60), generator.choice([-1.0, 1.0], 60), 3.0 * (2 * labels - 1)]
    )
    found = read(functions, np.ones(3), 2, planted_graph(labels))
    assert found.n_used == 3
    assert adjusted_rand_score(labels, found.labels) == 1.0


def test_the_centres_give_the_labels_back(planted_graph):
    functions = spread_functions(TRUTH, 6, noise=0.1)
    values = np.linspace(1.0, 0.8, 6)
    found = read(functions, values, 3, planted_graph(TRUTH), time=2.0)
    discretizer = NearestCentre(found.centres, found.spread, values, 2.0)
    probabilities = discretizer.probabilities(functions, np.empty((60, 0)))
    np.testing.assert_array_equal(probabilities.argmax(axis=1), found.labels)


def test_the_same_seed_reads_the_same(planted_graph):
    functions = spread_functions(TRUTH, 6, noise=1.0)
    graph = planted_graph(TRUTH, between=0.3)
    first, second = (read(functions, np.ones(6), 3, graph, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.centres, second.centres)


def test_the_global_random_state_stays_untouched(planted_graph):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state in question
    read(spread_functions(TRUTH, 3), np.ones(3), 3, planted_graph(TRUTH))
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("n_distinct", [1, 2])
def test_fewer_distinct_rows_than_clusters_give_fewer_labels(n_distinct, planted_graph):
    labels = np.arange(10) % n_distinct
    found = read(np.eye(3)[labels], np.ones(3), 3, planted_graph(labels))
    assert np.unique(found.labels).tolist() == list(range(n_distinct))
    assert len(found.centres) == n_distinct


def test_many_rows_are_read_from_some_of_them(monkeypatch, planted_graph):
    monkeypatch.setattr(reading_module, "MAX_ROWS", 30)
    truth = np.repeat(np.arange(3), 100)
    functions = spread_functions(truth, 3)
    found = read(functions, np.ones(3), 3, planted_graph(truth, within=0.1))
    assert adjusted_rand_score(truth, found.labels) == 1.0


def test_nodes_that_are_not_judged_get_labels_as_well(monkeypatch, planted_graph):
    monkeypatch.setattr(judging, "JUDGED_EDGES", 60)
    truth = np.repeat(np.arange(3), 100)
    graph = planted_graph(truth, within=0.1, between=0.0005)
    found = read(spread_functions(truth, 3, noise=0.3), np.ones(3), 3, graph)
    assert adjusted_rand_score(truth, found.labels) == 1.0


@pytest.mark.parametrize(
    ("n_small", "apart", "n_features"),
    [(30, 6, 2), (30, 7, 10), (50, 6, 2), (100, 5, 10), (100, 6, 2), (300, 5, 2)],
)
def test_a_small_cluster_beside_a_large_one_is_found(n_small, apart, n_features):
    centres = np.zeros((2, n_features))
    centres[1, 0] = apart
    for seed in (0, 1):
        X, y = make_blobs([1000, n_small], centers=centres, random_state=seed)
        assert adjusted_rand_score(y, read_rows(X, 2)) > 0.9


def test_labels_do_not_depend_on_scale_or_order():
    X, y = make_blobs([400, 100, 50], cluster_std=1.2, random_state=3)
    labels = read_rows(X, 3)
    assert adjusted_rand_score(y, labels) > 0.9
    assert adjusted_rand_score(labels, read_rows(1e4 * X, 3)) == 1.0
    order = np.random.default_rng(0).permutation(len(X))
    assert adjusted_rand_score(labels[order], read_rows(X[order], 3)) == 1.0


def test_a_far_blob_leaves_the_labels_of_the_rest():
    X, _ = make_blobs([400, 60], centers=[[0, 0], [7, 0]], random_state=1)
    far = np.random.default_rng(1).normal(size=(150, 2)) + 300.0
    labels = read_rows(X, 2)
    beside = read_rows(np.r_[X, far], 3)
    assert adjusted_rand_score(labels, beside[: len(X)]) == 1.0
    assert np.intersect1d(beside[: len(X)], beside[len(X) :]).size == 0


def test_no_candidate_with_a_dead_cluster_beats_one_without():
    whole, dead = candidate_of(1.0, 0.1, n_clusters=3), candidate_of(0.0, 0.9)
    assert ranked_candidates([dead, whole, dead])[0] is whole


def test_modularity_decides_among_small_cuts():
    least, fair, cut_up = (
        candidate_of(0.2, 0.1),
        candidate_of(0.3, 0.5),
        candidate_of(0.5, 0.9),
    )
    assert ranked_candidates([least, fair, cut_up])[0] is fair
    assert ranked_candidates([least, cut_up])[0] is least


@pytest.mark.parametrize(
    ("cut", "modularity", "evener_cut", "evener_modularity"),
    [
        # Separate components, whatever the modularity of others.
        (0.0, 0.1, 1e-3, 0.5),
        # Three separate arcs of 1580, 1580 and 830 rows; another divides one.
        (0.0, 0.6427, 0.00499, 0.6571),
        # Three spirals that touch.
        (0.00014, 0.66542, 0.00229, 0.66585),
        # 1,000 rows beside 100; another halves the 1,000.
        (0.00373, 0.155, 0.02366, 0.482),
    ],
)
def test_what_cuts_hardly_anything_is_never_given_up(
    cut, modularity, evener_cut, evener_modularity
):
    right = candidate_of(cut, modularity)
    assert (
        ranked_candidates([candidate_of(evener_cut, evener_modularity), right])[0]
        is right
    )


def test_few_nodes_that_are_cut_off_are_no_cluster():
    even, uneven = candidate_of(0.3, 0.4), candidate_of(0.01, 0.1, share=0.004)
    assert ranked_candidates([uneven, even])[0] is even
    component = candidate_of(0.0, 0.1, share=0.004)
    assert ranked_candidates([component, even])[0] is component
    assert ranked_candidates([uneven])[0] is uneven


def test_rounding_of_cuts_does_not_decide():
    exact, rounded = candidate_of(0.0, 0.5), candidate_of(1e-16, 0.5005)
    assert ranked_candidates([exact, rounded])[0] is rounded


def test_k_means_counts_nodes_by_their_copies(planted_graph):
    functions = np.random.default_rng(0).normal(size=(60, 4))
    functions[:, 0] = 1.0
    eigenvalues = np.array([1.0, 0.9, 0.8, 0.7])
    graph = planted_graph(np.repeat([0, 1], 30))
    copies = np.where(np.arange(60) < 5, 40, 1)
    options = {"n_clusters": 3, "diffusion_time": 5.0, "seed": 0}
    counted = replace(graph, copies=copies)
    found = read_clusters(functions, eigenvalues, graph=counted, **options)
    rows = diffused_rows(functions[:, : found.n_used], eigenvalues[: found.n_used], 5.0)
    for cluster, centre in enumerate(found.centres):
        own = found.labels == cluster
        mean = np.average(rows[own], axis=0, weights=copies[own])
        np.testing.assert_allclose(centre, mean)
    plain = read_clusters(functions, eigenvalues, graph=graph, **options)
    alike = read_clusters(
        functions, eigenvalues, graph=replace(graph, copies=np.full(60, 7)), **options
    )
    np.testing.assert_array_equal(alike.labels, plain.labels)
    np.testing.assert_array_equal(alike.centres, plain.centres)
