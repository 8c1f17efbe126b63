"""Batches of rows, with or without the affinity among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges
from neuraleig._random import numbered_generator
from neuraleig._typing import IntArray

AffinityAmong = Callable[[IntArray], Edges]

# What is drawn: the rows that are held out, and the order of every pass.
SPLIT, PASSES = range(2)


def no_edges(index: IntArray) -> Edges:
    """Affinity of rows that are looked at one by one."""
    nowhere = torch.zeros(0, dtype=torch.int64)
    return Edges(nowhere, nowhere, torch.zeros(0), index.size)


class NodeSampler:
    """Endless batches of distinct rows, drawn by reshuffled passes over the data.

    A pass leaves out its incomplete last batch. Its order is a function of the seed
    and of its number, so that training goes on from any step without a stored state.

    Parameters
    ----------
    inputs : Tensor of shape (n_rows, n_features)
        Rows.
    batch_size : int
        Rows per batch; lowered to the number of rows that are drawn from.
    seed : int
        Seed of the shuffles.
    among : callable, default=no_edges
        Takes the index of the rows of a batch and returns the ``Edges`` among them.
    held_out : float, default=0.0
        Share of the rows that are never drawn, for :meth:`validation_batch`.
    """

    def __init__(
        self,
        inputs: Tensor,
        batch_size: int,
        *,
        seed: int,
        among: AffinityAmong = no_edges,
        held_out: float = 0.0,
    ) -> None:
        self.inputs = inputs
        self.among = among
        self.seed = seed
        order = numbered_generator(seed, SPLIT).permutation(inputs.shape[0])
        # A tiny set keeps a pair for training.
        n_held_out = min(int(held_out * inputs.shape[0]), max(order.size - 2, 0))
        self._held_out, self._train = order[:n_held_out], order[n_held_out:]
        self.batch_size = min(batch_size, self._train.size)

    @property
    def n_held_out(self) -> int:
        """Number of rows that are never drawn for training."""
        return int(self._held_out.size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches without end, from number ``start`` on."""
        first_pass, done = divmod(start, self._train.size // self.batch_size)
        for number in count(first_pass):
            generator = numbered_generator(self.seed, PASSES, number)
            order = generator.permutation(self._train)
            last = order.size - self.batch_size
            for at in range(done * self.batch_size, last + 1, self.batch_size):
                yield self._batch(order[at : at + self.batch_size])
            done = 0

    def validation_batch(self, n_rows: int) -> Batch:
        """Batch of up to ``n_rows`` rows that training never sees."""
        return self._batch(self._held_out[:n_rows])

    def _batch(self, rows: IntArray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch(self.inputs[index], self.among(rows), index)
