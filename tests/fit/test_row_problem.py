"""Rows and their graph, without outliers."""

import warnings
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from neuraleig import GraphWarning, NeuralSpectralEmbedding
from neuraleig._fit import RowProblem
from neuraleig._fit._row_problem import without_far_rows, without_outliers
from neuraleig.affinity import Graph, NeighborAffinity, RBFAffinity
from neuraleig.training import Training


def components_of(*sizes):
    """A graph whose components are complete graphs."""
    blocks = [np.ones((size, size)) - np.eye(size) for size in sizes]
    weights = sp.csr_array(sp.block_diag(blocks))
    return Graph(weights, 10 * np.arange(sum(sizes)))


# Outliers


def test_as_many_components_as_clusters_are_kept():
    graph = components_of(50, 2)
    assert without_outliers(graph, 2) is graph


def rows_and_graph(n_far):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 3))
    X[:n_far] += 1e4
    weights = sp.csr_array(np.ones((300, 300)) - np.eye(300))
    return X, Graph(weights, np.arange(300))


def test_few_far_rows_are_left_out():
    X, graph = rows_and_graph(5)
    kept = without_far_rows(graph, X, 10, 2)
    np.testing.assert_array_equal(kept.index, np.arange(5, 300))


@pytest.mark.parametrize(("n_most", "n_clusters"), [(4, 2), (10, 7)])
def test_far_rows_that_may_be_a_cluster_are_kept(n_most, n_clusters):
    # More than a row has neighbours; more than a tenth of the mean cluster.
    X, graph = rows_and_graph(5)
    assert without_far_rows(graph, X, n_most, n_clusters) is graph


def test_copies_of_a_far_row_count():
    X, graph = rows_and_graph(1)
    copies = np.ones(300, dtype=np.int64)
    copies[0] = 12
    graph = replace(graph, copies=copies)
    assert without_far_rows(graph, X, 10, 2) is graph
    assert without_far_rows(graph, X, 12, 2).n_nodes == 299


def test_repeated_rows_count_once():
    X, graph = rows_and_graph(6)
    repeated = replace(graph, copies=np.full(300, 2))
    assert without_far_rows(repeated, X, 10, 2).n_nodes == 294


def test_far_rows_that_hold_others_together_are_kept():
    # As where neighbours are searched across groups, and the far rows are a group.
    X, graph = rows_and_graph(5)
    weights = graph.weights.tolil()
    weights[5:, 5:] = 0
    joined = replace(graph, weights=sp.csr_array(weights))
    joined.weights.eliminate_zeros()
    assert without_far_rows(joined, X, 10, 2) is joined


def test_components_without_far_rows_warn(run):
    # The far row is the only bridge.
    generator = np.random.default_rng(0)
    X = generator.normal(size=(401, 2))
    X[200:400, 0] += 15
    X[400] = [7.5, 5000]
    with pytest.warns(GraphWarning, match="2 connected components"):
        problem = RowProblem.build(X, NeighborAffinity(), 1, run)
    assert problem.graph.n_nodes == 400


def test_graphs_without_far_rows_stay():
    X, graph = rows_and_graph(0)
    assert without_far_rows(graph, X, 10, 2) is graph


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
    model = NeuralSpectralEmbedding(
        2,
        affinity=NeighborAffinity(regularization=0.1),
        training=Training(max_iter=5),
        random_state=0,
    )
    model.fit(X)
    assert model.eigenvalues_[1] < 1.0


# Problem


def test_nodes_are_standardised_distinct_rows(blobs, run):
    X = np.repeat(blobs[0][:50], 2, axis=0)
    found = RowProblem.build(X, NeighborAffinity(), 1, run)
    np.testing.assert_array_equal(found.graph.index, np.arange(0, 100, 2))
    rows = (X[::2] - X.mean(axis=0)) / np.sqrt(np.mean((X - X.mean(axis=0)) ** 2))
    np.testing.assert_allclose(found.rows.numpy(), rows, rtol=1e-5, atol=1e-6)
    assert found.rows.dtype == torch.float32


def test_identical_rows_leave_nothing_to_learn(run):
    found = RowProblem.build(np.ones((9, 2)), RBFAffinity(), 1, run)
    assert found.has_edges
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphWarning)
        found = RowProblem.build(np.ones((9, 2)), NeighborAffinity(), 1, run)
    assert found.graph.n_nodes == 1
    assert not found.has_edges


def test_components_are_as_large_as_their_rows():
    graph = components_of(50, 50, 2, 2)
    copies = np.ones(104, dtype=np.int64)
    copies[100:102] = 30
    counted = replace(graph, copies=copies)
    kept = without_outliers(counted, 3)
    assert kept.n_nodes == 102
    assert kept.counts.sum() == 160


def test_heads_and_batches_weigh_nodes_by_their_copies(blobs, run, settings_of):
    X = np.concatenate([blobs[0][:50], np.full((150, 2), 40.0)])
    found = RowProblem.build(X, NeighborAffinity(), 2, run)
    labels = torch.zeros(51, dtype=torch.int64)
    labels[50] = 1
    drawn = found.drawn(labels, seed=0)
    np.testing.assert_array_equal(np.bincount(drawn), [1] * 50 + [150])
    sampler, one_pass = found.teaching_batches(settings_of(batch_size=80), seed=0)
    assert one_pass == 200 / 40
    index = torch.cat([b.index for b in islice(sampler, 5)])
    np.testing.assert_array_equal(np.bincount(index), [1] * 50 + [150])


def test_a_great_mass_leaves_room_for_other_nodes():
    X = np.arange(200.0).reshape(100, 2)
    weights = sp.csr_array(np.ones((100, 100)) - np.eye(100))
    copies = np.ones(100, dtype=np.int64)
    copies[7] = 10**6
    graph = Graph(weights, np.arange(100), copies=copies)
    problem = RowProblem(X, NeighborAffinity(), graph)
    drawn = problem.drawn(torch.zeros(100, dtype=torch.int64), 0)
    assert np.unique(drawn).size == 100


def test_judges_are_other_nodes_where_there_are_so_many(blobs, run):
    problem = RowProblem.build(blobs[0], NeighborAffinity(), 3, run)
    drawn = torch.arange(0, 600, 2)
    judges = problem.judges(drawn, 100, seed=0)
    assert len(set(judges.tolist())) == 100
    assert set(judges.tolist()).isdisjoint(drawn.tolist())
    assert torch.equal(problem.judges(drawn, 301, seed=0), drawn)
