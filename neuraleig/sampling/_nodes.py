"""Batches of rows, with or without the affinity among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges
from neuraleig._typing import IntArray

AffinityAmong = Callable[[IntArray], Edges]


def no_edges(index: IntArray) -> Edges:
    """Affinity of rows that are looked at one by one."""
    nowhere = torch.zeros(0, dtype=torch.int64)
    return Edges(nowhere, nowhere, torch.zeros(0), index.size)


class NodeSampler:
    """Endless batches of distinct rows, drawn by reshuffled passes over the data.

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
        self._generator = np.random.default_rng(seed)
        order = self._generator.permutation(inputs.shape[0])
        # A tiny set keeps a pair for training.
        n_held_out = min(int(held_out * inputs.shape[0]), max(order.size - 2, 0))
        self._held_out, self._train = order[:n_held_out], order[n_held_out:]
        self.batch_size = min(batch_size, self._train.size)

    @property
    def n_held_out(self) -> int:
        """Number of rows that are never drawn for training."""
        return int(self._held_out.size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end; a pass leaves out its incomplete last batch."""
        while True:
            order = self._generator.permutation(self._train)
            for start in range(0, order.size - self.batch_size + 1, self.batch_size):
                yield self._batch(order[start : start + self.batch_size])

    def validation_batch(self, n_rows: int) -> Batch:
        """Batch of up to ``n_rows`` rows that training never sees."""
        return self._batch(self._held_out[:n_rows])

    def _batch(self, rows: IntArray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch(self.inputs[index], self.among(rows), index)
