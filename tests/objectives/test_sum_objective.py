import torch

from neuraleig.objectives import NormalizedCut, Rayleigh, SumObjective


def test_sum_and_its_gradient_are_weighted(dense_affinity, weighted_edges, batch_of):
    edges = weighted_edges(dense_affinity(8, seed=6))
    functions = torch.randn(8, 2, dtype=torch.float64, requires_grad=True)
    logits = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    outputs, batch = batch_of(
        edges, functions=functions, assignments=torch.softmax(logits, dim=1)
    )
    cut, rayleigh = NormalizedCut()(outputs, batch), Rayleigh()(outputs, batch)
    total = SumObjective((0.3, NormalizedCut()), (2.0, Rayleigh()))(outputs, batch)
    torch.testing.assert_close(total, 0.3 * cut + 2.0 * rayleigh)
    for values in (functions, logits):
        parts = torch.autograd.grad(
            0.3 * cut + 2.0 * rayleigh, values, retain_graph=True
        )
        found = torch.autograd.grad(total, values, retain_graph=True)
        torch.testing.assert_close(found, parts)


def test_sum_of_nothing_is_zero(dense_affinity, weighted_edges, batch_of):
    edges = weighted_edges(dense_affinity(4, seed=7))
    outputs, batch = batch_of(edges)
    assert float(SumObjective()(outputs, batch)) == 0.0
