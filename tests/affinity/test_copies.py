"""Identical rows are one node that weighs as much as its copies."""

import numpy as np
import pytest

from neuraleig.affinity import NeighborAffinity, _copies
from neuraleig.affinity._copies import Slots, distinct_rows, in_lowest_terms


def rows(n_rows=40, n_features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_features))


def built(X, n_neighbors=5, groups=None, **options):
    affinity = NeighborAffinity(
        n_neighbors, across_groups=groups is not None, **options
    )
    return affinity.build(X, seed=0, groups=groups)


# Distinct rows


def test_distinct_rows_are_the_first_of_their_kind():
    X = np.array([[0.0, 1], [2, 3], [-0.0, 1], [2, 3], [2, 4]])
    found = distinct_rows(X)
    np.testing.assert_array_equal(found.first, [0, 1, 4])
    np.testing.assert_array_equal(found.counts, [2, 2, 1])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distinct_rows_are_those_of_numpy(monkeypatch, dtype, order):
    monkeypatch.setattr(_copies, "SLICE_ELEMENTS", 20)
    X = np.random.default_rng(0).integers(-1, 2, size=(60, 4)).astype(dtype, order)
    X[X == 0] *= -1
    X[30:] = np.abs(X[30:])
    _, first, counts = np.unique(X, axis=0, return_index=True, return_counts=True)
    found = distinct_rows(X)
    np.testing.assert_array_equal(found.first, np.sort(first))
    np.testing.assert_array_equal(found.counts, counts[np.argsort(first)])


def test_rows_that_share_a_hash_are_compared(monkeypatch):
    X = rows(20)
    X[5] = X[2]
    monkeypatch.setattr(_copies, "_row_hashes", lambda X: np.zeros(len(X), np.uint64))
    np.testing.assert_array_equal(distinct_rows(X).first, np.delete(np.arange(20), 5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hashes_of_whole_numbers_differ(dtype):
    X = np.random.default_rng(0).integers(0, 256, size=(20_000, 8)).astype(dtype)
    assert len(np.unique(_copies._row_hashes(X))) == len(np.unique(X, axis=0))


# Slots


def test_counts_are_taken_in_lowest_terms():
    assert in_lowest_terms(np.array([1, 1, 1])) is None
    assert in_lowest_terms(np.array([6, 6, 6])) is None
    np.testing.assert_array_equal(in_lowest_terms(np.array([6, 9, 3])), [2, 3, 1])


def test_slots_go_to_copies_and_then_to_the_nearest():
    counts = np.array([1, 3, 1, 1, 20])
    indices = np.array([[1, 2, 3], [0, 2, 3], [3, 1, 0], [4, 2, 0], [3, 2, 0]])
    slots = Slots.of(counts, indices)
    np.testing.assert_array_equal(slots.own, [0, 2, 0, 0, 3])
    others = [[3, 0, 0], [1, 0, 0], [1, 2, 0], [3, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(slots.others, others)
    np.testing.assert_array_equal(slots.ranks_of(2), [0, 0, 1, 0, 0])


def test_the_graph_is_that_of_all_copies():
    X = rows(60, 2)
    counts = np.ones(60, dtype=int)
    counts[[3, 17, 40]] = [2, 4, 9]
    places = np.repeat(np.arange(60), counts)
    distances = np.linalg.norm(X[places][:, None] - X[places], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = places[np.argsort(distances, axis=1, kind="stable")[:, :5]]
    expected = np.zeros((60, 60))
    np.add.at(expected, (np.repeat(places, 5), nearest.ravel()), 1.0)
    found = built(X[places], weights="binary")
    # Beside the thin edges of masses.
    matrix = np.where(found.weights.toarray() < 0.1, 0.0, found.weights.toarray())
    order = np.searchsorted(np.unique(places), places[found.index])
    wanted = (expected + expected.T)[np.ix_(order, order)] / 2
    np.testing.assert_allclose(matrix, wanted, atol=5 * 9 * np.exp(-10))


@pytest.mark.parametrize("n_times", [2, 3, 25])
@pytest.mark.parametrize("weights", ["self_tuning", "heat", "binary"])
def test_repeating_all_rows_changes_no_weight(n_times, weights):
    X = rows(30)
    X = np.vstack([X, np.repeat(X[:2], 12, axis=0)])
    once, often = (
        built(rows, weights=weights) for rows in (X, np.repeat(X, n_times, axis=0))
    )
    np.testing.assert_array_equal(often.weights.toarray(), once.weights.toarray())
    np.testing.assert_array_equal(often.counts, n_times * once.counts)


def test_distinct_rows_have_an_empty_diagonal():
    graph = built(rows())
    assert graph.copies is None
    assert graph.relative_counts is None
    np.testing.assert_array_equal(graph.counts, 1)
    assert not graph.weights.diagonal().any()
    assert graph.n_edges == graph.weights.nnz // 2


def test_a_mass_weighs_as_much_as_its_copies_and_hangs_on_by_thin_edges():
    X = np.vstack([rows(50), np.full((80, 3), 30.0)])
    graph = built(X)
    assert graph.n_connected_components == 1
    assert graph.weights.diagonal()[50] == 80 * 5
    assert graph.degrees[50] == pytest.approx(80 * 5, rel=0.001)
    assert graph.n_edges == (graph.weights.nnz - 1) // 2


def test_values_of_few_rows_each_are_joined_like_others():
    X = np.repeat(np.arange(12.0), 30)[:, None]
    X = np.vstack([X, np.full((15, 1), 4.0)])
    graph = built(X, 2, weights="binary")
    matrix = graph.weights.toarray()
    assert (np.diag(matrix, 1) > 0.5).all()


def test_copies_in_one_group_are_no_neighbours():
    X, groups = rows(40), np.arange(40) % 2
    X[0:20:2] = X[0]
    graph = built(X, groups=groups)
    assert graph.counts[0] == 10
    assert not graph.weights.diagonal().any()
    assert graph.degrees[0] >= 10 * 5 / 2 * np.exp(-10)
    assert (
        groups[graph.index][graph.weights.tocoo().row]
        != groups[graph.index][graph.weights.tocoo().col]
    ).all()


def test_copies_follow_their_nodes():
    X = np.vstack([rows(20), np.repeat(rows(3, seed=1), 4, axis=0)])
    graph = built(X).regularized(0.1)
    np.testing.assert_array_equal(graph.counts, [1] * 20 + [4] * 3)
    nodes = np.array([21, 0, 22])
    np.testing.assert_array_equal(graph.subgraph(nodes).counts, [4, 1, 4])
    np.testing.assert_array_equal(graph.subgraph(nodes).relative_counts, [4, 1, 4])
    assert graph.subgraph(np.array([20, 22])).relative_counts is None
