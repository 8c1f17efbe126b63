"""Partitions into every number of clusters, their strengths and the best number."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from neuraleig.affinity import NeighborAffinity
from neuraleig.metrics import normalized_cut
from neuraleig.reading import read_curve, strengths
from neuraleig.reading._cluster_curve import n_looked_at
from neuraleig.reading._coarse import coarse_graph
from neuraleig.reading._partitions import merged_labels, partitions
from neuraleig.reading._splits import Splitter
from neuraleig.spectrum import graph_spectrum

MOST = 8


def graph_of(X):
    return NeighborAffinity().build(X, seed=0)


def spectrum_of(graph, n_functions):
    return graph_spectrum(
        graph.weights, n_functions, component_labels=graph.component_labels
    )


def reading_of(X, most=MOST, seed=0):
    graph = graph_of(X)
    spectrum = spectrum_of(graph, min(n_looked_at(most), graph.n_nodes))
    functions, values = spectrum.functions, spectrum.eigenvalues
    return graph, read_curve(functions, values, graph, most, seed=seed)


def blobs(n_clusters, n_samples=400, seed=0):
    angles = 2 * np.pi * np.arange(n_clusters) / n_clusters
    centers = 4 * n_clusters * np.column_stack([np.cos(angles), np.sin(angles)])
    return make_blobs(n_samples, centers=centers, random_state=seed)


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 5, 7])
def test_separable_blobs_are_counted(n_clusters):
    X, y = blobs(n_clusters, 900)
    _, reading = reading_of(X)
    assert reading.curve.best == n_clusters
    assert adjusted_rand_score(y, reading.labels[n_clusters - 1]) == 1.0


@pytest.mark.parametrize("n_features", [10, 64])
def test_a_single_cloud_is_one_cluster(n_features):
    X = np.random.default_rng(0).normal(size=(500, n_features))
    curve = reading_of(X)[1].curve
    assert curve.best == 1
    assert (curve.strength[1:] < 0).all()


def test_moons_and_circles_are_two():
    moons, _ = make_moons(500, noise=0.05, random_state=1)
    circles, _ = make_circles(500, noise=0.05, factor=0.5, random_state=0)
    assert reading_of(moons)[1].curve.best == 2
    assert reading_of(circles)[1].curve.best == 2


@pytest.fixture(scope="module")
def three():
    X, _ = blobs(3)
    return X, *reading_of(X)


def test_labels_have_every_number_and_the_cuts_of_the_curve(three):
    _, graph, reading = three
    curve = reading.curve
    assert reading.nodes is None
    np.testing.assert_array_equal(curve.n_clusters, np.arange(1, MOST + 1))
    for number, labels in enumerate(reading.labels, 1):
        np.testing.assert_array_equal(np.unique(labels), np.arange(number))
        cut = normalized_cut(graph.weights, labels)
        assert curve.cut[number - 1] == pytest.approx(cut, abs=1e-12)


def test_a_cut_of_more_clusters_is_no_smaller(three):
    # The best partition of k is no worse than that of k + 1 with two clusters merged.
    assert (np.diff(three[2].curve.cut) >= -1e-9).all()


@pytest.mark.parametrize("change", ["scale", "order", "copies"])
def test_the_choice_does_not_depend_on_scale_order_or_copies(three, change):
    X, _, reading = three
    generator = np.random.default_rng(0)
    changed = {
        "scale": X * 1e3,
        "order": X[generator.permutation(len(X))],
        "copies": np.repeat(X, 3, axis=0),
    }[change]
    curve = reading_of(changed)[1].curve
    assert curve.best == reading.curve.best == 3
    np.testing.assert_allclose(curve.cut[:3], reading.curve.cut[:3], atol=1e-6)


def test_strengths_are_those_of_the_formula():
    cuts = np.array([0.0, 0.02, 0.03, 0.4, 0.9])
    agreement = np.array([1.0, 1.0, 0.5, 1.0, 1.0])
    found = strengths(cuts, 10**9, agreement)
    assert found[0] == 0.0
    expected = np.log(0.37 / (0.03 / 2)) - np.log(2) + 0.25 * np.log(0.5)
    assert found[2] == pytest.approx(expected - 0.1 * np.log(3) + 0.3, abs=1e-5)
    assert found[-1] < -9


def test_a_line_has_no_strength():
    # The cut of k arcs of a circle grows by the square of k.
    numbers = np.arange(1, 20)
    cuts = 0.001 * numbers**2.0
    cuts[0] = 0.0
    assert (strengths(cuts, 10**9)[1:] < 0.31).all()


def test_few_nodes_have_a_short_curve():
    X = np.arange(6.0)[:, None]
    graph = NeighborAffinity(n_neighbors=2).build(X, seed=0)
    spectrum = spectrum_of(graph, 6)
    curve = read_curve(spectrum.functions, spectrum.eigenvalues, graph, 5, seed=0).curve
    assert 1 <= curve.best <= curve.n_clusters[-1] <= 5
    assert np.isfinite(curve.strength).all()


def test_ranking_and_table(three):
    curve = three[2].curve
    ranked = curve.ranked()
    assert ranked[0] == curve.best == 3
    assert sorted(ranked) == list(range(1, MOST + 1))
    lines = str(curve).splitlines()
    assert len(lines) == 1 + MOST
    assert [line.endswith("*") for line in lines[1:]] == [
        number == 3 for number in range(1, MOST + 1)
    ]


@pytest.mark.parametrize("number", [0, MOST + 1, 2.5, "auto"])
def test_numbers_off_the_curve_are_refused(three, number):
    with pytest.raises(ValueError, match="not on the curve, which has 1 to 8"):
        three[2].curve.index_of(number)


def test_merging_picks_the_pair_that_lowers_the_cut_most(three):
    _, graph, reading = three
    labels = reading.labels[4]
    merged, cut = merged_labels(graph, labels)
    assert cut == pytest.approx(normalized_cut(graph.weights, merged), abs=1e-12)
    for first in range(5):
        for second in range(first):
            other = labels.astype(int)
            other[other == first] = second
            other = np.unique(other, return_inverse=True)[1]
            assert normalized_cut(graph.weights, other) >= cut - 1e-12


def test_a_splitter_adds_one_cluster_and_keeps_the_others(three):
    _, graph, reading = three
    labels = reading.labels[2].astype(np.int64)
    functions = spectrum_of(graph, 5).functions
    divided = Splitter(graph, functions, 5).split(labels)
    assert np.unique(divided).size == 4
    # Whoever is together now was together before.
    assert all(np.unique(labels[divided == c]).size == 1 for c in range(4))


def test_partitions_of_equal_rows_end():
    X = np.repeat([[0.0], [1.0], [5.0]], 20, axis=0)
    graph = NeighborAffinity(n_neighbors=2).build(X, seed=0)
    spectrum = spectrum_of(graph, graph.n_nodes)
    found = partitions(graph, spectrum.functions, spectrum.eigenvalues, 3, 0)
    assert 1 <= len(found) <= 3


class TestCoarse:
    def test_cuts_are_those_of_the_fine_graph(self, three):
        _, graph, _ = three
        coarse = coarse_graph(graph, 100)
        assert coarse.graph.n_nodes < graph.n_nodes
        labels = np.arange(coarse.graph.n_nodes) % 4
        fine = normalized_cut(graph.weights, labels[coarse.group])
        assert normalized_cut(coarse.graph.weights, labels) == pytest.approx(fine)

    def test_groups_stay_within_clear_clusters(self):
        X, y = blobs(4)
        coarse = coarse_graph(graph_of(X), 50)
        for group in range(coarse.graph.n_nodes):
            assert np.unique(y[coarse.group == group]).size == 1

    def test_counts_and_means(self, three):
        X, graph, _ = three
        coarse = coarse_graph(graph, 100)
        assert coarse.graph.copies.sum() == graph.n_nodes
        means = coarse.means(X, graph.degrees)
        own = coarse.group == 0
        expected = np.average(X[own], axis=0, weights=graph.degrees[own])
        np.testing.assert_allclose(means[0], expected)

    def test_few_nodes_and_uniform_weight_stay(self, three):
        _, graph, _ = three
        assert coarse_graph(graph, graph.n_nodes).graph is graph
        regularized = graph.regularized(0.1)
        assert coarse_graph(regularized, 10).graph is regularized
