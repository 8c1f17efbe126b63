"""Batches of rows, with or without the affinity among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuraleig._batch import Batch, Edges

IntArray = NDArray[np.int64]
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
        Rows per batch, at most ``n_rows``.
    seed : int
        Seed of the shuffles.
    among : callable, default=no_edges
        Takes the index of the rows of a batch and returns the ``Edges`` among them.
    """

    def __init__(
        self,
        inputs: Tensor,
        batch_size: int,
        *,
        seed: int,
        among: AffinityAmong = no_edges,
    ) -> None:
        self.inputs = inputs
        self.batch_size = min(batch_size, inputs.shape[0])
        self.among = among
        self._generator = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end; a pass leaves out its incomplete last batch."""
        n_rows = self.inputs.shape[0]
        while True:
            order = self._generator.permutation(n_rows)
            for start in range(0, n_rows - self.batch_size + 1, self.batch_size):
                yield self._batch(order[start : start + self.batch_size])

    def validation_batch(self, n_rows: int) -> Batch:
        """One batch of up to ``n_rows`` rows, drawn like the others."""
        count = min(n_rows, self.inputs.shape[0])
        return self._batch(self._generator.permutation(self.inputs.shape[0])[:count])

    def _batch(self, rows: IntArray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch(self.inputs[index], self.among(rows), index)
