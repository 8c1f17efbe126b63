import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.neighbors import NearestNeighbors, sort_graph_by_row_values

from neuraleig.affinity import (
    Graph,
    GraphWarning,
    NeighborAffinity,
    PrecomputedAffinity,
    make_affinity,
    nearest_neighbors,
)
from neuraleig.affinity._neighbor_edges import (
    EDGE_WEIGHTS,
    edge_weights,
    neighbor_graph,
)
from neuraleig.affinity._precomputed import neighbors_of_matrix


def rows(n_rows=40, n_features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_features))


def built(X, n_neighbors=5, **options):
    return NeighborAffinity(n_neighbors, **options).build(X, seed=0)


def dense(graph):
    return graph.weights.toarray()


small_tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(4, 15), st.integers(1, 3)),
    elements=st.integers(-5, 5).map(float),
    unique=False,
).filter(lambda X: len(np.unique(X, axis=0)) > 3)


@pytest.mark.parametrize("weights", EDGE_WEIGHTS)
@settings(max_examples=40)
@given(X=small_tables)
def test_any_rows_make_a_symmetric_non_negative_graph(weights, X):
    graph = built(X, 3, weights=weights)
    matrix = dense(graph)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix)[graph.counts == 1], 0.0)
    # No copy has more than three edges.
    most = 3 * (graph.counts[:, None] + graph.counts) / 2
    assert np.all((matrix >= 0) & (matrix <= (most if graph.copies is not None else 1)))
    # Every node has its neighbours, and every place is one node.
    np.fill_diagonal(matrix, 0.0)
    assert np.all((matrix > 0).sum(axis=1) >= 3)
    assert graph.n_nodes == len(np.unique(X, axis=0))
    assert len(np.unique(X[graph.index], axis=0)) == graph.n_nodes


@settings(max_examples=40)
@given(X=small_tables, exponent=st.integers(-20, 20))
def test_the_unit_of_the_rows_does_not_matter(X, exponent):
    # Powers of two scale without rounding.
    graph, scaled = built(X, 3), built(2.0**exponent * X, 3)
    np.testing.assert_allclose(dense(scaled), dense(graph), rtol=1e-9)
    np.testing.assert_array_equal(scaled.index, graph.index)


@pytest.mark.parametrize("weights", EDGE_WEIGHTS)
@pytest.mark.parametrize("n_features", [3, 20])
def test_permuting_the_rows_permutes_the_graph(weights, n_features):
    X = rows(60, n_features)
    order = np.random.default_rng(1).permutation(60)
    graph, permuted = (built(x, weights=weights) for x in (X, X[order]))
    expected = dense(graph)[order][:, order]
    np.testing.assert_allclose(dense(permuted), expected, atol=1e-6)


@pytest.mark.parametrize("weights", EDGE_WEIGHTS)
def test_a_graph_joins_rows_of_which_one_is_the_others_neighbour(weights):
    X = rows()
    _, indices = NearestNeighbors(n_neighbors=5).fit(X).kneighbors()
    joined = np.zeros((40, 40), dtype=bool)
    joined[np.arange(40)[:, None], indices] = True
    np.testing.assert_array_equal(
        dense(built(X, weights=weights)) > 0, joined | joined.T
    )


def test_binary_weights_are_half_for_one_sided_neighbours():
    matrix = dense(built(rows(), weights="binary"))
    _, indices, _ = nearest_neighbors(rows(), 5)
    directed = np.zeros((40, 40))
    directed[np.arange(40)[:, None], indices] = 1.0
    np.testing.assert_array_equal(matrix, (directed + directed.T) / 2)


@pytest.mark.parametrize("n_neighbors", [3, 10])
def test_weights_are_their_formulas(n_neighbors):
    distances, indices, _ = nearest_neighbors(rows(), n_neighbors)
    scale = distances[:, min(7, n_neighbors) - 1]
    expected = {
        "binary": np.ones_like(distances),
        "heat": np.exp(-np.minimum(distances**2 / np.median(scale) ** 2, 10)),
        "self_tuning": np.exp(
            -np.minimum(distances**2 / (scale[:, None] * scale[indices]), 10)
        ),
    }
    assert set(expected) == set(EDGE_WEIGHTS)
    for kind, weights in expected.items():
        np.testing.assert_allclose(edge_weights(distances, indices, kind), weights)


def test_self_tuning_weights_follow_local_density():
    # Stretching one group far from the other stretches its scale along.
    X = rows(20)
    both = np.vstack([X, 1000 * X + 1e6])
    matrix = dense(built(both))
    np.testing.assert_allclose(matrix[20:, 20:], matrix[:20, :20], rtol=1e-6)


def test_no_edge_is_thinner_than_the_bridges_a_solver_can_see():
    chain = np.array([[0.0], [1.0], [2.0], [3.0], [1e6], [1e6 + 1], [1e6 + 2.5]])
    for weights in EDGE_WEIGHTS:
        graph = built(chain, 3, weights=weights)
        assert graph.weights.data.min() >= np.exp(-10) / 2 * (1 - 1e-12)


@pytest.mark.parametrize("n_features", [2, 20])
def test_duplicates_are_one_node(n_features):
    X = rows(30, n_features)
    doubled = np.vstack([X, X[:10], X[:10]])
    graph = built(doubled)
    np.testing.assert_array_equal(graph.index, np.arange(30))
    np.testing.assert_array_equal(graph.counts, [3] * 10 + [1] * 20)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "manhattan", "cosine"])
@pytest.mark.parametrize("n_neighbors", [5, 9, 12])
def test_duplicates_far_from_the_origin_are_one_node(metric, n_neighbors):
    # From n_neighbors = n / 2 scikit-learn searches by brute force, which rounds.
    X = rows(18, seed=1) + 1e6
    X[[7, 12]] = X[3]
    graph = built(X, n_neighbors, metric=metric)
    np.testing.assert_array_equal(graph.index, np.delete(np.arange(18), [7, 12]))


def test_distinct_rows_are_counted_once_in_the_warning():
    X = rows(6).repeat(2, axis=0)
    with pytest.warns(GraphWarning) as caught:
        built(X, 12)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 1
    assert "distinct rows (6); 5 neighbours are used" in messages[0]


def test_rows_that_are_all_alike_are_one_node_without_edges():
    with pytest.warns(GraphWarning):
        graph = built(np.ones((6, 2)), 6)
    assert graph.n_nodes == 1
    assert graph.weights.nnz == 0
    np.testing.assert_array_equal(graph.degrees, 0.0)


def test_too_few_rows_for_the_neighbours_warn():
    with pytest.warns(GraphWarning, match="3 neighbours are used instead"):
        graph = built(rows(4), 5)
    np.testing.assert_array_equal(dense(graph) > 0, ~np.eye(4, dtype=bool))


@pytest.mark.parametrize("metric", ["cosine", "manhattan"])
def test_the_metric_decides_who_is_near(metric):
    X = rows(50, 4)
    _, indices = NearestNeighbors(n_neighbors=5, metric=metric).fit(X).kneighbors()
    joined = np.zeros((50, 50), dtype=bool)
    joined[np.arange(50)[:, None], indices] = True
    graph = built(X, metric=metric, weights="binary")
    np.testing.assert_array_equal(dense(graph) > 0, joined | joined.T)


def test_among_a_batch_of_all_rows_is_the_graph():
    X = rows()
    affinity = NeighborAffinity(5)
    edges = affinity.among(X, np.arange(40))
    np.testing.assert_allclose(
        edges.matmul(torch.eye(40)), dense(affinity.build(X, seed=0)), rtol=1e-6
    )


@pytest.fixture
def given_graph(dense_affinity):
    return dense_affinity(9, seed=2, density=0.4)


def test_precomputed_is_symmetrised_and_its_diagonal_ignored(given_graph):
    skewed = given_graph + np.triu(given_graph) + 7 * np.eye(9)
    graph = PrecomputedAffinity().build(np.zeros((9, 1)), matrix=sp.csr_array(skewed))
    expected = (skewed + skewed.T) / 2
    np.testing.assert_allclose(dense(graph), expected * (1 - np.eye(9)))
    np.testing.assert_array_equal(graph.index, np.arange(9))


def test_precomputed_among_a_batch_is_the_submatrix(given_graph):
    affinity, matrix = PrecomputedAffinity(), sp.csr_array(given_graph)
    index = np.array([4, 0, 8])
    edges = affinity.among(np.zeros((3, 1)), index, matrix=matrix)
    np.testing.assert_allclose(
        edges.matmul(torch.eye(3)), given_graph[index][:, index], rtol=1e-6
    )


def test_neighbours_of_a_stored_matrix_are_its_smallest_entries():
    X = rows()
    search = NearestNeighbors(n_neighbors=8).fit(X)
    stored = search.kneighbors_graph(X, mode="distance")  # each row holds itself
    expected = nearest_neighbors(X, 5)[:2]
    shuffled = sp.csr_array(stored)
    shuffled.sort_indices()  # by column, as scipy likes it
    by_distance = sp.csr_array(
        sort_graph_by_row_values(stored, copy=True, warn_when_not_sorted=False)
    )
    for matrix in (by_distance, shuffled):
        for found, exact in zip(neighbors_of_matrix(matrix, 5), expected, strict=True):
            np.testing.assert_allclose(found, exact)


def test_precomputed_neighbours_make_the_graph_of_the_rows():
    X = rows()
    stored = NearestNeighbors(n_neighbors=6).fit(X).kneighbors_graph(mode="distance")
    affinity = make_affinity("precomputed_nearest_neighbors", n_neighbors=5)
    graph = affinity.build(X, matrix=affinity.check_matrix(stored, 40))
    np.testing.assert_allclose(dense(graph), dense(built(X)))


def test_neighbor_graph_is_the_mean_of_both_directions():
    distances, indices, _ = nearest_neighbors(rows(), 4)
    weights = edge_weights(distances, indices, "self_tuning")
    directed = np.zeros((40, 40))
    directed[np.arange(40)[:, None], indices] = weights
    graph = neighbor_graph(distances, indices, "self_tuning")
    np.testing.assert_allclose(graph.toarray(), (directed + directed.T) / 2)


def test_one_sided_edges_are_those_that_one_end_chose():
    X = rows(60)
    _, chosen = NearestNeighbors(n_neighbors=5).fit(X).kneighbors()
    matrix = np.zeros((60, 60), dtype=bool)
    np.put_along_axis(matrix, chosen, True, axis=1)
    graph = built(X)
    expected = np.where(matrix ^ matrix.T, dense(graph), 0.0)
    np.testing.assert_array_equal(graph.one_sided.toarray(), expected)


def test_thinning_leaves_a_tenth_of_one_sided_edges():
    graph = built(np.repeat(rows(60), 3, axis=0)[:150])
    thinned, one_sided = dense(graph.thinned()), graph.one_sided.toarray()
    assert 0 < np.count_nonzero(one_sided) < graph.weights.nnz
    np.testing.assert_allclose(thinned, dense(graph) - 0.9 * one_sided)
    np.testing.assert_array_equal(thinned > 0, dense(graph) > 0)
    assert graph.thinned().thinned() is None


def test_a_subgraph_is_thinned_as_its_graph():
    graph, kept = built(rows()), np.arange(0, 40, 3)
    expected = dense(graph.thinned())[kept][:, kept]
    np.testing.assert_allclose(dense(graph.subgraph(kept).thinned()), expected)


def test_given_weights_are_not_thinned(given_graph):
    matrix = sp.csr_array(given_graph)
    graph = PrecomputedAffinity().build(rows(len(given_graph)), matrix=matrix)
    assert graph.thinned() is None


def test_regularisation_adds_a_share_of_the_mean_degree(given_graph):
    graph = Graph(sp.csr_array(given_graph), np.arange(9))
    regularized = graph.regularized(0.1)
    full = given_graph + regularized.uniform
    assert full.sum() == pytest.approx(1.1 * given_graph.sum())
    np.testing.assert_allclose(regularized.degrees, full.sum(axis=1))
    np.testing.assert_array_equal(dense(regularized), given_graph)
    assert graph.regularized(0.0) is graph


def test_subgraph_keeps_edges_rows_and_uniform_weight(given_graph):
    graph = Graph(sp.csr_array(given_graph), np.arange(9) + 100, 0.3)
    nodes = np.array([2, 3, 7])
    part = graph.subgraph(nodes)
    np.testing.assert_array_equal(dense(part), given_graph[nodes][:, nodes])
    np.testing.assert_array_equal(part.index, nodes + 100)
    np.testing.assert_allclose(
        part.degrees, (given_graph[nodes][:, nodes] + 0.3).sum(axis=1)
    )


def test_components_are_counted_by_stored_edges(given_graph):
    blocks = sp.block_diag([given_graph, given_graph, np.zeros((1, 1))], format="csr")
    graph = Graph(sp.csr_array(blocks), np.arange(19), 0.1)
    assert graph.n_connected_components == 3
    np.testing.assert_array_equal(graph.component_labels, [0] * 9 + [1] * 9 + [2])


@pytest.mark.parametrize("name", ["precomputed", "precomputed_nearest_neighbors"])
def test_precomputed_kinds_need_their_matrix(name):
    affinity = make_affinity(name)
    assert affinity.needs_matrix
    with pytest.raises(ValueError, match="matrix is missing"):
        affinity.build(rows())


def test_parameters_reach_the_affinity():
    X = rows()
    affinity = make_affinity("nearest_neighbors", n_neighbors=4, metric="manhattan")
    expected = built(X, 4, metric="manhattan")
    np.testing.assert_array_equal(dense(affinity.build(X)), dense(expected))


def test_an_affinity_is_cloned():
    given = NeighborAffinity(4, weights="binary")
    made = make_affinity(given, n_neighbors=9)
    assert made is not given
    assert made.get_params() == given.get_params()


def test_only_duplicates_are_near_where_there_is_no_scale():
    distances = np.tile([0.0] * 7 + [5.0] * 3, (20, 1))
    indices = np.tile(np.arange(10), (20, 1))
    for kind in ("self_tuning", "heat"):
        weights = edge_weights(distances, indices, kind)
        np.testing.assert_array_equal(weights[:, :7], 1.0)
        np.testing.assert_allclose(weights[:, 7:], np.exp(-10.0))


@pytest.mark.parametrize("unit", [2.0**-700, 2.0**700])
@pytest.mark.parametrize("kind", EDGE_WEIGHTS)
def test_weights_know_no_unit(unit, kind):
    distances, indices, _ = nearest_neighbors(rows(), 9)
    expected = edge_weights(distances, indices, kind)
    np.testing.assert_array_equal(
        edge_weights(distances * unit, indices, kind), expected
    )


@pytest.mark.parametrize("unit", [2.0**-900, 2.0**900])
def test_weights_of_a_batch_know_no_unit(unit):
    X = rows(12)
    matrix = built(X).weights
    one, other = (
        PrecomputedAffinity().among(X, np.arange(12), matrix=sp.csr_array(matrix * u))
        for u in (1.0, unit)
    )
    # In float32, and of no size that floors would notice.
    assert 0.1 < other.weight.max() < 10
    torch.testing.assert_close(
        one.weight / one.weight.max(), other.weight / other.weight.max()
    )


def test_random_pairs_keep_their_share_in_a_thinned_graph():
    thinned = built(rows(60), regularization=0.5).thinned()
    mean_degree = thinned.weights.sum() / 60
    assert thinned.uniform * 60 == pytest.approx(0.5 * mean_degree)
