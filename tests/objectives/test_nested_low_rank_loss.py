import numpy as np
import pytest
import torch

from neuraleig.objectives import NestedLowRank, nested_low_rank_loss


@pytest.fixture
def problem(dense_affinity, walk_eigenpairs, weighted_edges):
    matrix = dense_affinity(12, seed=3, density=0.3)
    values, functions = walk_eigenpairs(matrix)
    assert values[2] > 0  # the minimiser has three functions
    minimiser = np.sqrt(values[:3]) * functions[:, :3]
    return matrix, weighted_edges(matrix), values, torch.from_numpy(minimiser)


def test_loss_is_the_mean_error_of_the_approximations(problem):
    matrix, edges, _, _ = problem
    table = np.random.default_rng(0).normal(size=(12, 3))
    shares = matrix.sum(axis=1) / matrix.sum()
    flat = table - shares @ table
    # The kernel of the walk without its constant, in L2 of the degrees.
    root = np.sqrt(shares)
    kernel = matrix / matrix.sum() / np.outer(root, root) - np.outer(root, root)
    rows = root[:, None] * flat
    errors = [
        np.sum((kernel - rows[:, :n] @ rows[:, :n].T) ** 2) - np.sum(kernel**2)
        for n in (1, 2, 3)
    ]
    found = float(nested_low_rank_loss(torch.from_numpy(table), edges))
    assert found == pytest.approx(np.mean(errors))


def test_value_at_the_minimiser(problem):
    _, edges, values, minimiser = problem
    expected = -np.mean(np.cumsum(values[:3] ** 2))
    assert float(nested_low_rank_loss(minimiser, edges)) == pytest.approx(expected)


def test_the_minimiser_is_stationary(problem):
    _, edges, _, minimiser = problem
    table = minimiser.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nested_low_rank_loss(table, edges), table)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-12, rtol=0)


def test_descent_from_anywhere_finds_the_ordered_functions(problem, minimise):
    matrix, edges, _, minimiser = problem
    start = torch.randn(
        12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    table = minimise(lambda t: nested_low_rank_loss(t, edges), start)
    shares = torch.from_numpy(matrix.sum(axis=1) / matrix.sum())
    table = table - shares @ table
    signs = torch.sign((shares[:, None] * table * minimiser).sum(dim=0))
    torch.testing.assert_close(table * signs, minimiser, atol=1e-5, rtol=0)


def test_order_matters_and_constants_do_not(problem):
    _, edges, _, minimiser = problem
    best = float(nested_low_rank_loss(minimiser, edges))
    assert float(nested_low_rank_loss(minimiser[:, [1, 0, 2]], edges)) > best + 1e-6
    moved = minimiser + torch.tensor([1.0, -2.0, 3.0])
    assert float(nested_low_rank_loss(moved, edges)) == pytest.approx(best)


def test_gradient(problem):
    _, edges, _, _ = problem
    table = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: nested_low_rank_loss(t, edges), (table,))


def test_the_class_scores_the_functions_of_a_batch(problem, batch_of):
    _, edges, _, minimiser = problem
    outputs, batch = batch_of(edges, functions=minimiser)
    assert NestedLowRank()(outputs, batch) == nested_low_rank_loss(minimiser, edges)
