from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from neuraleig._batch import Edges
from neuraleig.metrics import normalized_cut
from neuraleig.objectives import NormalizedCut, normalized_cut_loss


@pytest.fixture
def problem(dense_affinity, weighted_edges):
    matrix = dense_affinity(9, seed=5, density=0.5)
    return matrix, weighted_edges(matrix)


def one_hot(labels, n_clusters):
    return F.one_hot(torch.tensor(labels), n_clusters).double()


def test_one_hot_rows_cost_the_normalised_cut(problem):
    matrix, edges = problem
    generator = np.random.default_rng(0)
    for _ in range(20):
        labels = generator.permutation(np.arange(9) % 3)
        found = normalized_cut_loss(one_hot(labels.tolist(), 3), edges)
        expected = normalized_cut(sp.csr_array(matrix), labels)
        assert float(found) == pytest.approx(expected)


def test_soft_rows_cost_the_expected_cut_over_the_expected_volume(problem):
    matrix, edges = problem
    soft = torch.softmax(
        torch.randn(9, 3, generator=torch.Generator().manual_seed(0)).double(), dim=1
    ).numpy()
    expected = sum(
        soft[:, c] @ matrix @ (1 - soft[:, c]) / (soft[:, c] @ matrix.sum(axis=1))
        for c in range(3)
    )
    found = normalized_cut_loss(torch.from_numpy(soft), edges)
    assert float(found) == pytest.approx(expected)


def test_equal_rows_are_no_way_out(problem):
    # The quadratic volume of the relaxed problem would charge nothing for them.
    _, edges = problem
    equal = torch.full((9, 3), 1 / 3, dtype=torch.float64)
    assert float(normalized_cut_loss(equal, edges)) == pytest.approx(2.0)


def test_the_numbering_of_clusters_does_not_matter(problem):
    _, edges = problem
    soft = torch.softmax(torch.randn(9, 4, dtype=torch.float64), dim=1)
    torch.testing.assert_close(
        normalized_cut_loss(soft[:, [2, 0, 3, 1]], edges),
        normalized_cut_loss(soft, edges),
    )


def test_descent_from_a_hint_finds_the_best_of_all_partitions(minimise):
    groups = np.kron(np.eye(3), 1 - np.eye(3)) + 0.05 * (1 - np.eye(9))
    edges = Edges.from_dense(torch.from_numpy(groups))
    best = min(
        normalized_cut(sp.csr_array(groups), np.array((0, *rest)))
        for rest in product(range(3), repeat=8)
        if len({0, *rest}) == 3
    )
    start = 0.1 * torch.randn(
        9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ) + one_hot([0, 0, 0, 1, 1, 1, 2, 2, 2], 3)
    logits = minimise(
        lambda t: normalized_cut_loss(torch.softmax(t, dim=1), edges), start, n_rounds=2
    )
    found = float(normalized_cut_loss(torch.softmax(logits, dim=1), edges))
    assert found == pytest.approx(best, rel=1e-3)


def test_gradient(problem):
    _, edges = problem
    soft = torch.softmax(torch.randn(9, 3, dtype=torch.float64), dim=1)
    soft.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: normalized_cut_loss(t, edges), (soft,))


def test_an_empty_cluster_costs_nothing_and_has_a_finite_gradient(problem):
    matrix, edges = problem
    labels = [0, 1] * 4 + [0]
    table = one_hot(labels, 3).requires_grad_()
    loss = normalized_cut_loss(table, edges)
    expected = normalized_cut(sp.csr_array(matrix), np.array(labels))
    assert float(loss.detach()) == pytest.approx(expected)
    torch.autograd.backward(loss)
    assert torch.all(torch.isfinite(table.grad))


def test_the_class_scores_the_assignments_of_a_batch(problem, batch_of):
    _, edges = problem
    soft = torch.softmax(torch.randn(9, 3, dtype=torch.float64), dim=1)
    outputs, batch = batch_of(edges, assignments=soft)
    assert NormalizedCut()(outputs, batch) == normalized_cut_loss(soft, edges)
