import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neuraleig import _batch
from neuraleig._batch import Batch, Edges


def test_from_dense_restores_the_matrix(dense_affinity):
    matrix = torch.from_numpy(dense_affinity(9, seed=1, density=0.5))
    eye = torch.eye(9, dtype=matrix.dtype)
    torch.testing.assert_close(Edges.from_dense(matrix).matmul(eye), matrix)


def test_from_dense_drops_the_diagonal_and_zeros(dense_affinity):
    matrix = torch.from_numpy(dense_affinity(8, seed=2, density=0.3))
    edges = Edges.from_dense(matrix + 3 * torch.eye(8))
    assert edges.weight.numel() == torch.count_nonzero(matrix) // 2
    assert torch.all(edges.source != edges.target)
    assert torch.all(edges.weight > 0)


@pytest.mark.parametrize("n_columns", [1, 4])
def test_matmul_and_degrees_are_those_of_the_dense_matrix(dense_affinity, n_columns):
    matrix = torch.from_numpy(dense_affinity(10, seed=3, density=0.4))
    edges = Edges.from_dense(matrix)
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(10, n_columns)))
    torch.testing.assert_close(edges.matmul(values), matrix @ values)
    torch.testing.assert_close(edges.degrees(), matrix.sum(dim=1))


def test_repeated_pairs_add_up():
    edges = Edges(
        torch.tensor([0, 1, 0]),
        torch.tensor([1, 0, 2]),
        torch.tensor([1.0, 2.0, 4.0]),
        3,
    )
    expected = torch.tensor([[0.0, 3.0, 4.0], [3.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    torch.testing.assert_close(edges.matmul(torch.eye(3)), expected)
    torch.testing.assert_close(edges.degrees(), expected.sum(dim=1))


def test_matmul_is_linear_and_self_adjoint_under_autograd(dense_affinity):
    edges = Edges.from_dense(torch.from_numpy(dense_affinity(6, seed=4)))
    values = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(edges.matmul, (values,))
    probe = torch.randn(6, 2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((probe * edges.matmul(values)).sum(), values)
    torch.testing.assert_close(gradient, edges.matmul(probe))


def test_matmul_keeps_the_precision_of_the_values():
    edges = Edges(
        torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]), 2
    )  # float32 weight
    values = torch.tensor([[1.0 + 1e-12], [1.0]], dtype=torch.float64)
    product = edges.matmul(values)
    assert product.dtype == torch.float64
    assert product[1, 0] == 0.5 * (1.0 + 1e-12)


def test_paired_is_a_perfect_matching():
    matrix = Edges.paired(3).matmul(torch.eye(6))
    expected = torch.zeros(6, 6)
    for row in range(3):
        expected[row, row + 3] = expected[row + 3, row] = 1.0
    torch.testing.assert_close(matrix, expected)


def test_to_moves_every_tensor():
    edges = Edges.paired(2)
    batch = Batch(torch.zeros(4, 3), edges, torch.arange(4)).to(torch.device("meta"))
    tensors = [
        batch.inputs,
        batch.index,
        batch.affinity.source,
        batch.affinity.target,
        batch.affinity.weight,
    ]
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert batch.affinity.n_nodes == 4


class TestInChunks:
    """Sums over more edges than are looked at at once."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr(_batch, "CHUNK_ELEMENTS", 7)

    @pytest.fixture
    def edges(self, dense_affinity):
        return Edges.from_dense(torch.from_numpy(dense_affinity(9, seed=5)))

    @pytest.mark.parametrize("n_columns", [1, 3, 20])
    def test_they_are_those_of_the_dense_matrix(self, edges, n_columns):
        matrix = edges.matmul(torch.eye(9, dtype=torch.float64))
        torch.testing.assert_close(matrix.sum(dim=1), edges.degrees())
        values = torch.randn(9, n_columns, dtype=torch.float64)
        torch.testing.assert_close(edges.matmul(values), matrix @ values)
        difference = (values[:, None] - values[None]).square()
        expected = (matrix[:, :, None] * difference).sum(dim=(0, 1)) / 2
        torch.testing.assert_close(edges.squared_differences(values), expected)

    def test_gradients_are_finite_differences(self, edges):
        values = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(edges.matmul, (values,))
        assert torch.autograd.gradgradcheck(edges.matmul, (values,))
        assert torch.autograd.gradcheck(edges.squared_differences, (values,))

    def test_weights_that_are_trained_have_gradients(self, edges):
        weight = edges.weight.clone().requires_grad_()
        edges = Edges(edges.source, edges.target, weight, 9)
        values = torch.randn(9, 3, dtype=torch.float64)
        (found,) = torch.autograd.grad(edges.squared_differences(values).sum(), weight)
        difference = values[edges.source] - values[edges.target]
        torch.testing.assert_close(found, difference.square().sum(dim=1))

    def test_no_row_per_edge_is_held(self, monkeypatch, dense_affinity):
        monkeypatch.setattr(_batch, "CHUNK_ELEMENTS", 30)
        edges = Edges.from_dense(torch.from_numpy(dense_affinity(30)))
        values = torch.randn(30, 3, dtype=torch.float64, requires_grad=True)
        most = []

        class Largest(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                out = function(*args, **(kwargs or {}))
                if isinstance(out, torch.Tensor):
                    most.append(out.numel())
                return out

        with Largest():
            loss = edges.squared_differences(values) + edges.matmul(values)[0]
            torch.autograd.backward(loss.sum())
        assert max(most) <= 30 * 3 < edges.weight.shape[0]


def test_random_pairs_are_added_to_every_pair(dense_affinity):
    matrix = torch.from_numpy(dense_affinity(7, seed=4, density=0.3))
    found = Edges.from_dense(matrix).regularized(0.5)
    expected = matrix + 0.5 * matrix.sum() / 7 / 7
    expected.fill_diagonal_(0)
    eye = torch.eye(7, dtype=matrix.dtype)
    torch.testing.assert_close(found.matmul(eye), expected)
    edges = Edges.from_dense(matrix)
    assert edges.regularized(0.0) is edges
