import numpy as np
import pytest
import scipy.linalg
import torch

from neuraleig._batch import Edges
from neuraleig.objectives import NeuralEF, neuralef_loss


@pytest.fixture
def problem(dense_affinity, weighted_edges):
    matrix = dense_affinity(10, seed=4, density=0.4)
    degrees = matrix.sum(axis=1)
    normalized = matrix / np.sqrt(np.outer(degrees, degrees))
    values, vectors = scipy.linalg.eigh(normalized)
    assert values[-3] > 0
    vectors = torch.from_numpy(vectors[:, ::-1].copy())
    return torch.from_numpy(normalized), weighted_edges(matrix), values[::-1], vectors


@pytest.fixture
def table():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(10, 3, generator=generator, dtype=torch.float64)


def reference_gradient(table, normalized, penalty):
    """Of the formula, the earlier function of each pair held fixed, by hand."""
    n_functions = table.shape[1]
    norms = table.norm(dim=0)
    columns = table / norms
    image = normalized @ columns
    ratio = columns.T @ image
    gradient = torch.zeros_like(table)
    for j in range(n_functions):
        direction = -2 * image[:, j]
        for i in range(j):
            direction = direction + 2 * penalty * ratio[i, j] * image[:, i]
        # The norm of a column takes the component along it out.
        tangent = direction - columns[:, j] * (columns[:, j] @ direction)
        gradient[:, j] = tangent / norms[j] / n_functions
    return gradient


def test_loss_is_the_formula(problem, table):
    normalized, edges, _, _ = problem
    columns = table / table.norm(dim=0)
    ratio = columns.T @ normalized @ columns
    expected = (0.7 * ratio.triu(1).square().sum() - ratio.trace()) / 3
    torch.testing.assert_close(neuralef_loss(table, edges, 0.7), expected)


@pytest.mark.parametrize("penalty", [0.0, 0.7, 20.0])
def test_gradient_stops_at_the_earlier_function(problem, table, penalty):
    normalized, edges, _, _ = problem
    table = table.requires_grad_()
    (gradient,) = torch.autograd.grad(neuralef_loss(table, edges, penalty), table)
    expected = reference_gradient(table.detach(), normalized, penalty)
    torch.testing.assert_close(gradient, expected)


def test_gradient_of_one_function_is_that_of_the_value(problem, table):
    # Nothing is stopped where there is no pair.
    _, edges, _, _ = problem
    one = table[:, :1].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: neuralef_loss(t, edges, 0.7), (one,))


def test_ordered_eigenvectors_are_stationary_and_others_are_not(problem):
    _, edges, values, vectors = problem
    exact = vectors[:, :3].clone().requires_grad_()
    loss = neuralef_loss(exact, edges, 10.0)
    assert float(loss.detach()) == pytest.approx(-np.mean(values[:3]))
    (gradient,) = torch.autograd.grad(loss, exact)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-12, rtol=0)
    mixed = (
        exact.detach()
        @ torch.tensor([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], dtype=torch.float64)
    ).requires_grad_()
    (gradient,) = torch.autograd.grad(neuralef_loss(mixed, edges, 10.0), mixed)
    assert gradient.norm() > 1e-2


def test_descent_finds_the_ordered_eigenvectors(problem, table):
    _, edges, _, vectors = problem
    values = table.clone().requires_grad_()
    optimizer = torch.optim.SGD([values], lr=0.3)
    for _ in range(4000):
        optimizer.zero_grad()
        torch.autograd.backward(neuralef_loss(values, edges, 10.0))
        optimizer.step()
    columns = values.detach() / values.detach().norm(dim=0)
    overlaps = (columns.T @ vectors[:, :3]).abs()
    torch.testing.assert_close(
        overlaps, torch.eye(3, dtype=torch.float64), atol=1e-4, rtol=0
    )


def test_the_scale_of_a_function_does_not_matter(problem, table):
    _, edges, _, _ = problem
    scaled = table * torch.tensor([1e-6, 1.0, 1e6])
    torch.testing.assert_close(
        neuralef_loss(scaled, edges, 0.7), neuralef_loss(table, edges, 0.7)
    )


def test_rows_without_edges_and_null_functions_have_a_finite_gradient():
    edges = Edges(torch.tensor([0]), torch.tensor([1]), torch.tensor([2.0]), 3)
    table = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = neuralef_loss(table, edges, 1.0)
    # Two of three equal rows are joined: 2/3 of the trace of a constant.
    assert float(loss.detach()) == pytest.approx(-(2 / 3) / 2)
    torch.autograd.backward(loss)
    assert torch.all(torch.isfinite(table.grad))


def test_the_class_scores_functions_or_assignments(problem, table, batch_of):
    _, edges, _, vectors = problem
    outputs, batch = batch_of(edges, functions=table, assignments=vectors)
    assert NeuralEF(0.7)(outputs, batch) == neuralef_loss(table, edges, 0.7)
    found = NeuralEF(0.7, discrete=True)(outputs, batch)
    assert found == neuralef_loss(vectors, edges, 0.7)
