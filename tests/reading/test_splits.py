import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from neuraleig.metrics import normalized_cut
from neuraleig.reading import refined_labels, split_clusters
from neuraleig.reading._splits import _split
from neuraleig.spectrum import graph_spectrum

UNLIKE = np.repeat([0, 1, 2], [300, 40, 12])


def functions_of(graph, n_components=6):
    return graph_spectrum(
        graph.weights, n_components, uniform=graph.uniform, seed=0
    ).functions


@pytest.mark.parametrize("uniform", [0.0, 1e-5])
def test_unlike_sizes_are_told_apart(planted_graph, uniform):
    graph = planted_graph(UNLIKE, between=0.0005, within=0.5, uniform=uniform)
    labels = split_clusters(graph, functions_of(graph), 3)
    assert adjusted_rand_score(UNLIKE, labels) > 0.95
    # Where single nodes remain on the wrong side, they move on the graph.
    refined = refined_labels(graph, labels)
    assert adjusted_rand_score(UNLIKE, refined) == 1.0


@pytest.mark.parametrize("uniform", [0.0, 0.01])
def test_a_split_is_the_threshold_of_least_cut(planted_graph, uniform):
    labels = np.repeat([0, 1], [30, 12])
    graph = planted_graph(labels, between=0.15, uniform=uniform)
    values = np.random.default_rng(3).normal(size=(42, 2)) + labels[:, None]
    found = _split(graph, values, np.arange(42), 1e-9)
    cuts = [
        normalized_cut(
            graph.weights, (column > threshold).astype(int), uniform=graph.uniform
        )
        for column in values.T
        for threshold in np.sort(column)[:-1]
    ]
    assert found.added == pytest.approx(min(cuts))
    by_side = normalized_cut(
        graph.weights, found.side.astype(int), uniform=graph.uniform
    )
    assert by_side == pytest.approx(min(cuts))


def test_what_a_split_adds_is_the_rise_of_the_cut_of_all(planted_graph):
    graph = planted_graph(UNLIKE, between=0.01)
    functions = functions_of(graph)
    nodes = np.flatnonzero(UNLIKE > 0)
    before = normalized_cut(graph.weights, (UNLIKE > 0).astype(int))
    piece = _split(graph, functions[:, 1:], nodes, 1e-9)
    labels = (UNLIKE > 0).astype(int)
    labels[nodes[piece.side]] = 2
    after = normalized_cut(graph.weights, labels)
    assert piece.added == pytest.approx(after - before)


def test_order_and_scale_do_not_matter(planted_graph):
    graph = planted_graph(UNLIKE, between=0.01)
    functions = functions_of(graph)
    labels = split_clusters(graph, functions, 4)
    order = np.random.default_rng(0).permutation(UNLIKE.size)
    turned = split_clusters(graph.subgraph(order), functions[order], 4)
    assert adjusted_rand_score(labels[order], turned) == 1.0
    scaled = type(graph)(graph.weights * 1000.0, graph.index)
    np.testing.assert_array_equal(split_clusters(scaled, functions, 4), labels)


def test_a_few_nodes_are_no_cluster(planted_graph):
    # Two of 348 nodes are 0.6 percent.
    sizes = np.repeat([0, 1, 2], [200, 146, 2])
    graph = planted_graph(sizes, between=0.0, within=0.2)
    labels = split_clusters(graph, functions_of(graph), 2)
    assert adjusted_rand_score(sizes > 0, labels) > 0.95


def test_equal_nodes_are_not_split(planted_graph):
    graph = planted_graph(np.zeros(30, int))
    functions = np.ones((30, 3))
    assert split_clusters(graph, functions, 2) is None


def test_a_graph_without_edges_is_not_split(planted_graph):
    graph = planted_graph(np.zeros(5, int))
    empty = type(graph)(graph.weights * 0.0, graph.index)
    assert (
        split_clusters(empty, np.random.default_rng(0).normal(size=(5, 3)), 2) is None
    )
