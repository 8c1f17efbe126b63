"""Targets of the warm start: exact eigenfunctions, and labels read off them."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig._fit import Task
from neuraleig._fit._targets import solve_targets, without_localized
from neuraleig._random import Seeds
from neuraleig.affinity import NeighborAffinity
from neuraleig.metrics import clustering_accuracy, modularity, normalized_cut
from neuraleig.reading import judge_labels
from neuraleig.spectrum import graph_spectrum


def components_of(*sizes):
    """Weights of a graph whose components are complete graphs."""
    blocks = [np.ones((size, size)) - np.eye(size) for size in sizes]
    return sp.csr_array(sp.block_diag(blocks))


def test_targets_are_exact_eigenfunctions_and_labels_read_off_more(
    problem, targets, blobs, run
):
    weights = problem.graph.weights
    exact = graph_spectrum(weights, 9, seed=run.seeds.spectrum)
    np.testing.assert_allclose(
        targets.functions, exact.functions[:, 1:4], rtol=1e-5, atol=1e-5
    )
    assert len(targets.labels) == 600
    assert clustering_accuracy(blobs[1], targets.labels) >= 0.99


def test_the_judge_of_labels_is_the_graph(problem, blobs):
    judgement = judge_labels(problem.graph, blobs[1])
    weights = problem.graph.weights
    assert judgement.cut == pytest.approx(normalized_cut(weights, blobs[1]))
    assert judgement.modularity == pytest.approx(modularity(weights, blobs[1]))


# Thin shapes


def spiral(n_rows=450, n_arms=3, seed=0):
    """Arms that wind around each other, and whose rows lie apart towards the end."""
    generator = np.random.default_rng(seed)
    arm = np.arange(n_rows) % n_arms
    turn = np.linspace(2.0, 9.0, n_rows) + generator.normal(scale=0.05, size=n_rows)
    angle = turn + 2 * np.pi * arm / n_arms
    return turn[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), arm


def targets_of(X, n_clusters, seed=0):
    graph = NeighborAffinity().build(X, seed=0)
    task = Task(n_clusters, n_clusters, 3 * n_clusters, None, None)
    return graph, solve_targets(graph, task, Seeds.draw(seed))


@pytest.mark.parametrize("seed", range(3))
def test_arms_of_a_spiral_are_told_apart_by_thin_one_sided_edges(seed):
    X, arm = spiral(seed=seed)
    graph, found = targets_of(X, 3, seed)
    assert found.thinned
    assert clustering_accuracy(arm, found.labels) == 1.0
    exact = graph_spectrum(graph.thinned().weights, 9, seed=Seeds.draw(seed).spectrum)
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues, atol=1e-6)


def test_thinning_needs_more_than_a_row_at_the_rim(blobs):
    overlapping, _ = make_blobs(600, centers=[[0, 0], [4, 0]], random_state=0)
    assert not targets_of(blobs[0], 3)[1].thinned
    assert not targets_of(overlapping, 2)[1].thinned


def test_a_fit_to_thin_shapes_learns_and_predicts_them():
    X, arm = spiral(900)
    model = NeuralEigenSpectralClustering(3, random_state=0).fit(X[::2])
    assert clustering_accuracy(arm[::2], model.labels_) == 1.0
    assert clustering_accuracy(arm[1::2], model.predict(X[1::2])) > 0.95
    graph = NeighborAffinity().build(X[::2], seed=0)
    cut = normalized_cut(graph.thinned().weights, model.labels_[graph.index])
    assert model.ncut_ == pytest.approx(cut)


# Functions of a few nodes


def thread_of(n_nodes, n_outliers, seed=0):
    """Two groups, and outliers that hang on them by a thread."""
    generator = np.random.default_rng(seed)
    half = n_nodes // 2
    dense = 1.0 * (generator.random((n_nodes, n_nodes)) < 0.2)
    dense[:half, half:] *= generator.random((half, n_nodes - half)) < 0.02
    full = np.zeros((n_nodes + n_outliers,) * 2)
    full[:n_nodes, :n_nodes] = np.triu(dense, k=1)
    for pair in range(n_nodes, n_nodes + n_outliers, 2):
        full[pair, pair + 1] = 1.0
        full[0, pair] = 1e-4
    return sp.csr_array(full + full.T)


def test_functions_of_a_few_nodes_are_left_out():
    weights = thread_of(200, 6)
    spectrum = graph_spectrum(weights, 8)
    # Three pairs of outliers come before the cut between the groups.
    assert np.abs(spectrum.functions[:200, 1:4]).max() < 1.0
    kept = without_localized(spectrum, 2, 3)
    assert kept.eigenvalues.size == 5
    np.testing.assert_array_equal(kept.functions[:, 0], spectrum.functions[:, 0])
    groups = np.arange(200) < 100
    assert np.all((kept.functions[:200, 1] > 0) == groups) or np.all(
        (kept.functions[:200, 1] < 0) == groups
    )


def test_functions_of_clusters_stay():
    spectrum = graph_spectrum(components_of(50, 30, 20), 6)
    assert without_localized(spectrum, 3, 3) is spectrum


@pytest.mark.parametrize("n_small", [3, 30])
def test_as_many_components_as_clusters_are_the_clusters(n_small):
    generator = np.random.default_rng(0)
    groups = generator.normal(size=(1000, 2)), generator.normal(size=(n_small, 2))
    weights = [
        NeighborAffinity(min(10, len(group) - 1)).build(group, seed=0).weights
        for group in groups
    ]
    X = np.concatenate([groups[0], groups[1] + 100])
    model = NeuralEigenSpectralClustering(2, affinity="precomputed", random_state=0)
    model.fit(X, affinity_matrix=sp.block_diag(weights, format="csr"))
    assert model.n_connected_components_ == 2
    assert clustering_accuracy(np.arange(len(X)) >= 1000, model.labels_) == 1.0
    np.testing.assert_array_equal(model.graph_eigenvalues_[:2], 1.0)


def test_too_few_functions_are_not_made_fewer():
    spectrum = graph_spectrum(thread_of(200, 6), 4)
    assert without_localized(spectrum, 2, 3) is spectrum


def test_outliers_on_a_thread_leave_the_clusters_alone():
    X, y = make_blobs(400, centers=[[0, 0], [8, 0]], random_state=0)
    far = 50.0 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    pairs = np.concatenate([far, far + 0.01])
    weights = NeighborAffinity().build(np.concatenate([X, pairs]), seed=0).weights
    model = NeuralEigenSpectralClustering(
        2, affinity="precomputed", hidden_sizes=(32,), random_state=0
    )
    model.fit(np.concatenate([X, pairs]), affinity_matrix=weights)
    assert clustering_accuracy(y, model.labels_[:400]) > 0.99
