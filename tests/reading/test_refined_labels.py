from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from neuraleig.metrics import normalized_cut
from neuraleig.reading import refined_labels
from neuraleig.reading._refine import Refiner

TRUTH = np.repeat([0, 1, 2], [60, 25, 10])


def cut_of(graph, labels):
    return normalized_cut(graph.weights, labels, uniform=graph.uniform)


@given(
    seed=st.integers(0, 10_000),
    n_clusters=st.integers(1, 6),
    uniform=st.sampled_from([0.0, 0.01]),
)
def test_the_cut_never_rises_and_no_cluster_dies(
    planted_graph, seed, n_clusters, uniform
):
    graph = planted_graph(TRUTH, between=0.1, seed=seed, uniform=uniform)
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(TRUTH.size) % n_clusters)
    found = refined_labels(graph, labels)
    assert np.unique(found).tolist() == list(range(n_clusters))
    assert cut_of(graph, found) <= cut_of(graph, labels) + 1e-9


def test_few_misplaced_nodes_return(planted_graph):
    graph = planted_graph(TRUTH)
    labels = TRUTH.copy()
    labels[[0, 61, 88]] = [2, 0, 1]
    np.testing.assert_array_equal(refined_labels(graph, labels), TRUTH)


@pytest.mark.parametrize("uniform", [0.0, 0.05])
def test_a_round_is_that_of_kernel_k_means(planted_graph, uniform):
    graph = planted_graph(TRUTH, between=0.2, uniform=uniform)
    labels = np.random.default_rng(0).permutation(TRUTH)
    weights = graph.weights.toarray() + uniform
    degrees = weights.sum(axis=1)
    members = np.eye(3)[labels]
    volumes = degrees @ members
    toward = weights @ members
    inside = (toward * members).sum(axis=0)
    cost = inside / volumes**2 - 2 * toward / (degrees[:, None] * volumes)
    # Only clusters to which a stored edge leads.
    cost[graph.weights @ members == 0] = np.inf
    cut, moved = Refiner(graph).one_round(labels, 3)
    np.testing.assert_array_equal(moved, cost.argmin(axis=1))
    assert cut == pytest.approx(cut_of(graph, labels))


def test_order_and_scale_do_not_matter(planted_graph):
    graph = planted_graph(TRUTH, between=0.1)
    labels = np.random.default_rng(1).permutation(TRUTH)
    found = refined_labels(graph, labels)
    order = np.random.default_rng(2).permutation(TRUTH.size)
    turned = graph.subgraph(order)
    np.testing.assert_array_equal(refined_labels(turned, labels[order]), found[order])
    scaled = type(graph)(graph.weights * 8.0, graph.index)
    np.testing.assert_array_equal(refined_labels(scaled, labels), found)


def test_nodes_without_edges_stay(planted_graph):
    graph = planted_graph(TRUTH)
    weights = graph.weights.tolil()
    weights[5] = 0
    weights[:, 5] = 0
    alone = type(graph)(weights.tocsr(), graph.index)
    alone.weights.eliminate_zeros()
    labels = TRUTH.copy()
    labels[5] = 2
    assert refined_labels(alone, labels)[5] == 2


def test_a_node_takes_the_edges_among_its_copies_along(planted_graph):
    graph = planted_graph(TRUTH, between=0.01)
    loops = np.zeros(TRUTH.size)
    loops[10] = 100.0
    weights = sp.csr_array(graph.weights + sp.diags_array(loops))
    heavy = replace(graph, weights=weights)
    start = TRUTH.copy()
    start[10] = 1
    np.testing.assert_array_equal(refined_labels(heavy, start), TRUTH)


def test_the_cut_counts_random_pairs_of_nodes_without_edges_to_their_cluster(
    planted_graph,
):
    graph = planted_graph(TRUTH, between=0.0, uniform=0.05)
    labels = TRUTH.copy()
    labels[0] = 2
    assert not graph.weights[[0]][:, labels == 2].nnz
    assert Refiner(graph).one_round(labels, 3)[0] == pytest.approx(
        cut_of(graph, labels)
    )
