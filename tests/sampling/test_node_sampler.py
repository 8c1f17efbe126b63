from itertools import islice

import numpy as np
import pytest
import torch

from neuraleig._batch import Edges
from neuraleig.sampling import NodeSampler
from neuraleig.sampling._nodes import no_edges

INPUTS = torch.arange(10.0)[:, None] * 3


def test_a_pass_draws_every_row_once():
    sampler = NodeSampler(INPUTS, 5, seed=0)
    first, second, third, fourth = islice(sampler, 4)
    everyone = torch.arange(10)
    assert torch.equal(torch.cat([first.index, second.index]).sort().values, everyone)
    assert torch.equal(torch.cat([third.index, fourth.index]).sort().values, everyone)
    assert not torch.equal(first.index, third.index)


def test_an_incomplete_last_batch_is_left_out():
    sampler = NodeSampler(INPUTS, 4, seed=0)
    for batch in islice(sampler, 9):
        assert batch.index.unique().numel() == 4
    # The rows left out change from pass to pass: all are seen in the long run.
    seen = torch.cat([batch.index for batch in islice(sampler, 60)])
    assert seen.unique().numel() == 10


def test_rows_are_looked_up_by_index():
    batch = next(iter(NodeSampler(INPUTS, 6, seed=1)))
    assert torch.equal(batch.inputs, INPUTS[batch.index])


def test_a_batch_is_at_most_all_rows():
    batch = next(iter(NodeSampler(INPUTS, 64, seed=1)))
    assert torch.equal(batch.index.sort().values, torch.arange(10))


def test_the_affinity_among_the_rows_is_asked_for_by_index():
    matrix = np.add.outer(np.arange(10.0), np.arange(10.0))

    def among(index):
        return Edges.from_dense(torch.from_numpy(matrix[index][:, index]))

    batch = next(iter(NodeSampler(INPUTS, 4, seed=2, among=among)))
    found = batch.affinity.matmul(torch.eye(4, dtype=torch.float64))
    rows = batch.index.numpy()
    expected = matrix[rows][:, rows] * (1 - np.eye(4))
    np.testing.assert_allclose(found, expected)


def test_no_edges_is_an_empty_affinity():
    edges = no_edges(np.arange(3))
    assert edges.source.numel() == edges.target.numel() == edges.weight.numel() == 0
    assert torch.equal(edges.degrees(), torch.zeros(3))


@pytest.mark.parametrize("batch_size", [2, 64])
def test_held_out_rows_are_never_drawn_in_training(batch_size):
    sampler = NodeSampler(INPUTS, batch_size, seed=3, held_out=0.3)
    held_out = sampler.validation_batch(10).index
    assert held_out.unique().numel() == sampler.n_held_out == 3
    assert sampler.validation_batch(2).index.numel() == 2
    drawn = torch.cat([batch.index for batch in islice(sampler, 50)]).unique()
    expected = sorted(set(range(10)) - set(held_out.tolist()))
    assert drawn.tolist() == expected


def test_same_seed_same_batches():
    def drawn(seed):
        batches = islice(NodeSampler(INPUTS, 3, seed=seed), 5)
        return torch.cat([batch.index for batch in batches])

    assert torch.equal(drawn(5), drawn(5))
    assert not torch.equal(drawn(5), drawn(6))


# Passes of three batches; the fourth row of every pass is left out.
@pytest.mark.parametrize("start", [0, 1, 2, 3, 7])
def test_batches_go_on_from_any_number(start):
    options = {"batch_size": 3, "seed": 5}
    whole = [batch.index for batch in islice(NodeSampler(INPUTS, **options), start + 5)]
    late = islice(NodeSampler(INPUTS, **options).batches(start), 5)
    assert all(map(torch.equal, whole[start:], (batch.index for batch in late)))


def test_a_pass_has_every_row_as_often_as_it_counts():
    counts = np.array([1, 5, 2])
    sampler = NodeSampler(torch.zeros(3, 1), 4, seed=0, counts=counts)
    batches = sampler.batches()
    seen = torch.cat([next(batches).index for _ in range(2)])
    np.testing.assert_array_equal(np.bincount(seen.numpy()), counts)


def test_counts_of_one_change_no_batch():
    plain, counted = (
        NodeSampler(torch.zeros(30, 1), 7, seed=3, counts=counts, held_out=0.2)
        for counts in (None, np.ones(30, dtype=np.int64))
    )
    for one, other in zip(islice(plain, 5), islice(counted, 5), strict=True):
        assert torch.equal(one.index, other.index)
    assert plain.n_held_out == counted.n_held_out
