import numpy as np
import pytest
import torch

from neuraleig.objectives import Rayleigh, dirichlet_energy, rayleigh_loss

# The ridge of the whitening is 1e-6 of the mean variance.
RIDGE_TOLERANCE = 1e-5


@pytest.fixture
def problem(dense_affinity, walk_eigenpairs, weighted_edges):
    matrix = dense_affinity(12, seed=1, density=0.4)
    values, functions = walk_eigenpairs(matrix)
    return matrix, weighted_edges(matrix), values, torch.from_numpy(functions.copy())


def test_dirichlet_energy_is_a_mean_over_edges(problem):
    matrix, edges, _, _ = problem
    table = np.random.default_rng(0).normal(size=(12, 3))
    difference = (table[:, None] - table[None]) ** 2
    expected = (matrix[:, :, None] * difference).sum(axis=(0, 1)) / (2 * matrix.sum())
    found = dirichlet_energy(torch.from_numpy(table), edges)
    np.testing.assert_allclose(found, expected)


def test_energy_of_an_eigenfunction_is_one_minus_its_eigenvalue(problem):
    _, edges, values, functions = problem
    np.testing.assert_allclose(dirichlet_energy(functions, edges), 1 - values)


@pytest.mark.parametrize("n_functions", [1, 3, 5])
def test_eigenfunctions_cost_the_sum_of_their_gaps(problem, n_functions):
    _, edges, values, functions = problem
    found = float(rayleigh_loss(functions[:, :n_functions], edges))
    expected = float(np.sum(1 - values[:n_functions]))
    assert found == pytest.approx(expected, rel=RIDGE_TOLERANCE)


def test_no_other_subspace_costs_less(problem):
    _, edges, values, functions = problem
    least = float(np.sum(1 - values[:3])) * (1 - RIDGE_TOLERANCE)
    generator = torch.Generator().manual_seed(0)
    for distance in (1e-2, 1e-1, 1.0, 10.0):
        noise = torch.randn(12, 3, generator=generator, dtype=torch.float64)
        assert rayleigh_loss(functions[:, :3] + distance * noise, edges) > least


def test_any_basis_and_any_constant_cost_the_same(problem):
    _, edges, _, _ = problem
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    change = torch.eye(3, dtype=torch.float64) + 0.5 * torch.randn(
        3, 3, generator=generator, dtype=torch.float64
    )
    expected = float(rayleigh_loss(table, edges))
    for other in (table @ change, 1e3 * table, table + torch.tensor([5.0, -1.0, 9.0])):
        found = float(rayleigh_loss(other, edges))
        assert found == pytest.approx(expected, rel=1e-4)


def test_minimiser_spans_the_leading_eigenfunctions(problem, minimise):
    _, edges, values, functions = problem
    start = torch.randn(
        12, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    table = minimise(lambda t: rayleigh_loss(t, edges), start)
    found = float(rayleigh_loss(table, edges))
    assert found == pytest.approx(np.sum(1 - values[:3]), rel=RIDGE_TOLERANCE)
    basis = torch.cat([torch.ones(12, 1, dtype=torch.float64), table], dim=1)
    fitted = basis @ torch.linalg.lstsq(basis, functions[:, :3]).solution
    torch.testing.assert_close(fitted, functions[:, :3], atol=1e-3, rtol=0)


def test_gradient(problem):
    _, edges, _, _ = problem
    table = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: rayleigh_loss(t, edges), (table,))


def test_collapsed_functions_have_a_finite_gradient(problem):
    _, edges, _, functions = problem
    table = functions[:, [0, 0]].clone().requires_grad_()
    loss = rayleigh_loss(table, edges)
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert torch.all(torch.isfinite(table.grad))


def test_the_class_scores_the_functions_of_a_batch(problem, batch_of):
    _, edges, _, functions = problem
    outputs, batch = batch_of(edges, functions=functions[:, :2])
    assert Rayleigh()(outputs, batch) == rayleigh_loss(functions[:, :2], edges)
