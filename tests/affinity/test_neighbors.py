import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from neuraleig.affinity import _neighbors_exact, nearest_neighbors


def brute_force(X, n_neighbors, metric="euclidean", algorithm="brute"):
    search = NearestNeighbors(
        n_neighbors=n_neighbors, metric=metric, algorithm=algorithm
    )
    return search.fit(X).kneighbors()


def assert_same_neighbors(found, exact, rtol=1e-5, atol=0.0):
    """The same distances, and the same rows but for ties."""
    np.testing.assert_allclose(found[0], exact[0], rtol=rtol, atol=atol)
    assert np.all(np.diff(found[0], axis=1) >= 0)
    same = found[1] == exact[1]
    gaps = np.diff(exact[0], axis=1, prepend=0.0)
    after = np.append(gaps[:, 1:], np.full((len(gaps), 1), np.inf), axis=1)
    tied = np.minimum(gaps, after) <= 2 * (rtol * exact[0] + atol)
    # The last neighbour may be tied with one that was not listed.
    tied[:, -1] = True
    assert np.all(same | tied)
    assert np.mean(same) > 0.95


@pytest.fixture
def normal():
    def draw(n_rows, n_features, seed=0):
        return np.random.default_rng(seed).normal(size=(n_rows, n_features))

    return draw


@pytest.mark.parametrize("n_features", [1, 2, 8, 9, 40, 200])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_neighbours_are_those_of_brute_force(normal, n_features, metric):
    X = normal(300, n_features)
    found = nearest_neighbors(X, 7, metric=metric)
    assert_same_neighbors(found, brute_force(X, 7, metric))


@pytest.mark.parametrize("n_features", [2, 12])
def test_cosine_distances_are_those_of_unit_vectors(normal, n_features):
    X = normal(300, n_features) * np.geomspace(1e-3, 1e3, 300)[:, None]
    _, exact = brute_force(X, 5, "cosine")
    distances, indices, _ = nearest_neighbors(X, 5, metric="cosine")
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    expected = np.linalg.norm(unit[:, None] - unit[exact], axis=2)
    # Rounding in float32 is 1e-7 of the unit length.
    assert_same_neighbors((distances, indices), (expected, exact), atol=1e-6)


@pytest.mark.parametrize("n_features", [3, 20])
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_offset_and_unit_do_not_matter(normal, n_features, offset, unit):
    X = normal(250, n_features)
    expected = brute_force(X, 6)
    distances, indices, _ = nearest_neighbors(unit * (X + offset), 6)
    assert_same_neighbors((distances / unit, indices), expected)


@pytest.mark.parametrize("separation", [1e2, 1e4, 1e6])
def test_tight_groups_far_apart_are_searched_exactly(normal, separation):
    X = normal(600, 12)
    X[300:] += separation
    # Trees take differences; scikit-learn's brute force drowns as float32 does.
    expected = brute_force(X, 5, algorithm="kd_tree")
    assert_same_neighbors(nearest_neighbors(X, 5), expected, rtol=1e-5)


@pytest.mark.parametrize("n_features", [2, 20])
def test_a_row_is_never_its_own_neighbour(normal, n_features):
    X = np.repeat(normal(20, n_features), 30, axis=0)
    distances, indices, _ = nearest_neighbors(X, 10)
    assert np.all(indices != np.arange(600)[:, None])
    np.testing.assert_array_equal(distances, 0.0)
    np.testing.assert_array_equal(X[indices], np.repeat(X[:, None], 10, axis=1))


@pytest.mark.parametrize("n_features", [2, 20])
def test_all_other_rows_can_be_asked_for(normal, n_features):
    X = normal(12, n_features)
    _, indices, _ = nearest_neighbors(X, 11)
    everyone = np.arange(12)
    for row in range(12):
        assert set(indices[row]) == set(everyone) - {row}


@pytest.mark.parametrize("n_features", [4, 30])
def test_rows_in_another_order_have_the_same_neighbours(normal, n_features):
    X = normal(200, n_features)
    order = np.random.default_rng(1).permutation(200)
    _, indices, _ = nearest_neighbors(X, 4)
    _, permuted, _ = nearest_neighbors(X[order], 4)
    np.testing.assert_array_equal(order[permuted], indices[order])


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_chunks_do_not_show(normal, monkeypatch, offset):
    X = normal(203, 20)
    X[100:] += offset  # drowns in float32, so that float64 searches by tiles
    expected = nearest_neighbors(X, 4)
    for constant in ("CHUNK_ELEMENTS", "CACHE_ELEMENTS"):
        monkeypatch.setattr(_neighbors_exact, constant, 1_000)
    found = nearest_neighbors(X, 4)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-6)


@pytest.mark.parametrize("n_features", [2, 12, 150])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("backend", ["torch", "sklearn", "faiss"])
def test_exact_backends_agree_with_float64(normal, backend, metric, n_features):
    if backend == "faiss":
        pytest.importorskip("faiss")
    X = normal(400, n_features)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True) if metric == "cosine" else X
    found = nearest_neighbors(X, 6, metric=metric, backend=backend)
    assert_same_neighbors(found, brute_force(unit, 6), atol=1e-6)
    assert found.recall == 1.0


@pytest.mark.parametrize("backend", ["torch", "sklearn", "faiss"])
def test_backends_find_all_other_rows(backend):
    if backend == "faiss":
        pytest.importorskip("faiss")
    X = np.repeat(np.eye(3, 10), 4, axis=0)
    indices = nearest_neighbors(X, 11, backend=backend).indices
    for row in range(12):
        assert set(indices[row]) == set(range(12)) - {row}


def test_a_memory_map_is_searched_as_it_is(normal, tmp_path):
    X = normal(300, 20).astype(np.float32)
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    found, expected = nearest_neighbors(mapped, 5), nearest_neighbors(X, 5)
    np.testing.assert_array_equal(found.indices, expected.indices)


@pytest.mark.parametrize("world_size", [2, 3, 7])
@pytest.mark.parametrize("backend", ["torch", "sklearn"])
def test_several_processes_find_what_one_finds(normal, shared, backend, world_size):
    X = normal(230, 12)
    X[200:] += 1e5
    alone = nearest_neighbors(X, 5, backend=backend)
    for found in shared(
        world_size, lambda shard: nearest_neighbors(X, 5, backend=backend, shard=shard)
    ):
        np.testing.assert_array_equal(found.indices, alone.indices)
        np.testing.assert_array_equal(found.distances, alone.distances)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"backend": "annoy"}, "backend='annoy' must be one of auto, torch"),
        (
            {"backend": "torch", "metric": "manhattan"},
            "backend='torch' does not support metric='manhattan'; use backend=",
        ),
        (
            {"backend": "faiss", "metric": "l1"},
            "backend='faiss' does not support metric='l1'",
        ),
        (
            {"backend": "sklearn", "approximate": True},
            "approximate=True is not supported by scikit-learn",
        ),
        (
            {"metric": "manhattan", "approximate": True},
            "approximate=True is not supported by scikit-learn",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(normal, parameters, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(normal(20, 3), 2, **parameters)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[0.0], [1.0]], "X is a list; .* numpy array"),
        (torch.zeros(5, 2), "X is a Tensor; .* numpy array"),
        (np.zeros(20), r"X is float64 of shape \(20,\); .* X.reshape\(-1, 1\)"),
        (np.zeros((1, 20, 3)), r"X is float64 of shape \(1, 20, 3\)"),
        (np.zeros((0, 3)), r"X is float64 of shape \(0, 3\)"),
        (np.zeros((20, 0)), r"X is float64 of shape \(20, 0\)"),
        (np.zeros((20, 3), dtype=object), "X is object"),
        (np.zeros((20, 3), dtype=complex), "X is complex128"),
    ],
)
def test_only_arrays_of_rows_are_searched(X, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(X, 1)


ODD = np.arange(20) % 2


@pytest.mark.parametrize("n_features", [3, 20])
@pytest.mark.parametrize(
    ("n_neighbors", "groups", "message"),
    [
        (0, None, "n_neighbors=0 must be a positive integer"),
        (-1, None, "n_neighbors=-1 must be"),
        (20, None, "n_neighbors=20 .* at most 19, the number of other rows; lower"),
        (2.5, None, "n_neighbors=2.5 must be"),
        ("3", None, "n_neighbors='3' must be"),
        (True, None, "n_neighbors=True must be"),
        (11, ODD, "n_neighbors=11 .* at most 10, the number of rows outside of the la"),
        (3, np.zeros(20, dtype=np.int64), "n_neighbors=3 .* at most 0, the number of"),
        (3, ODD.tolist(), "groups is a list; .* numpy.unique"),
        (3, ODD[:10], r"groups is int64 of shape \(10,\); .* of shape \(20,\)"),
        (3, ODD[:, None], r"groups is int64 of shape \(20, 1\)"),
        (3, ODD.astype(str), r"groups is <U21 of shape \(20,\); .* numpy.unique"),
        (3, ODD - 1, "groups has the negative value -1; .* numpy.unique"),
    ],
)
def test_neighbours_that_there_are_not_are_refused(
    normal, n_features, n_neighbors, groups, message
):
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(normal(20, n_features), n_neighbors, groups=groups)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("n_features", [3, 20])
def test_rows_that_are_not_finite_are_refused(normal, n_features, value):
    X = normal(20, n_features)
    X[7:9, 1] = value, -value
    with pytest.raises(ValueError, match="X has values that are not finite; leave"):
        nearest_neighbors(X, 3)


def test_without_faiss_the_extra_is_named(normal, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="pip install faiss-cpu "):
        nearest_neighbors(normal(20, 3), 2, backend="faiss")


@pytest.mark.gpu
@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_gpu_finds_what_the_cpu_finds(normal, monkeypatch, share):
    # With no share of its memory for the rows, they come by tiles.
    monkeypatch.setattr(_neighbors_exact, "RESIDENT_SHARE", share)
    X = normal(3_000, 24)
    found = nearest_neighbors(X, 8, device=torch.device("cuda"), approximate=False)
    assert_same_neighbors(found, nearest_neighbors(X, 8), atol=1e-6)


@pytest.mark.gpu
def test_a_gpu_searches_cells(normal):
    X = normal(20_000, 12)
    found = nearest_neighbors(X, 8, device=torch.device("cuda"), approximate=True)
    exact = nearest_neighbors(X, 8)
    assert found.recall >= 0.99
    assert np.mean(found.distances <= exact.distances[:, -1:] * (1 + 1e-5)) >= 0.985


@given(
    st.integers(1, 400),
    st.integers(1, 12),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 2**31),
)
def test_smallest_is_the_full_selection(n_columns, count, group, levels, seed):
    count = min(count, n_columns)
    generator = np.random.default_rng(seed)
    # Few levels make many ties.
    values = generator.integers(0, levels, size=(3, n_columns)).astype(np.float32)
    found = _neighbors_exact.smallest(torch.from_numpy(values), count, group).numpy()
    assert found.shape == (3, count)
    for row, picked in zip(values, found, strict=True):
        assert len(set(picked)) == count
        np.testing.assert_array_equal(np.sort(row[picked]), np.sort(row)[:count])


@pytest.mark.parametrize("n_columns", [64, 100, 103])
def test_smallest_finds_a_minimum_wherever_it_is(n_columns):
    values = torch.ones(n_columns, n_columns)
    values.fill_diagonal_(0.0)
    found = _neighbors_exact.smallest(values, 2, 8)
    assert torch.all((found == torch.arange(n_columns)[:, None]).any(dim=1))


@pytest.mark.parametrize("n_features", [3, 12])
@pytest.mark.parametrize(
    ("dtype", "unit"),
    [("float32", 2.0**80), ("float32", 2.0**-100), ("float64", 2.0**-700)],
)
def test_angles_know_no_length(normal, n_features, dtype, unit):
    X = normal(60, n_features).astype(dtype)
    lengths = np.random.default_rng(1).uniform(0.5, 2.0, (60, 1)).astype(dtype)
    expected = nearest_neighbors(X, 4, metric="cosine")
    found = nearest_neighbors(X * lengths * X.dtype.type(unit), 4, metric="cosine")
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-4)
