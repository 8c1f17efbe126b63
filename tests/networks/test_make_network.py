import pytest
import torch
from torch import nn

from neuraleig.networks import make_mlp, make_network
from neuraleig.objectives import Rayleigh


def network_of(network="mlp", **options):
    options = {"n_features": 3, "n_functions": 4, "n_clusters": 2} | options
    return make_network(network, **options)


def test_outputs_are_the_heads_of_one_trunk():
    network = network_of(hidden_sizes=(8, 5))
    rows = torch.randn(6, 3)
    functions, logits, assignments = network(rows)
    hidden = network.trunk(rows)
    torch.testing.assert_close(functions, network.function_head(hidden))
    torch.testing.assert_close(logits, network.label_head(hidden))
    torch.testing.assert_close(assignments, torch.softmax(logits, dim=1))
    assert (functions.shape, logits.shape) == ((6, 4), (6, 2))


def test_widths_are_those_asked_for():
    network = network_of(hidden_sizes=(8, 5))
    shapes = [p.shape for name, p in network.named_parameters() if "weight" in name]
    assert shapes == [(8, 3), (5, 8), (4, 5), (2, 5)]


def test_no_hidden_layer_is_a_linear_map_of_the_features():
    network = network_of(hidden_sizes=())
    rows = torch.randn(5, 3)
    torch.testing.assert_close(network(rows).functions, network.function_head(rows))


def test_mlp_is_its_formula():
    mlp = make_mlp(3, (4,))
    rows = torch.randn(5, 3)
    linear = mlp[0]
    hidden = rows @ linear.weight.T + linear.bias
    expected = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
    torch.testing.assert_close(mlp(rows), expected)


def test_a_row_does_not_depend_on_the_others():
    network = network_of().double().eval()
    rows = torch.randn(9, 3, dtype=torch.float64)
    together = network(rows)
    alone = network(rows[4:5])
    for joint, single in zip(together, alone, strict=True):
        torch.testing.assert_close(joint[4:5], single)


def test_a_callable_makes_the_trunk():
    made = []

    def factory(n_features):
        made.append(nn.Linear(n_features, 7))
        return made[0]

    network = network_of(factory)
    assert network.trunk is made[0]
    assert network.function_head.in_features == network.label_head.in_features == 7


def test_a_trunk_with_batch_norm_keeps_its_mode_and_statistics():
    trunk = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    network = network_of(lambda n_features: trunk)
    assert network.trunk.training
    assert torch.equal(trunk[1].running_mean, torch.zeros(4))


@pytest.mark.parametrize(
    ("trunk", "error", "message"),
    [
        (lambda n: "mlp", TypeError, "must return an nn.Module"),
        (lambda n: nn.Flatten(0), ValueError, r"map \(n_rows, n_features\)"),
        (lambda n: nn.Unflatten(1, (1, n)), ValueError, r"shape \(2, 1, 3\)"),
    ],
)
def test_a_callable_that_makes_no_trunk_is_rejected(trunk, error, message):
    with pytest.raises(error, match=message):
        network_of(trunk)


def test_orthogonal_heads_need_enough_inputs():
    network_of(hidden_sizes=(4,), head="orthogonal")
    with pytest.raises(ValueError, match="at least 4"):
        network_of(hidden_sizes=(3,), head="orthogonal")
    with pytest.raises(ValueError, match="at least 5"):
        network_of(hidden_sizes=(4,), n_clusters=5, head="orthogonal")


def test_assignment_names_choose_the_noise():
    assert network_of(assignment="gumbel_softmax").assignment.noise
    assert not network_of(assignment="softmax").assignment.noise


@pytest.mark.parametrize("head", ["linear", "orthogonal"])
def test_every_parameter_of_the_functions_is_trained(head, batch_of, weighted_edges):
    # A head or a layer that is cut off from the loss would stay without a gradient.
    network = network_of(head=head, hidden_sizes=(8, 6)).double()
    rows = torch.randn(10, 3, dtype=torch.float64)
    edges = weighted_edges(torch.exp(-torch.cdist(rows, rows)).numpy())
    _, batch = batch_of(edges)
    torch.autograd.backward(Rayleigh()(network(rows), batch))
    names = {n for n, p in network.named_parameters() if p.grad is not None}
    expected = {n for n, _ in network.named_parameters() if "label_head" not in n}
    assert names == expected
