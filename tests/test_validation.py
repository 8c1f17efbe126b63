import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neuraleig._validation import (
    METRICS,
    check_affinity_matrix,
    check_hidden_sizes,
    check_n_clusters,
    check_neighbors_matrix,
    check_range,
    check_temperature,
)
from neuraleig.affinity import nearest_neighbors

MATRIX = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.0], [0.5, 0.0, 0.0]])

square = st.integers(1, 6).flatmap(
    lambda n: arrays(np.float64, (n, n), elements=st.floats(0, 1e6))
)


def with_index_type(matrix, kind):
    result = sp.csr_array(matrix)
    result.indices = result.indices.astype(kind)
    result.indptr = result.indptr.astype(kind)
    return result


@given(square)
def test_symmetric_matrices_pass_unchanged(half):
    matrix = half + half.T
    checked = check_affinity_matrix(matrix, len(matrix))
    assert checked.dtype == np.float64
    np.testing.assert_array_equal(checked.toarray(), matrix)


@given(square, st.floats(0.01, 10.0))
def test_an_entry_unlike_its_mirror_is_rejected(half, excess):
    matrix = half + half.T + 1.0
    if len(matrix) > 1:
        matrix[0, 1] += excess * matrix.max()
        with pytest.raises(ValueError, match="affinity_matrix is not symmetric"):
            check_affinity_matrix(matrix, len(matrix))


def test_rounding_is_no_asymmetry():
    rounded = MATRIX.copy()
    rounded[0, 1] *= 1 + 1e-7
    np.testing.assert_array_equal(check_affinity_matrix(rounded, 3).toarray(), rounded)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil"])
def test_sparse_layouts_mean_the_same(kind, layout):
    matrix = with_index_type(MATRIX, kind).asformat(layout)
    checked = check_affinity_matrix(matrix, 3)
    assert isinstance(checked, sp.csr_array)
    np.testing.assert_array_equal(checked.toarray(), MATRIX)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\)"),
        (np.ones((4, 4)), "has 4 rows but X has 3"),
        (-MATRIX, "affinity_matrix has negative entries .minimum -1"),
        (np.where(MATRIX == 1, np.nan, MATRIX), "affinity_matrix contains NaN"),
        (np.where(MATRIX == 1, np.inf, MATRIX), "affinity_matrix contains infinity"),
        (MATRIX + 1j, "Complex data not supported"),
        (sp.csr_array(-MATRIX), "affinity_matrix has negative entries"),
    ],
)
def test_unusable_affinities_are_rejected(matrix, message):
    with pytest.raises(ValueError, match=message):
        check_affinity_matrix(matrix, 3)


def test_a_matrix_without_edges_passes():
    assert check_affinity_matrix(np.zeros((3, 3)), 3).nnz == 0
    assert check_affinity_matrix(sp.csr_array((3, 3)), 3).nnz == 0


def test_zero_distances_stay_stored():
    # Two rows at distance 0 are neighbours; a pair that is not stored is none.
    entries = ([0.0, 0.0, 1.0, 2.0], ([0, 1, 2, 2], [1, 0, 0, 1]))
    checked = check_neighbors_matrix(sp.csr_array(entries, shape=(3, 3)), 3, 1)
    assert checked.nnz == 4
    np.testing.assert_array_equal(np.diff(checked.indptr), [1, 1, 2])


def test_the_row_itself_is_no_neighbour():
    own = sp.csr_array(([0.0, 0.0, 1.0, 1.0], ([0, 1, 0, 1], [0, 1, 1, 0])))
    assert check_neighbors_matrix(own, 2, 1).nnz == 4
    message = "row of only 1 neighbours, fewer than n_neighbors=2"
    with pytest.raises(ValueError, match=message):
        check_neighbors_matrix(own, 2, 2)


def test_dense_distances_are_rejected():
    with pytest.raises(ValueError, match=r"of type ndarray.*must be a sparse matrix"):
        check_neighbors_matrix(MATRIX, 3, 1)


def test_negative_distances_are_rejected():
    with pytest.raises(ValueError, match="affinity_matrix has negative entries"):
        check_neighbors_matrix(sp.csr_array(-MATRIX), 3, 1)


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_more_clusters_than_rows_are_rejected(n_clusters, n_samples):
    if n_clusters <= n_samples:
        check_n_clusters(n_clusters, n_samples)
        return
    with pytest.raises(ValueError, match=rf"n_clusters={n_clusters} .*{n_samples}"):
        check_n_clusters(n_clusters, n_samples)


def test_more_clusters_than_drawn_rows_are_rejected_by_the_name_of_their_number():
    with pytest.raises(ValueError, match=r"more than max_graph_rows=2.*raise") as error:
        check_n_clusters(3, 2, are_drawn=True)
    assert "n_samples" not in str(error.value)
    check_n_clusters(2, 2, are_drawn=True)


@given(st.lists(st.integers(1, 10_000), min_size=1))
def test_positive_sizes_pass(sizes):
    check_hidden_sizes(sizes)
    check_hidden_sizes(tuple(np.asarray(sizes)))


@given(
    st.lists(st.integers(1, 100), max_size=3),
    st.one_of(st.integers(max_value=0), st.floats(), st.booleans(), st.text()),
    st.lists(st.integers(1, 100), max_size=3),
)
def test_any_other_size_is_rejected(before, wrong, after):
    with pytest.raises(ValueError, match=r"hidden_sizes=.* must be one or more"):
        check_hidden_sizes((*before, wrong, *after))


def test_no_layer_is_rejected():
    with pytest.raises(ValueError, match=r"hidden_sizes=\(\) must be one or more"):
        check_hidden_sizes(())


@given(st.floats(1e-3, 1e3), st.integers(1, 10))
def test_two_positive_temperatures_pass(start, end):
    assert check_temperature((start, end)) == (start, float(end))
    assert check_temperature([np.float32(2.0), np.int64(end)]) == (2.0, float(end))


@given(
    st.one_of(
        st.lists(st.floats(0.1, 1.0)).filter(lambda values: len(values) != 2),
        st.tuples(st.floats(0.1, 1.0), st.floats(max_value=0.0)),
        st.tuples(st.sampled_from([np.nan, np.inf, "1", None, True]), st.just(1.0)),
    )
)
def test_any_other_temperature_is_rejected(temperature):
    with pytest.raises(ValueError, match=r"temperature=.* must be two positive"):
        check_temperature(temperature)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_values_whose_squares_overflow_are_rejected(sign):
    X = np.array([[0.0, 1.0], [sign * 1e200, 0.0]])
    with pytest.raises(ValueError, match=r"X has values of up to 1e\+200"):
        check_range(X)
    check_range(X / 1e100)


# Metrics of booleans convert the rows, and say so.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric_finds_neighbours_without_further_arguments(metric):
    X = np.random.default_rng(0).uniform(0.1, 1.0, (20, 2))
    distances, indices, _ = nearest_neighbors(X, 3, metric=metric)
    assert np.all(np.diff(distances, axis=1) >= 0)
    assert not np.any(indices == np.arange(20)[:, None])


def test_values_whose_squares_vanish_are_rejected():
    X = np.array([[0.0, 1.0], [-2.0, 0.0]])
    with pytest.raises(ValueError, match=r"X has values of up to 2e-160 alone"):
        check_range(X * 1e-160)
    check_range(X * 1e-130)
    check_range(X * 0)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.coo_array])
def test_what_rounding_makes_negative_is_zero(kind):
    given = kind(MATRIX - 1e-17)
    before = given.copy()
    weights = check_affinity_matrix(given, len(MATRIX))
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.toarray(), MATRIX, atol=1e-16)
    # The user's own stays as it is.
    assert abs(given - before).max() == 0


@pytest.mark.parametrize(
    ("dtype", "least"), [(np.float32, -2.4e-7), (np.float64, -4.5e-16)]
)
def test_distances_of_rounded_cosines_are_zero(dtype, least):
    graph = sp.csr_array(np.full((4, 4), 1e-9) + 0.04 * np.eye(4), dtype=dtype)
    graph.data[[1, 6]] = least
    distances = check_neighbors_matrix(graph, 4, 3)
    # Entries of zero are distances.
    assert distances.nnz == 16
    assert (distances.data[[1, 6]] == 0).all()
    assert graph.data[1] < 0
    graph.data[1] = -1e-3
    with pytest.raises(ValueError, match="has negative entries"):
        check_neighbors_matrix(graph, 4, 3)
