import new_process
import pytest
import torch
from torch import nn

from neuraleig.training import Muon
from neuraleig.training._optimizers import (
    OPTIMIZERS,
    Adam,
    make_optimizers,
    orthogonalized,
)


def matrix_of(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6), (1, 5), (5, 1)])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_singular_vectors_stay_and_values_come_near_one(shape, unit):
    left, _ = torch.linalg.qr(matrix_of(shape[0], min(shape)))
    right, _ = torch.linalg.qr(matrix_of(shape[1], min(shape), seed=1))
    values = torch.linspace(0.2, 1.0, min(shape))
    found = orthogonalized(unit * left @ torch.diag(values) @ right.T)
    in_basis = left.T @ found @ right
    diagonal = in_basis.diagonal()
    torch.testing.assert_close(in_basis, torch.diag(diagonal), atol=1e-4, rtol=0)
    assert torch.all((diagonal > 0.6) & (diagonal < 1.3))


def test_no_gradient_is_no_step():
    assert torch.equal(orthogonalized(torch.zeros(3, 4)), torch.zeros(3, 4))
    weight = nn.Parameter(torch.ones(3, 4))
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight, torch.ones(3, 4))


@pytest.mark.parametrize("shape", [(16, 16), (8, 64), (8, 4, 2, 2)])
@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_steps_are_as_long_as_those_of_adam_whatever_the_gradient(shape, unit):
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = unit * matrix_of(*shape)
    Muon([weight], lr=0.1).step()
    length = weight.detach().square().mean().sqrt()
    assert 0.5 * 0.02 < float(length) < 1.5 * 0.02


def test_directions_of_all_units_are_learned_at_the_same_pace():
    # Columns of units from 1 to 1000: after few steps plain gradients have learned
    # the large ones alone.
    inputs = matrix_of(256, 32) * torch.logspace(0, 3, 32) / 1000
    wanted = matrix_of(16, 32, seed=1)
    weight = nn.Parameter(torch.zeros(16, 32))
    optimizer = Muon([weight], lr=0.0)
    n_steps = 200
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = 0.5 * (1 - step / n_steps)
        optimizer.zero_grad()
        torch.autograd.backward((inputs @ (weight - wanted).T).square().sum())
        optimizer.step()
    error = (weight.detach() - wanted).square().mean(dim=0)
    share = error / wanted.square().mean(dim=0)
    # The smallest columns say a thousand times less, and a million in the loss.
    assert float(share[16:].max()) < 1e-2
    assert float(share[8:16].max()) < 0.2


def test_a_closure_is_evaluated_with_gradients():
    weight = nn.Parameter(torch.ones(3, 4))
    optimizer = Muon([weight], lr=0.1)

    def closure():
        loss = weight.square().sum()
        torch.autograd.backward(loss)
        return float(loss.detach())

    assert optimizer.step(closure) == 12.0
    assert float(weight.detach().mean()) < 1.0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_has_one_optimizer(name):
    network = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
    optimizers = make_optimizers(name, network, [network[0].weight], 0.01)
    taken = [
        id(weight)
        for optimizer in optimizers
        for group in optimizer.param_groups
        for weight in group["params"]
    ]
    assert sorted(taken) == sorted(map(id, network.parameters()))
    kinds = [type(optimizer).__name__ for optimizer in optimizers]
    assert kinds == (["Muon", "Adam"] if name == "muon" else ["Adam"])


def test_training_does_not_import_the_compiler():
    # It takes seconds, longer than most fits.
    code = (
        "import sys, torch; from torch import nn; "
        "from neuraleig.training._optimizers import make_optimizers; "
        "network = nn.Linear(2, 2); "
        "network(torch.ones(1, 2)).sum().backward(); "
        "made = make_optimizers('muon', network, [network.weight], 0.1); "
        "[(o.step(), o.load_state_dict(o.state_dict())) for o in made]; "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert new_process.run(["-c", code]).returncode == 0


def test_adam_steps_as_that_of_torch():
    weights = [torch.full((3,), 2.0, requires_grad=True) for _ in range(2)]
    for weight, kind in zip(weights, (Adam, torch.optim.Adam), strict=True):
        optimizer = kind([weight], lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
        assert optimizer.state_dict()["param_groups"][0]["lr"] == 0.1
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_a_network_without_matrices_goes_by_adam():
    network = nn.LayerNorm(3)
    (optimizer,) = make_optimizers("muon", network, [], 0.01)
    assert isinstance(optimizer, torch.optim.Adam)
