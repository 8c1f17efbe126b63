import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from neuraleig.reading import NearestCentre, diffused_rows, diffusion_weights
from neuraleig.reading._read_clusters import candidate_sizes


def test_weights_are_powers_of_the_eigenvalues():
    rows = diffused_rows(np.array([[1.0, 2.0]]), np.array([1.0, 0.8]), 2.0)
    np.testing.assert_allclose(rows, [[1.0, 1.28] / np.hypot(1.0, 1.28)])


def test_no_time_weighs_all_functions_alike():
    functions = np.random.default_rng(0).normal(size=(5, 3))
    expected = functions / np.linalg.norm(functions, axis=1, keepdims=True)
    rows = diffused_rows(functions, np.array([1.0, 0.3, 0.1]), 0.0)
    np.testing.assert_allclose(rows, expected)


@example(6956.0, 0.5)
@given(st.floats(0.0, 1e6), st.floats(1e-3, 1e3))
def test_rows_have_unit_norm_whatever_their_size(time, scale):
    functions = np.column_stack([np.ones(6), np.arange(6.0), np.arange(6.0) ** 2])
    values = np.array([1.0, 0.9, -0.2])
    rows = diffused_rows(scale * functions, values, time)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0)
    # Numbers below the smallest normal one have few digits.
    few = np.finfo(np.float64).tiny
    other = diffused_rows(functions, values, time)
    np.testing.assert_allclose(rows, other, atol=few)


def test_a_negative_eigenvalue_is_forgotten_at_once():
    rows = diffused_rows(np.array([[1.0, 0.0, 5.0]]), np.array([1.0, 0.9, -0.9]), 1.0)
    np.testing.assert_array_equal(rows, [[1.0, 0.0, 0.0]])


@given(st.floats(0.0, 1e6), st.floats(-1.0, 1.0))
def test_the_leading_function_is_never_forgotten(time, leading):
    values = np.array([1.0, leading, leading / 2, -1.0])
    weights = diffusion_weights(values, time)
    assert weights[0] == 1.0
    assert weights[1] >= 0.299
    assert np.all((weights >= 0) & (weights <= 1))
    if leading > 0:
        steps = np.log(weights[1]) / np.log(leading) if leading < 1 else time
        assert steps <= time * (1 + 1e-9) or np.isclose(steps, time)


def test_a_row_without_functions_stays_zero():
    rows = diffused_rows(np.zeros((1, 2)), np.ones(2), 1.0)
    np.testing.assert_array_equal(rows, [[0.0, 0.0]])


@given(st.integers(1, 30), st.integers(1, 100))
def test_candidates_ascend_from_the_clusters_to_the_components(
    n_clusters, n_components
):
    sizes = candidate_sizes(n_clusters, n_components)
    assert sizes == sorted(set(sizes))
    assert sizes[0] == min(n_clusters, n_components)
    assert sizes[-1] == min(3 * n_clusters, n_components)


def test_probabilities_are_posteriors_of_equal_round_gaussians():
    centres = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    spread = 0.1
    functions = np.random.default_rng(0).normal(size=(8, 2))
    found = NearestCentre(centres, spread, np.ones(2), 1.0).probabilities(
        functions, np.empty((8, 0))
    )
    rows = functions / np.linalg.norm(functions, axis=1, keepdims=True)
    density = np.column_stack(
        [multivariate_normal(centre, spread).pdf(rows) for centre in centres]
    )
    np.testing.assert_allclose(found, density / density.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("spread", [0.0, 1e-30, 1e-3])
def test_labels_are_of_the_nearest_centre_even_without_spread(spread):
    angles = np.linspace(0, np.pi, 50)
    functions = np.column_stack([np.cos(angles), np.sin(angles)])
    centres = functions[[0, 24, 49]]
    found = NearestCentre(centres, spread, np.ones(2), 1.0).probabilities(
        functions, functions
    )
    assert np.all(np.isfinite(found))
    distances = np.linalg.norm(functions[:, None] - centres, axis=2)
    np.testing.assert_array_equal(found.argmax(axis=1), distances.argmin(axis=1))
