import numpy as np
import pytest
from scipy.stats import ortho_group

from neuraleig.reading import ClusterQR, cluster_qr_rotation

N_CLUSTERS = 4


def indicator_rows(n_per_cluster=5, n_clusters=N_CLUSTERS):
    return np.repeat(np.eye(n_clusters), n_per_cluster, axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_rotation_undoes_any_rotation_of_indicators(seed):
    rotated = indicator_rows() @ ortho_group.rvs(N_CLUSTERS, random_state=seed)
    back = rotated @ cluster_qr_rotation(rotated)
    # Up to the order and the signs of the axes.
    np.testing.assert_allclose(np.sort(np.abs(back), axis=1)[:, -1], 1.0)
    labels = np.abs(back).argmax(axis=1).reshape(N_CLUSTERS, -1)
    assert np.all(labels == labels[:, :1])
    assert np.unique(labels).size == N_CLUSTERS


def test_rotation_is_orthogonal():
    rows = np.random.default_rng(0).normal(size=(30, 5))
    rotation = cluster_qr_rotation(rows)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_labels_recover_indicators(seed):
    mixing = ortho_group.rvs(N_CLUSTERS, random_state=seed)
    functions = indicator_rows() @ mixing
    fitted = ClusterQR.fit(functions, np.ones(N_CLUSTERS), N_CLUSTERS, 1.0)
    probabilities = fitted.probabilities(functions, np.empty((20, 0)))
    np.testing.assert_allclose(probabilities.max(axis=1), 1.0)
    labels = probabilities.argmax(axis=1).reshape(N_CLUSTERS, -1)
    assert np.all(labels == labels[:, :1])
    assert np.unique(labels).tolist() == list(range(N_CLUSTERS))


def test_functions_beyond_the_clusters_are_not_looked_at():
    functions = np.hstack([indicator_rows(), np.full((20, 3), 7.0)])
    fitted = ClusterQR.fit(functions, np.ones(7), N_CLUSTERS, 1.0)
    noisy = functions.copy()
    noisy[:, N_CLUSTERS:] = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_array_equal(
        fitted.probabilities(functions, functions), fitted.probabilities(noisy, noisy)
    )


def test_fewer_functions_than_clusters_give_fewer_labels():
    fitted = ClusterQR.fit(indicator_rows(n_clusters=2), np.ones(2), 5, 1.0)
    assert fitted.rotation.shape == (2, 2)


def test_clusters_without_a_row_are_left_out():
    # All rows alike: the rotation has two axes, and one of them no row.
    same = np.tile([1.0, 0.0], (6, 1))
    fitted = ClusterQR.fit(same, np.ones(2), 2, 1.0)
    np.testing.assert_allclose(fitted.probabilities(same, same), np.ones((6, 1)))


def test_a_row_that_every_axis_misses_is_undecided():
    fitted = ClusterQR(np.eye(3)[:, :2], np.ones(3), 1.0)
    probabilities = fitted.probabilities(np.array([[0.0, 0.0, 1.0]]), np.empty((1, 0)))
    np.testing.assert_array_equal(probabilities, [[0.5, 0.5]])
