"""Neighbours in other groups: exact by any search, and what a graph makes of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from neuraleig.affinity import (
    GraphWarning,
    NeighborAffinity,
    _neighbors_approximate,
    _neighbors_exact,
    _neighbors_trees,
    nearest_neighbors,
)

N_ROWS = 300


def brute_force(X, n_neighbors, groups, metric="euclidean"):
    """Distances and rows by all pairs."""
    if metric == "cosine":
        metric, X = "euclidean", X / np.linalg.norm(X, axis=1, keepdims=True)
    distances = cdist(X, X, metric)
    distances[groups[:, None] == groups] = np.inf
    indices = np.argsort(distances, axis=1, kind="stable")[:, :n_neighbors]
    return np.take_along_axis(distances, indices, axis=1), indices


def assert_are_neighbors(found, X, n_neighbors, groups, metric="euclidean"):
    distances, indices = brute_force(X, n_neighbors, groups, metric)
    assert np.all(groups[found.indices] != groups[:, None])
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-6)
    # But for ties.
    assert np.mean(found.indices == indices) > 0.99


def equal(generator, n_rows=N_ROWS):
    return np.arange(n_rows) % 3


def unequal(generator, n_rows=N_ROWS):
    """A group of nearly all rows, and two of six and eight."""
    groups = np.zeros(n_rows, dtype=np.int64)
    rare = generator.choice(n_rows, 14, replace=False)
    groups[rare[:6]], groups[rare[6:]] = 1, 2
    return groups


def pairs(generator, n_rows=N_ROWS):
    return np.arange(n_rows) // 2


def alone(generator, n_rows=N_ROWS):
    """Every row is a group: neighbours are all other rows."""
    return generator.permutation(n_rows)


GROUPINGS = [equal, unequal, pairs, alone]
# Of the number of features depends which search "auto" is.
SEARCHES = {
    "trees": {"n_features": 3},
    "torch": {"n_features": 20},
    "torch in two dimensions": {"n_features": 2, "backend": "torch"},
    "scikit-learn": {"n_features": 20, "backend": "sklearn"},
    "cosine": {"n_features": 20, "metric": "cosine"},
    "cosine by trees": {"n_features": 3, "metric": "cosine"},
    "manhattan": {"n_features": 20, "metric": "manhattan"},
    "torch, asked for as approximate": {"n_features": 20, "approximate": True},
}


@pytest.fixture(params=SEARCHES.values(), ids=SEARCHES)
def search(request):
    return dict(request.param)


@pytest.mark.parametrize("shift", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("grouping", GROUPINGS)
def test_neighbours_are_those_of_brute_force(search, grouping, shift):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(N_ROWS, search.pop("n_features")))
    groups = grouping(generator)
    X[:, 0] += shift * (groups % 3)
    found = nearest_neighbors(X, 6, groups=groups, **search)
    assert found.recall == 1.0
    metric = {"manhattan": "cityblock"}.get(search.get("metric"), search.get("metric"))
    assert_are_neighbors(found, X, 6, groups, metric or "euclidean")


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=6),
    n_features=st.sampled_from([1, 2, 10]),
    seed=st.integers(0, 9),
)
def test_all_rows_of_other_groups_can_be_asked_for(sizes, n_features, seed):
    generator = np.random.default_rng(seed)
    groups = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = generator.integers(0, 3, size=(len(groups), n_features)).astype(float)
    n_neighbors = len(groups) - max(sizes)
    for backend in ("torch", "sklearn"):
        found = nearest_neighbors(X, n_neighbors, groups=groups, backend=backend)
        expected, _ = brute_force(X, n_neighbors, groups)
        np.testing.assert_allclose(found.distances, expected, rtol=1e-5, atol=1e-6)
        assert np.all(groups[found.indices] != groups[:, None])
        for listed in found.indices:
            assert np.unique(listed).size == n_neighbors


def test_chunks_do_not_show(monkeypatch):
    generator = np.random.default_rng(0)
    X, groups = generator.normal(size=(203, 20)), unequal(generator, 203)
    X[100:] += 1e5  # drowns in float32, so that float64 searches by tiles
    for constant in ("CHUNK_ELEMENTS", "CACHE_ELEMENTS"):
        monkeypatch.setattr(_neighbors_exact, constant, 1_000)
    assert_are_neighbors(nearest_neighbors(X, 4, groups=groups), X, 4, groups)


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_trees_never_list_half_of_the_rows_for_every_row(monkeypatch, shift):
    from sklearn.neighbors import NearestNeighbors

    listed = []

    def kneighbors(self, X, n_neighbors):
        listed.append(len(X) * n_neighbors)
        return plain(self, X, n_neighbors)

    plain = NearestNeighbors.kneighbors
    monkeypatch.setattr(NearestNeighbors, "kneighbors", kneighbors)
    monkeypatch.setattr(_neighbors_trees, "SLICE_ROWS", 1_000)
    generator = np.random.default_rng(0)
    groups = np.arange(3_000) % 2
    X = generator.normal(size=(3_000, 2)) + shift * groups[:, None]
    found = nearest_neighbors(X, 5, groups=groups)
    assert_are_neighbors(found, X, 5, groups)
    assert max(listed) <= 1_000 * 8 * 5


# Approximate searches

N_MANY = 4_000


def mixed(generator, n_features=16):
    """Blobs that all groups share."""
    centres = generator.uniform(-10, 10, (12, n_features))
    X = centres[generator.integers(12, size=N_MANY)]
    return X + 3 * generator.normal(size=X.shape), np.arange(N_MANY) % 4


def shifted(generator):
    """Groups far apart: every cell has rows of one group."""
    X, groups = mixed(generator)
    X[:, 0] += 1e3 * groups
    return X, groups


def rare(generator):
    """One group of nearly all rows."""
    X, _ = mixed(generator)
    return X, unequal(generator, N_MANY)


def wide(generator):
    """Candidates are found along principal axes."""
    inner = generator.normal(size=(N_MANY, 10)) @ generator.normal(size=(10, 150))
    return inner + 1e-3 * generator.normal(size=inner.shape), np.arange(N_MANY) % 3


@pytest.fixture(params=[mixed, shifted, rare, wide], ids=lambda draw: draw.__name__)
def many(request):
    return request.param(np.random.default_rng(0))


def recall_of(found, X, groups):
    """Share of neighbours no farther than the last true one, on a sample."""
    sample = np.random.default_rng(1).choice(len(X), 300, replace=False)
    distances = cdist(X[sample], X)
    distances[groups[sample][:, None] == groups] = np.inf
    k = found.indices.shape[1]
    farthest = np.partition(distances, k - 1)[:, k - 1]
    return np.mean(found.distances[sample] <= farthest[:, None] * (1 + 1e-5))


def test_approximate_searches_miss_few_and_list_no_row_of_the_own_group(many):
    X, groups = many
    found = nearest_neighbors(X, 6, groups=groups, backend="torch", approximate=True)
    assert found.recall >= 0.99
    assert recall_of(found, X, groups) >= 0.985  # another sample
    assert np.all(groups[found.indices] != groups[:, None])
    assert np.all(np.isfinite(found.distances))
    assert np.all(np.diff(np.sort(found.indices, axis=1), axis=1) > 0)
    expected = np.linalg.norm(X[found.indices] - X[:, None], axis=2)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("draw", [mixed, rare])
def test_several_processes_find_what_one_finds(shared, draw):
    X, groups = draw(np.random.default_rng(0))

    def found(**options):
        return nearest_neighbors(X, 5, groups=groups, approximate=True, **options)

    alone = found()
    for other in shared(2, lambda shard: found(shard=shard)):
        np.testing.assert_array_equal(other.indices, alone.indices)
        assert other.recall == alone.recall


def test_chunks_of_approximate_searches_do_not_show(monkeypatch):
    X, groups = shifted(np.random.default_rng(0))
    expected = nearest_neighbors(X, 5, groups=groups, approximate=True)
    monkeypatch.setattr(_neighbors_approximate, "chunk_elements", lambda device: 10_000)
    found = nearest_neighbors(X, 5, groups=groups, approximate=True)
    assert np.mean(found.indices == expected.indices) > 0.999


# Graphs


def graph_across(X, groups, n_neighbors=5, **options):
    affinity = NeighborAffinity(n_neighbors, across_groups=True, **options)
    assert affinity.takes_groups
    return affinity.build(X, groups=groups)


@pytest.mark.parametrize("weights", ["self_tuning", "heat", "binary"])
def test_edges_are_between_groups_alone(weights):
    generator = np.random.default_rng(0)
    X, groups = generator.normal(size=(90, 3)), np.arange(90) % 3
    graph = graph_across(X, groups, weights=weights)
    source, target = graph.weights.nonzero()
    assert np.all(groups[graph.index[source]] != groups[graph.index[target]])
    assert abs(graph.weights - graph.weights.T).max() == 0
    _, neighbours = brute_force(X, 5, groups)
    listed = np.zeros((90, 90), dtype=bool)
    np.put_along_axis(listed, neighbours, values=True, axis=1)
    assert np.array_equal(graph.weights.toarray() > 0, listed | listed.T)


def test_shifts_of_whole_groups_change_little():
    # Of an unshifted group, neighbours of the far one are those along its own axis.
    generator = np.random.default_rng(0)
    y = generator.integers(2, size=200)
    X = np.column_stack([np.zeros(200), 50.0 * y]) + generator.normal(size=(200, 2))
    groups = np.arange(200) % 2
    X[:, 0] += 30.0 * groups
    apart = NeighborAffinity(5).build(X)
    assert apart.n_connected_components == 4
    across = graph_across(X, groups)
    source, target = across.weights.nonzero()
    assert np.array_equal(y[source], y[target])
    assert across.n_connected_components == 2


def test_identical_rows_are_one_node_per_group():
    X = np.array([[0.0, 0], [0, 0], [0, 0], [1, 0], [1, 0], [-0.0, 0], [3, 0]])
    groups = np.array([0, 0, 1, 0, 1, 1, 2])
    graph = graph_across(X, groups, 2)
    np.testing.assert_array_equal(graph.index, [0, 2, 3, 4, 6])
    # Those at the same place in two groups are each other's nearest neighbours.
    matrix = graph.weights.toarray()
    np.testing.assert_array_equal(matrix.argmax(axis=1)[:4], [1, 0, 3, 2])
    assert matrix[0, 2] == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_of_the_data_in_two_groups_find_each_other(dtype):
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(dtype)
    graph = graph_across(np.vstack([X, X]), np.repeat([0, 1], 40), 1)
    assert graph.n_nodes == 80
    matrix = graph.weights.toarray()
    np.testing.assert_allclose(matrix[:40, 40:], np.eye(40), atol=1e-6)


@pytest.mark.parametrize(
    ("sizes", "n_others"), [((30, 4), 4), ((30, 3, 2), 5), ((2, 1), 1)]
)
def test_neighbours_are_clipped_to_rows_outside_the_largest_group(sizes, n_others):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    X = np.random.default_rng(0).normal(size=(len(groups), 2))
    message = (
        rf"n_neighbors=10 is more than the distinct rows outside the largest group "
        rf"\({n_others}\); {n_others} neighbours are used instead"
    )
    with pytest.warns(GraphWarning, match=message):
        graph = graph_across(X, groups, 10)
    with_as_many = graph_across(X, groups, n_others)
    assert abs(graph.weights - with_as_many.weights).max() == 0
    # Copies of rows do not count.
    doubled = np.vstack([X, X[groups > 0]])
    with pytest.warns(GraphWarning, match=message):
        graph_across(doubled, np.concatenate([groups, groups[groups > 0]]), 10)


def test_groups_are_left_alone_unless_they_are_asked_for():
    X, groups = np.random.default_rng(0).normal(size=(50, 3)), np.arange(50) % 2
    affinity = NeighborAffinity(5)
    assert not affinity.takes_groups
    with_groups, without = affinity.build(X, groups=groups), affinity.build(X)
    assert abs(with_groups.weights - without.weights).max() == 0


def test_random_pairs_may_be_of_one_group():
    X, groups = np.random.default_rng(0).normal(size=(50, 3)), np.arange(50) % 2
    plain, mixed = (graph_across(X, groups, regularization=r) for r in (0.0, 0.1))
    assert plain.uniform == 0 < mixed.uniform
    assert abs(plain.weights - mixed.weights).max() == 0


# Within a batch


def test_batches_have_edges_between_groups_alone():
    generator = np.random.default_rng(0)
    X, groups = generator.normal(size=(60, 3)), np.arange(60) % 3
    index = generator.permutation(60)[:30]
    affinity = NeighborAffinity(4, across_groups=True)
    edges = affinity.among(X[index], index, groups=groups)
    expected = affinity.build(X[index], groups=groups[index]).weights.toarray()
    dense = torch.zeros(30, 30)
    dense[edges.source, edges.target] = edges.weight
    dense = dense + dense.T
    np.testing.assert_allclose(
        dense / dense.max(), expected / expected.max(), atol=1e-6
    )


def test_a_batch_of_one_group_has_no_edges():
    X = np.random.default_rng(0).normal(size=(9, 3))
    affinity = NeighborAffinity(4, across_groups=True)
    index = np.array([0, 2, 4])
    edges = affinity.among(X[index], index, groups=np.arange(9) % 2)
    assert edges.n_nodes == 3
    assert len(edges.weight) == 0
