import pytest
import torch
from torch import nn

from neuraleig.networks import MLP, make_network
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
    # Heads see both layers.
    assert shapes == [(8, 3), (5, 8), (4, 13), (2, 13)]


def test_no_hidden_layer_is_a_linear_map_of_the_features():
    network = network_of(hidden_sizes=())
    rows = torch.randn(5, 3)
    torch.testing.assert_close(network(rows).functions, network.function_head(rows))


def test_mlp_is_its_formula():
    mlp = MLP(3, (4, 2))
    rows = torch.randn(5, 3)
    hidden, expected = rows, []
    for layer in mlp.layers:
        hidden = hidden @ layer.weight.T + layer.bias
        hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        expected.append(hidden)
    torch.testing.assert_close(mlp(rows), torch.cat(expected, dim=1))


def test_placed_units_bend_halfway_between_two_rows():
    mlp, rows = MLP(2, (64, 8)), 3 * torch.randn(50, 2)
    second = mlp.layers[1].weight.clone()
    mlp.place(rows)
    weight, bias = mlp.layers[0].weight, mlp.layers[0].bias
    pairs = torch.cartesian_prod(torch.arange(50), torch.arange(50))
    starts, ends = rows[pairs[:, 0]], rows[pairs[:, 1]]
    middles = weight @ ((starts + ends) / 2).T + bias[:, None]
    step = ends - starts
    cosines = torch.cosine_similarity(weight[:, None], step[None], dim=2)
    fits = (middles.abs() < 1e-3) & (cosines > 0.999)
    # Pairs of a row with itself leave the unit as it was.
    assert fits.any(dim=1).float().mean() > 0.9
    assert torch.equal(mlp.layers[1].weight, second)


def test_slopes_follow_the_distance_within_bounds():
    steep, plain, flat = MLP(2, (32,)), MLP(2, (32,)), MLP(2, (32,))
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    norms = []
    for mlp, unit in ((steep, 1e-6), (plain, 0.4), (flat, 1e6)):
        mlp.place(unit * rows)
        norms.append(float(mlp.layers[0].weight.detach().norm(dim=1).amax()))
    assert norms[0] == pytest.approx(32.0, rel=1e-4)
    assert norms[1] == pytest.approx(4.0 / 2.0, rel=1e-4)
    assert norms[2] == pytest.approx(3**-0.5, rel=0.5)


def test_identical_rows_leave_the_weights_as_they_are():
    mlp = MLP(3, (8,))
    before = mlp.layers[0].weight.clone()
    mlp.place(torch.ones(6, 3))
    assert torch.equal(mlp.layers[0].weight, before)


def test_rows_place_the_network_that_is_made():
    rows = torch.randn(40, 3)
    torch.manual_seed(0)
    placed = network_of(rows=rows, hidden_sizes=(16,)).trunk.layers[0].weight
    torch.manual_seed(0)
    fresh = network_of(hidden_sizes=(16,)).trunk.layers[0].weight
    assert not torch.equal(placed, fresh)
    # Nothing to place in what a callable makes, or without a layer.
    network_of(lambda n_features: nn.Linear(n_features, 4), rows=rows)
    network_of(hidden_sizes=(), rows=rows)


@pytest.mark.parametrize(("n_features", "n_matrices"), [(3, 2), (8, 2), (9, 1)])
def test_a_wide_first_layer_is_no_hidden_matrix(n_features, n_matrices):
    network = network_of(n_features=n_features, hidden_sizes=(8, 4))
    assert len(network.hidden_matrices) == n_matrices
    assert network.hidden_matrices[-1] is network.trunk.layers[1].weight


def test_frozen_weights_are_no_hidden_matrices():
    network = network_of(hidden_sizes=(8, 4))
    network.trunk.layers[0].requires_grad_(False)
    assert [w.shape for w in network.hidden_matrices] == [(4, 8)]


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
