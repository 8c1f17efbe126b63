from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from neuraleig.metrics import (
    cluster_transitions,
    clustering_accuracy,
    modularity,
    normalized_cut,
    retained_information,
    trace_ratio,
)

labels_pairs = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 4), min_size=n, max_size=n),
        st.lists(st.integers(0, 4), min_size=n, max_size=n),
    )
)


@given(labels_pairs)
def test_accuracy_is_the_best_over_all_relabellings(pair):
    truth, predicted = (np.array(labels) for labels in pair)
    best = max(
        np.mean(truth == np.array(order)[predicted]) for order in permutations(range(5))
    )
    assert clustering_accuracy(truth, predicted) == pytest.approx(best)


@given(labels_pairs, st.permutations(range(5)))
def test_accuracy_ignores_the_numbering_and_is_symmetric(pair, order):
    truth, predicted = (np.array(labels) for labels in pair)
    accuracy = clustering_accuracy(truth, predicted)
    assert clustering_accuracy(truth, np.array(order)[predicted]) == accuracy
    assert clustering_accuracy(predicted, truth) == accuracy
    names = np.array(["a", "bb", "c", "d", "e"])
    assert clustering_accuracy(names[truth], predicted) == accuracy
    assert clustering_accuracy(truth, truth) == 1.0


def test_accuracy_counts_surplus_clusters_as_wrong():
    assert clustering_accuracy([0] * 6, [0, 0, 0, 1, 1, 2]) == 0.5


@pytest.fixture(scope="module")
def labelled_graph(dense_affinity):
    matrix = dense_affinity(12, seed=5, density=0.5)
    labels = np.arange(12) % 3
    return matrix, labels


@pytest.mark.parametrize("n_steps", [1, 2, 5])
@pytest.mark.parametrize("uniform", [0.0, 0.07])
def test_transitions_are_powers_of_the_walk(labelled_graph, n_steps, uniform):
    matrix, labels = labelled_graph
    full = matrix + uniform
    degrees = full.sum(axis=1)
    walk = np.linalg.matrix_power(full / degrees[:, None], n_steps)
    joint = (degrees / degrees.sum())[:, None] * walk
    expected = [
        [joint[labels == r][:, labels == s].sum() for s in range(3)] for r in range(3)
    ]
    found = cluster_transitions(
        sp.csr_array(matrix), labels, n_steps=n_steps, uniform=uniform
    )
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("uniform", [0.0, 0.07])
def test_normalized_cut_is_weight_across_over_volume(labelled_graph, uniform):
    matrix, labels = labelled_graph
    full = matrix + uniform
    expected = sum(
        full[labels == c][:, labels != c].sum() / full[labels == c].sum()
        for c in range(3)
    )
    found = normalized_cut(sp.csr_array(matrix), labels, uniform=uniform)
    assert found == pytest.approx(expected)


def test_normalized_cut_is_bounded_by_the_spectrum(labelled_graph):
    # Ky Fan: no partition into k sets has a cut below k - sum of k eigenvalues.
    matrix, _ = labelled_graph
    degrees = matrix.sum(axis=1)
    values = scipy.linalg.eigvalsh(matrix / np.sqrt(np.outer(degrees, degrees)))[::-1]
    generator = np.random.default_rng(0)
    for n_clusters in (2, 3, 4):
        bound = n_clusters - values[:n_clusters].sum()
        for _ in range(50):
            labels = generator.permutation(np.arange(12) % n_clusters)
            assert normalized_cut(sp.csr_array(matrix), labels) >= bound


@pytest.mark.parametrize("uniform", [0.0, 0.07])
def test_modularity_by_its_definition(labelled_graph, uniform):
    weights, labels = sp.csr_array(labelled_graph[0]), labelled_graph[1]
    matrix = labelled_graph[0] + uniform
    degrees, total = matrix.sum(axis=1), matrix.sum()
    same = labels[:, None] == labels[None, :]
    expected = ((matrix - np.outer(degrees, degrees) / total) * same).sum() / total
    found = modularity(weights, labels, uniform=uniform)
    assert found == pytest.approx(expected)


def test_one_cluster_has_no_cut_no_modularity_no_information(labelled_graph):
    weights, one = sp.csr_array(labelled_graph[0]), np.zeros(12, dtype=np.int64)
    assert normalized_cut(weights, one) == pytest.approx(0)
    assert modularity(weights, one) == pytest.approx(0)
    assert retained_information(weights, one) == pytest.approx(0)


@pytest.mark.parametrize("n_steps", [1, 5])
def test_retained_information_is_the_mutual_information_of_the_ends(
    labelled_graph, n_steps
):
    matrix, labels = labelled_graph
    joint = cluster_transitions(sp.csr_array(matrix), labels, n_steps=n_steps)
    share = entropy(joint.sum(axis=0))
    found = retained_information(sp.csr_array(matrix), labels, n_steps=n_steps)
    assert found == pytest.approx(2 * share - entropy(joint.ravel()))
    assert 0 < found < share


def test_a_long_walk_on_a_connected_graph_forgets(labelled_graph):
    matrix, labels = labelled_graph
    kept = retained_information(sp.csr_array(matrix), labels, n_steps=200)
    assert kept == pytest.approx(0, abs=1e-12)


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_graph_measures_ignore_the_numbering_of_clusters(dense_affinity, order, labels):
    weights = sp.csr_array(dense_affinity(9, seed=6))
    labels = np.array(labels)
    renamed = np.array(order)[labels]
    for measure in (normalized_cut, modularity, retained_information):
        assert measure(weights, labels) == pytest.approx(measure(weights, renamed))


@given(st.permutations(range(9)), st.floats(1e-6, 1e6))
def test_graph_measures_ignore_the_order_of_nodes_and_the_unit(
    dense_affinity, order, unit
):
    matrix, order = dense_affinity(9, seed=6, density=0.6), np.array(order)
    labels = np.arange(9) // 3
    weights = sp.csr_array(matrix)
    permuted = sp.csr_array(unit * matrix[order][:, order])
    for measure in (normalized_cut, modularity, retained_information):
        assert measure(permuted, labels[order]) == pytest.approx(
            measure(weights, labels)
        )


def test_components_are_perfect_clusters():
    blocks = sp.csr_array(np.kron(np.eye(3), 1 - np.eye(4)))
    labels = np.repeat(np.arange(3), 4)
    assert normalized_cut(blocks, labels) == pytest.approx(0)
    assert modularity(blocks, labels) == pytest.approx(2 / 3)
    assert retained_information(blocks, labels) == pytest.approx(np.log(3))


def test_nodes_without_edges_stay_where_they_are():
    matrix = np.zeros((4, 4))
    matrix[0, 1] = matrix[1, 0] = 1.0
    weights = sp.csr_array(matrix)
    # Cluster 1 holds isolated nodes alone: it has no volume and adds nothing.
    labels = np.array([0, 0, 1, 1])
    assert normalized_cut(weights, labels) == pytest.approx(0)
    np.testing.assert_allclose(
        cluster_transitions(weights, labels), [[1.0, 0.0], [0.0, 0.0]]
    )
    # Without any edge all nodes count alike.
    nothing = sp.csr_array((4, 4))
    np.testing.assert_allclose(
        cluster_transitions(nothing, labels, n_steps=3), np.eye(2) / 2
    )


def test_unused_labels_change_nothing(labelled_graph):
    weights, labels = sp.csr_array(labelled_graph[0]), labelled_graph[1]
    gaps = np.array([0, 3, 7])[labels]
    for measure in (normalized_cut, modularity, retained_information):
        assert measure(weights, gaps) == pytest.approx(measure(weights, labels))


def test_trace_ratio_of_a_subspace_is_at_most_one(labelled_graph):
    matrix, _ = labelled_graph
    degrees = matrix.sum(axis=1)
    normalized = matrix / np.sqrt(np.outer(degrees, degrees))
    exact = scipy.linalg.eigvalsh(normalized)[::-1][:3]
    assert trace_ratio(exact, exact) == 1.0
    generator = np.random.default_rng(0)
    for _ in range(20):
        basis, _ = np.linalg.qr(generator.normal(size=(12, 3)))
        ritz = scipy.linalg.eigvalsh(basis.T @ normalized @ basis)
        assert trace_ratio(ritz, exact) < 1.0


@pytest.mark.parametrize("measure", [normalized_cut, modularity, retained_information])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, -1] * 4, "labels has a minimum of -1"),
        ([0.0, 1.0] * 6, "labels is of type float64"),
        ([0, 1], r"labels has shape \(2,\); it must be \(12,\)"),
    ],
)
def test_labels_that_number_no_clusters_are_refused(
    labelled_graph, measure, labels, message
):
    with pytest.raises(ValueError, match=message):
        measure(sp.csr_array(labelled_graph[0]), labels)


def test_lists_of_labels_are_arrays_of_labels(labelled_graph):
    weights, labels = sp.csr_array(labelled_graph[0]), labelled_graph[1]
    assert modularity(weights, labels.tolist()) == modularity(weights, labels)


def test_trace_ratio_refuses_unequal_lengths():
    with pytest.raises(ValueError, match=r"exact_eigenvalues\[:len\(eigenvalues\)\]"):
        trace_ratio([1.0, 0.5], [1.0, 0.8, 0.5])


@pytest.mark.parametrize(
    "kind", [sp.coo_array, sp.csc_array, sp.csr_matrix, sp.lil_array, np.asarray, list]
)
def test_weights_may_be_any_matrix(labelled_graph, kind):
    matrix, labels = labelled_graph
    matrix = np.asarray(matrix)
    given = matrix.tolist() if kind is list else kind(matrix)
    for measure in (normalized_cut, modularity, retained_information):
        expected = measure(sp.csr_array(matrix), labels)
        assert measure(given, labels) == pytest.approx(expected, abs=1e-12)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="labels_true is empty"):
        clustering_accuracy([], [])
    with pytest.raises(ValueError, match="weights has no nodes"):
        modularity(np.empty((0, 0)), [])


@pytest.mark.parametrize(
    "labels",
    [["1", 1, 1, "1"], [None, "a", "a", None], [(0, 1), (1, 1), (1, 1), (0, 1)]],
)
def test_labels_of_any_kind_are_told_apart(labels):
    for given_labels in (labels, pd.Series(labels)):
        assert clustering_accuracy(given_labels, [0, 1, 1, 0]) == 1.0
        assert clustering_accuracy([0, 1, 1, 1], given_labels) == 0.75


def test_labels_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="labels_pred has 2 labels and labels_true 3"):
        clustering_accuracy([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match=r"labels_true has shape \(3, 1\)"):
        clustering_accuracy(np.zeros((3, 1)), [0, 1, 2])


@pytest.mark.parametrize("measure", [modularity, normalized_cut, retained_information])
def test_weights_that_are_not_square_are_refused(measure):
    weights = np.ones((4, 4))
    for part in (weights[:3], weights[:, :3]):
        with pytest.raises(ValueError, match=r"must be \(n_nodes, n_nodes\)"):
            measure(part, [0, 0, 1])


def test_a_walk_has_a_length():
    with pytest.raises(ValueError, match=r"n_steps=-3 must be at least 0"):
        cluster_transitions(np.ones((2, 2)), [0, 1], n_steps=-3)


@given(st.integers(0, 1000))
def test_information_is_never_negative(seed):
    generator = np.random.default_rng(seed)
    weights = generator.uniform(size=(6, 6))
    labels = generator.integers(2, size=6)
    assert retained_information(weights + weights.T, labels, n_steps=30) >= 0
