import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import (
    cosine_similarity,
    euclidean_distances,
    laplacian_kernel,
    rbf_kernel,
)

from neuraleig.affinity import (
    CallableAffinity,
    CosineAffinity,
    RBFAffinity,
    make_affinity,
)


@pytest.fixture(name="X")
def rows():
    return np.random.default_rng(0).normal(size=(30, 4)) + 2.0


def without_diagonal(matrix):
    return matrix * (1 - np.eye(len(matrix)))


def clamped_cosine(left, right):
    return np.maximum(cosine_similarity(left, right), 0)


CASES = [
    (lambda: RBFAffinity(0.3), lambda x: rbf_kernel(x, gamma=0.3)),
    (CosineAffinity, lambda x: clamped_cosine(x, x)),
    (lambda: CallableAffinity(laplacian_kernel), laplacian_kernel),
]


@pytest.mark.parametrize(("make", "reference"), CASES)
def test_the_graph_is_the_kernel_of_the_rows(make, reference, X):
    X = X - 2.0  # directions of all signs
    graph = make().build(X, seed=0)
    np.testing.assert_allclose(
        graph.weights.toarray(), without_diagonal(reference(X)), atol=1e-12
    )
    np.testing.assert_array_equal(graph.index, np.arange(30))
    assert graph.uniform == 0.0


@pytest.mark.parametrize(("make", "reference"), CASES)
def test_among_is_the_kernel_of_the_batch(make, reference, X):
    affinity = make()
    affinity.build(X, seed=0)
    batch = X[[3, 9, 4, 20]]
    edges = affinity.among(batch, np.array([3, 9, 4, 20]))
    np.testing.assert_allclose(
        edges.matmul(torch.eye(4)), without_diagonal(reference(batch)), atol=1e-6
    )


def test_the_default_width_is_the_median_distance_to_the_tenth_neighbour(X):
    tenth = np.sort(euclidean_distances(X), axis=1)[:, 10]
    expected = rbf_kernel(X, gamma=1 / np.median(tenth**2))
    graph = RBFAffinity().build(X, seed=0)
    np.testing.assert_allclose(
        graph.weights.toarray(), without_diagonal(expected), rtol=1e-9
    )


@pytest.mark.parametrize("unit", [1e-9, 1e9])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_the_default_width_follows_offset_and_unit(X, unit, offset):
    expected = RBFAffinity().build(X, seed=0).weights.toarray()
    found = RBFAffinity().build(unit * (X + offset), seed=0).weights.toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_few_or_equal_rows_have_a_default_width():
    pair = RBFAffinity().build(np.array([[0.0], [3.0]]), seed=0)
    np.testing.assert_allclose(pair.weights.toarray()[0, 1], np.exp(-1))
    equal = RBFAffinity().build(np.ones((4, 2)), seed=0)
    np.testing.assert_allclose(
        equal.weights.toarray(), without_diagonal(np.ones((4, 4)))
    )


def test_among_uses_the_width_of_the_graph(X):
    affinity = RBFAffinity()
    graph = affinity.build(X, seed=0)
    index = np.array([1, 5, 6])
    edges = affinity.among(X[index], index)
    np.testing.assert_allclose(
        edges.matmul(torch.eye(3)),
        graph.weights.toarray()[index][:, index],
        atol=1e-6,
    )


def test_landmarks_are_drawn_without_repetition(X):
    affinity = RBFAffinity(0.3, n_landmarks=12)
    graph = affinity.build(X, seed=0)
    assert graph.n_nodes == 12
    assert np.all(np.diff(graph.index) > 0)
    np.testing.assert_allclose(
        graph.weights.toarray(),
        without_diagonal(rbf_kernel(X[graph.index], gamma=0.3)),
    )
    again, other = (affinity.build(X, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.index, graph.index)
    assert not np.array_equal(other.index, graph.index)


def test_regularisation_is_passed_on(X):
    graph = CosineAffinity(regularization=0.1).build(X, seed=0)
    full = graph.weights.toarray() + graph.uniform
    assert full.sum() == pytest.approx(1.1 * graph.weights.sum())


def test_null_rows_have_no_direction(X):
    X[4] = 0.0
    graph = CosineAffinity().build(X, seed=0)
    np.testing.assert_array_equal(graph.weights.toarray()[4], 0.0)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (lambda a, b: np.ones(len(a)), r"shape \(30,\)"),
        (lambda a, b: np.ones((len(a), len(b) + 1)), r"shape \(30, 31\)"),
        (lambda a, b: a @ b.T - 10, "negative"),
        (lambda a, b: np.full((len(a), len(b)), np.nan), "non-finite"),
        (lambda a, b: np.full((len(a), len(b)), np.inf), "non-finite"),
    ],
)
def test_kernels_that_are_none_are_rejected(kernel, message, X):
    with pytest.raises(ValueError, match=message):
        CallableAffinity(kernel).build(X - 2, seed=0)


def test_rounding_of_a_users_kernel_is_symmetrised(X):
    def skewed(left, right):
        return rbf_kernel(left, right) * (1 + 1e-3 * (left[:, :1] > right[:, 0]))

    affinity = CallableAffinity(skewed)
    matrix = affinity.build(X, seed=0).weights.toarray()
    np.testing.assert_array_equal(matrix, matrix.T)
    edges = affinity.among(X, np.arange(30))
    np.testing.assert_allclose(edges.matmul(torch.eye(30)), matrix, atol=1e-6)


def test_names_choose_the_kernel(X):
    pairs = [
        (make_affinity("rbf", gamma=0.3), RBFAffinity(0.3)),
        (make_affinity("cosine"), CosineAffinity()),
        (make_affinity(laplacian_kernel), CallableAffinity(laplacian_kernel)),
        (
            make_affinity(RBFAffinity(regularization=0.2)),
            RBFAffinity(regularization=0.2),
        ),
    ]
    for found, expected in pairs:
        assert type(found) is type(expected)
        graphs = [affinity.build(X, seed=0) for affinity in (found, expected)]
        np.testing.assert_array_equal(*(g.weights.toarray() for g in graphs))
        assert graphs[0].uniform == graphs[1].uniform


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-100, 2.0**900])
def test_a_kernel_has_no_unit_in_a_batch(X, unit):
    one, other = (
        CallableAffinity(lambda a, b, u=u: u * rbf_kernel(a, b, 0.1)).among(
            X, np.arange(len(X))
        )
        for u in (1.0, unit)
    )
    # In float32, and of no size that floors would notice.
    assert 0.1 < other.weight.max() < 10
    torch.testing.assert_close(
        one.weight / one.weight.max(), other.weight / other.weight.max()
    )


@pytest.mark.parametrize("unit", [2.0**-700, 2.0**600])
def test_cosines_know_no_length(X, unit):
    kernel = CosineAffinity().kernel
    np.testing.assert_array_equal(kernel(X * unit, X * unit), kernel(X, X))
