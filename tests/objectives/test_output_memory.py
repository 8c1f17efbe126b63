import pytest
import torch

from neuraleig._batch import Batch, Edges, Outputs
from neuraleig.objectives import NormalizedCut, OutputMemory, Rayleigh, neuralef_loss


def outputs_of(n_rows, seed):
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(n_rows, 6, generator=generator, dtype=torch.float64)
    table.requires_grad_()
    logits = table[:, 3:]
    return table, Outputs(table[:, :3], logits, torch.softmax(logits, dim=1))


def batch_of(index, matrix=None):
    index = torch.tensor(index)
    if matrix is None:
        matrix = torch.zeros(len(index), len(index))
    return Batch(torch.zeros(1, 1), Edges.from_dense(matrix), index)


def quadratic(outputs, batch):
    """Trace of F^T W F."""
    return (outputs.functions * batch.affinity.matmul(outputs.functions)).sum()


@pytest.fixture
def matrix(dense_affinity):
    return torch.from_numpy(dense_affinity(7, seed=3))


def test_rows_of_earlier_batches_are_constants_of_the_objective(matrix):
    memory = OutputMemory(quadratic, 100)
    earlier, outputs = outputs_of(4, seed=1)
    memory(outputs, batch_of([10, 11, 12, 13]))
    table, outputs = outputs_of(4, seed=2)
    loss = memory(outputs, batch_of([20, 21, 22, 23, 12, 10, 13], matrix))
    # Dense, by hand.
    values = torch.cat([table[:, :3], earlier[[2, 0, 3], :3]]).detach()
    torch.testing.assert_close(loss.detach(), torch.trace(values.T @ matrix @ values))
    torch.autograd.backward(loss)
    expected = torch.zeros_like(table)
    expected[:, :3] = (2 * matrix @ values)[:4]
    torch.testing.assert_close(table.grad, expected)
    assert earlier.grad is None


def test_all_outputs_are_remembered(matrix):
    seen = []

    def look(outputs, batch):
        seen.append(outputs)
        return outputs.functions.sum()

    memory = OutputMemory(look, 100)
    _, first = outputs_of(4, seed=1)
    _, second = outputs_of(4, seed=2)
    memory(first, batch_of([0, 1, 2, 3]))
    memory(second, batch_of([4, 5, 6, 7, 3, 1, 0], matrix))
    for found, own, old in zip(seen[1], second, first, strict=True):
        torch.testing.assert_close(found, torch.cat([own, old[[3, 1, 0]]]))


def test_unknown_nodes_lose_their_edges(matrix):
    memory = OutputMemory(quadratic, 100)
    memory(outputs_of(2, seed=1)[1], batch_of([0, 1]))
    _, outputs = outputs_of(4, seed=2)
    index = [2, 3, 4, 5, 99, 1, 98]
    found = memory(outputs, batch_of(index, matrix))
    kept = [0, 1, 2, 3, 5]
    other = OutputMemory(quadratic, 100)
    other(outputs_of(2, seed=1)[1], batch_of([0, 1]))
    expected = other(outputs, batch_of([2, 3, 4, 5, 1], matrix[kept][:, kept]))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("objective", [Rayleigh(), NormalizedCut()])
def test_before_anything_is_known_the_batch_stands_alone(matrix, objective):
    _, outputs = outputs_of(4, seed=2)
    memory = OutputMemory(objective, 100)
    found = memory(outputs, batch_of([0, 1, 2, 3, 90, 91, 92], matrix))
    expected = objective(outputs, batch_of([0, 1, 2, 3], matrix[:4, :4]))
    torch.testing.assert_close(found, expected)


def test_without_further_nodes_nothing_changes(matrix):
    _, outputs = outputs_of(7, seed=2)
    batch = batch_of(list(range(7)), matrix)
    memory = OutputMemory(Rayleigh(), 100)
    assert memory(outputs, batch) == Rayleigh()(outputs, batch)


def test_the_latest_word_counts(matrix):
    def remembered(*seeds):
        memory = OutputMemory(quadratic, 100)
        for seed in seeds:
            memory(outputs_of(4, seed=seed)[1], batch_of([0, 1, 2, 3]))
        _, outputs = outputs_of(4, seed=9)
        return memory(outputs, batch_of([4, 5, 6, 7, 0, 1, 2], matrix))

    assert remembered(1, 2) == remembered(2)
    assert remembered(1, 2) != remembered(1)


@pytest.mark.parametrize("size", [1, 4, 5, 8, 9])
def test_old_rows_are_forgotten(matrix, size):
    seen = []

    def look(outputs, batch):
        seen.append(batch.affinity.degrees())
        return outputs.functions.sum()

    memory = OutputMemory(look, size)
    for start in (0, 10, 20, 30):
        index = list(range(start, start + 4))
        memory(outputs_of(4, seed=start)[1], batch_of(index))
    held = sum(len(index) for index, _ in memory._batches)
    assert size <= held < size + 4
    memory(outputs_of(4, seed=5)[1], batch_of([40, 41, 42, 43, 0, 10, 20], matrix))
    # Of the queue's tokens, those of the last batches that make up the size.
    known = [bool(degree > 0) for degree in seen[-1][4:]]
    n_batches = -(-size // 4)
    assert known == [n_batches >= 4, n_batches >= 3, n_batches >= 2]


def test_what_judges_a_network_is_not_remembered(matrix):
    memory = OutputMemory(quadratic, 100)
    with torch.no_grad():
        memory(outputs_of(4, seed=1)[1], batch_of([0, 1, 2, 3]))
    assert not memory._batches


def test_it_wraps_the_published_loss(matrix):
    memory = OutputMemory(lambda o, b: neuralef_loss(o.functions, b.affinity, 0.1), 100)
    earlier, first = outputs_of(3, seed=1)
    memory(first, batch_of([0, 1, 2]))
    table, second = outputs_of(4, seed=2)
    found = memory(second, batch_of([3, 4, 5, 6, 0, 1, 2], matrix))
    values = torch.cat([table, earlier.detach()])[:, :3]
    expected = neuralef_loss(values, Edges.from_dense(matrix), 0.1)
    torch.testing.assert_close(found, expected)
    by_memory = torch.autograd.grad(found, table)
    torch.testing.assert_close(by_memory, torch.autograd.grad(expected, table))
