import pytest
import torch
from torch import nn

from neuraleig.networks import (
    HEADS,
    OrthogonalLinear,
    SoftAssignment,
    least_squares,
)
from neuraleig.networks._heads import make_head


@pytest.fixture
def logits():
    return torch.randn(7, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("n_outputs", [1, 3, 6])
def test_rows_of_the_orthogonal_weight_are_orthonormal(n_outputs):
    head = OrthogonalLinear(6, n_outputs).double()
    eye = torch.eye(n_outputs, dtype=torch.float64)
    torch.testing.assert_close(head.weight @ head.weight.T, eye)
    inputs = torch.randn(5, 6, dtype=torch.float64)
    torch.testing.assert_close(head(inputs), inputs @ head.weight.T)


def test_orthogonal_weight_stays_orthonormal_in_training():
    head = OrthogonalLinear(6, 3).double()
    inputs = torch.randn(20, 6, dtype=torch.float64)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    before = head.weight.detach()
    for _ in range(20):
        optimizer.zero_grad()
        torch.autograd.backward(-head(inputs)[:, 0].square().mean())
        optimizer.step()
    eye = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(head.weight @ head.weight.T, eye)
    assert (head.weight.detach() - before).norm() > 0.1


def test_orthogonal_weight_is_the_nearest_in_order():
    # Gram-Schmidt: orthonormal columns are kept, sign included.
    head = OrthogonalLinear(5, 3).double()
    basis, _ = torch.linalg.qr(torch.randn(5, 3, dtype=torch.float64))
    for signs in ([1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]):
        columns = basis * torch.tensor(signs)
        with torch.no_grad():
            head.raw.copy_(columns * torch.tensor([1.0, 2.0, 3.0]))
        torch.testing.assert_close(head.weight.T.detach(), columns)


def test_gradient_of_the_orthogonal_weight():
    head = OrthogonalLinear(4, 2).double()
    inputs = torch.randn(3, 4, dtype=torch.float64)

    def outputs(raw):
        return torch.func.functional_call(head, {"raw": raw}, (inputs,))

    assert torch.autograd.gradcheck(outputs, (head.raw,))


@pytest.mark.parametrize("noise", [False, True])
def test_evaluation_is_the_plain_softmax(logits, noise):
    assignment = SoftAssignment(noise=noise).eval()
    assignment.temperature = 0.1
    torch.testing.assert_close(assignment(logits), torch.softmax(logits, dim=1))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_temperature_divides_the_scores_in_training(logits, temperature):
    assignment = SoftAssignment()
    assignment.temperature = temperature
    expected = torch.softmax(logits / temperature, dim=1)
    torch.testing.assert_close(assignment(logits), expected)


def test_gumbel_noise_draws_clusters_with_their_probabilities(logits):
    n_draws = 40_000
    row = logits[:1].expand(n_draws, -1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = SoftAssignment(noise=True)(row)
    torch.testing.assert_close(drawn.sum(dim=1), torch.ones(n_draws))
    shares = torch.bincount(drawn.argmax(dim=1), minlength=4) / n_draws
    expected = torch.softmax(logits[0], dim=0)
    error = (expected * (1 - expected) / n_draws).sqrt()
    assert torch.all((shares - expected).abs() < 5 * error)


def test_low_temperature_hardens_gumbel_assignments(logits):
    assignment = SoftAssignment(noise=True)
    largest = []
    for temperature in (1.0, 0.01):
        assignment.temperature = temperature
        with torch.random.fork_rng():
            torch.manual_seed(0)
            largest.append(assignment(logits).amax(dim=1))
    assert torch.all(largest[1] > largest[0])


def test_linear_head_is_an_affine_map():
    head = make_head("linear", 3, 2)
    assert isinstance(head, nn.Linear)
    assert isinstance(make_head("orthogonal", 3, 2), OrthogonalLinear)
    zero, one = torch.zeros(1, 3), torch.ones(1, 3)
    torch.testing.assert_close(head(2 * one) - head(zero), 2 * (head(one) - head(zero)))
    torch.testing.assert_close(head(one), nn.functional.linear(one, *head.parameters()))


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("n_inputs", [17, 30, 64])
@pytest.mark.parametrize("n_outputs", [1, 4, 5, 8, 11, 16])
def test_a_row_has_the_same_bits_everywhere_in_the_batch(kind, n_inputs, n_outputs):
    head = make_head(kind, n_inputs, n_outputs)
    row = torch.randn(1, n_inputs)
    with torch.inference_mode():
        outputs = head(row.repeat(96, 1))
    assert torch.equal(outputs, outputs[:1].expand(96, -1))


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_least_squares_finds_an_affine_map(offset):
    inputs = offset + torch.randn(200, 5)
    weight, bias = torch.randn(3, 5), torch.randn(3)
    targets = inputs.double() @ weight.double().T + bias
    found, shift = least_squares(inputs, targets)
    # But for the shrinkage, a thousandth of the mean variance.
    torch.testing.assert_close(found, weight.double(), rtol=1e-2, atol=1e-2)
    error = inputs.double() @ found.T + shift - targets
    assert float(error.std() / targets.std()) < 3e-3


def test_least_squares_leaves_no_error_along_the_inputs():
    inputs, targets = torch.randn(100, 4).double(), torch.randn(100, 2).double()
    weight, bias = least_squares(inputs, targets)
    error = targets - inputs @ weight.T - bias
    assert float(error.mean(dim=0).abs().max()) < 1e-12
    # But for the shrinkage.
    assert float((inputs.T @ error / 100).abs().max()) < 1e-2


def test_least_squares_of_constant_or_repeated_inputs():
    targets = torch.randn(30, 2)
    weight, bias = least_squares(torch.ones(30, 3), targets)
    assert torch.isfinite(weight).all()
    torch.testing.assert_close(weight.sum(dim=1) + bias, targets.double().mean(dim=0))
    column = torch.randn(30, 1)
    weight, _ = least_squares(column.repeat(1, 2), column)
    torch.testing.assert_close(weight[0, 0], weight[0, 1])
    assert float(weight.sum()) == pytest.approx(1.0, abs=1e-3)
