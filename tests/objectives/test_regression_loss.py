import math

import pytest
import torch

from neuraleig._batch import Edges
from neuraleig.objectives import SpectralRegression, regression_loss


@pytest.fixture
def targets():
    generator = torch.Generator().manual_seed(0)
    functions = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    return functions, torch.tensor([0, 1, 2, 0, 1, 2])


def test_sure_and_right_outputs_cost_nothing(targets):
    functions, labels = targets
    logits = 1e3 * torch.nn.functional.one_hot(labels, 3).double()
    assert float(regression_loss(functions, logits, functions, labels)) == 0.0


def test_known_value(targets):
    functions, labels = targets
    logits = torch.zeros(6, 3, dtype=torch.float64)
    found = float(regression_loss(functions + 0.5, logits, functions, labels))
    assert found == pytest.approx(0.25 + math.log(3))


def test_gradient(targets):
    functions, labels = targets
    table = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda t, z: regression_loss(t, z, functions, labels), (table, logits)
    )


def test_descent_reaches_functions_and_labels(targets, minimise):
    functions, labels = targets
    start = torch.randn(
        6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    table = minimise(
        lambda t: regression_loss(t[:, :3], t[:, 3:], functions, labels), start
    )
    torch.testing.assert_close(table[:, :3], functions, atol=1e-4, rtol=0)
    assert torch.equal(table[:, 3:].argmax(dim=1), labels)


def test_the_class_looks_targets_up_by_index(targets, batch_of):
    functions, labels = targets
    index = torch.tensor([4, 0, 4])
    nothing = torch.empty(0, dtype=torch.int64)
    edges = Edges(nothing, nothing, torch.empty(0), 3)
    table = torch.randn(3, 3, dtype=torch.float64)
    logits = torch.randn(3, 3, dtype=torch.float64)
    outputs, batch = batch_of(edges, functions=table, logits=logits, index=index)
    expected = regression_loss(table, logits, functions[index], labels[index])
    assert SpectralRegression(functions, labels)(outputs, batch) == expected
