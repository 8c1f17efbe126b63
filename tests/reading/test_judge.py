"""What labels are worth, on a graph and on a sample of its edges."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.affinity import Graph, NeighborAffinity
from neuraleig.metrics import clustering_accuracy
from neuraleig.reading import _judge, judge_labels
from neuraleig.reading._judge import judged_graph


@pytest.fixture(scope="module")
def graph():
    X, _ = make_blobs(1000, centers=3, cluster_std=3.0, random_state=0)
    return NeighborAffinity().build(X, seed=0)


def test_small_graphs_are_judged_whole(graph):
    judged, nodes = judged_graph(graph, seed=0)
    assert judged is graph
    assert nodes is None


def test_sampled_edges_are_edges_of_the_graph(graph, monkeypatch):
    monkeypatch.setattr(_judge, "JUDGED_EDGES", 300)
    judged, nodes = judged_graph(graph, seed=0)
    assert judged.weights.sum() == 2 * 300
    assert abs(judged.weights - judged.weights.T).max() == 0
    assert np.all(np.diff(nodes) > 0)
    np.testing.assert_array_equal(judged.index, graph.index[nodes])
    source, target = judged.weights.nonzero()
    assert np.all(graph.weights[nodes[source], nodes[target]] > 0)
    assert judged.degrees.min() >= 1


def test_judgements_of_samples_are_right_in_the_mean(graph, monkeypatch):
    labels = np.random.default_rng(0).integers(3, size=graph.n_nodes)
    labels[:500] = 0
    exact = judge_labels(graph, labels)
    monkeypatch.setattr(_judge, "JUDGED_EDGES", 2_000)
    found = []
    for seed in range(50):
        judged, nodes = judged_graph(graph, seed)
        found.append(judge_labels(judged, labels[nodes]))
    np.testing.assert_allclose(np.mean(found, axis=0), exact, rtol=0.01, atol=0.003)


def test_uniform_weight_keeps_its_share(graph, monkeypatch):
    labels = (np.arange(graph.n_nodes) % 3).astype(np.int64)
    regularized = graph.regularized(0.1)
    exact = judge_labels(regularized, labels)
    monkeypatch.setattr(_judge, "JUDGED_EDGES", 5_000)
    judged, nodes = judged_graph(regularized, seed=0)
    assert nodes is not None
    found = judge_labels(judged, labels[nodes])
    np.testing.assert_allclose(found, exact, rtol=0.03, atol=0.02)


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans"])
def test_labels_chosen_by_a_sample_cover_all_nodes(monkeypatch, assign_labels):
    monkeypatch.setattr(_judge, "JUDGED_EDGES", 500)
    X, y = make_blobs(900, centers=[[0, 0], [7, 0], [0, 7]], random_state=0)
    model = NeuralEigenSpectralClustering(
        3, assign_labels=assign_labels, hidden_sizes=(32,), random_state=0
    )
    assert clustering_accuracy(y, model.fit_predict(X)) > 0.99


def test_edges_of_a_few_heavy_pairs_do_not_stand_for_the_graph(graph, monkeypatch):
    monkeypatch.setattr(_judge, "JUDGED_EDGES", 300)
    weights = graph.weights.tolil()
    weights[0, 1] = weights[1, 0] = 1e14
    heavy = Graph(weights.tocsr(), graph.index)
    judged, nodes = judged_graph(heavy, seed=0)
    assert judged is heavy
    assert nodes is None


def test_a_draw_keeps_copies_and_the_edges_among_them(monkeypatch):
    monkeypatch.setattr(_judge, "JUDGED_EDGES", 20_000)
    n_nodes = 700
    generator = np.random.default_rng(0)
    drawn = np.triu(generator.random((n_nodes, n_nodes)) < 0.1, 1).astype(float)
    matrix = drawn + drawn.T + np.diag(np.where(np.arange(n_nodes) < 70, 200.0, 0.0))
    copies = np.where(np.arange(n_nodes) < 70, 20, 1)
    graph = Graph(sp.csr_array(matrix), np.arange(n_nodes), copies=copies)
    judged, nodes = judged_graph(graph, seed=0)
    np.testing.assert_array_equal(judged.counts, copies[nodes])
    labels = np.arange(n_nodes) // 100
    whole, part = judge_labels(graph, labels), judge_labels(judged, labels[nodes])
    np.testing.assert_allclose(part, whole, atol=0.05)
