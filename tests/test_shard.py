import pytest
import torch
from torch import nn

from neuraleig._batch import Outputs
from neuraleig._shard import ALONE, Shard


@pytest.mark.parametrize("n_rows", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
def test_parts_are_all_rows_once_and_of_nearly_equal_size(n_rows, world_size):
    parts = [Shard(rank, world_size).part(n_rows) for rank in range(world_size)]
    rows = torch.arange(n_rows)
    assert torch.equal(torch.cat([rows[part] for part in parts]), rows)
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert parts == Shard(0, world_size).parts(n_rows)


def test_the_only_process_does_everything_itself():
    class Doubled(nn.Linear):
        def forward(self, inputs):
            scores = super().forward(inputs)
            return Outputs(scores, 2 * scores, scores)

    rows = torch.ones(3, 2)
    network = Doubled(2, 4)
    assert ALONE.part(5) == slice(0, 5)
    assert ALONE.gathered(rows) is ALONE.total(rows) is rows
    assert ALONE.first(lambda: 7) == 7
    assert ALONE.is_common(object())
    outputs = ALONE.forward(network, rows)
    assert torch.equal(outputs.functions, network(rows).functions)
    torch.autograd.backward(outputs.functions.sum())
    gradient = network.weight.grad.clone()
    ALONE.reduce_gradients(network.parameters())
    ALONE.align(network)
    assert torch.equal(network.weight.grad, gradient)
