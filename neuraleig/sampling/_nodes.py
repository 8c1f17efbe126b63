"""Batches of rows, with the affinity among them or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges
from neuraleig._random import numbered_generator
from neuraleig._typing import IntArray

AffinityAmong = Callable[[IntArray], Edges]

# Generators: the split into held-out rows, and the order of each pass.
SPLIT, PASSES = range(2)


def no_edges(index: IntArray) -> Edges:
    """Affinity without edges, for objectives of single rows."""
    nowhere = torch.zeros(0, dtype=torch.int64)
    return Edges(nowhere, nowhere, torch.zeros(0), index.size)


class NodeSampler:
    """Endless batches of rows, by shuffled passes over the data.

    The incomplete last batch of a pass is left out. The order of a pass depends on the
    seed and its number only, so that training resumes at any step without stored state.

    Parameters
    ----------
    inputs : Tensor of shape (n_rows, n_features)
        Network input of each row.
    batch_size : int
        Rows per batch, at most the number of rows that are not held out.
    seed : int
        Seed of the shuffles.
    among : callable, optional
        Function from the indices of the rows of a batch, int64 of shape (batch_size,),
        to the ``Edges`` among them; by default no edges.
    held_out : float, default=0.0
        Share of the rows that are kept for :meth:`validation_batch`.
    counts : ndarray of shape (n_rows,), int64, or None, default=None
        How often each row is in a pass; ``None``: once.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.sampling import NodeSampler
    >>> sampler = NodeSampler(torch.zeros(10, 3), 4, seed=0)
    >>> next(iter(sampler)).inputs.shape
    torch.Size([4, 3])
    """

    def __init__(
        self,
        inputs: Tensor,
        batch_size: int,
        *,
        seed: int,
        among: AffinityAmong = no_edges,
        held_out: float = 0.0,
        counts: IntArray | None = None,
    ) -> None:
        self.inputs = inputs
        self.among = among
        self.seed = seed
        rows: IntArray = np.arange(inputs.shape[0], dtype=np.int64)
        if counts is not None:
            rows = np.repeat(rows, counts)
        order = numbered_generator(seed, SPLIT).permutation(rows)
        # Of a tiny set two rows are for training.
        n_held_out = min(int(held_out * order.size), max(order.size - 2, 0))
        self._held_out, self._train = order[:n_held_out], order[n_held_out:]
        self.batch_size = min(batch_size, self._train.size)

    @property
    def n_held_out(self) -> int:
        """Number of held-out rows."""
        return int(self._held_out.size)

    def __iter__(self) -> Iterator[Batch]:
        """Endless batches, from the first on."""
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Endless batches, from a number on.

        Parameters
        ----------
        start : int, default=0
            Number of the first batch.

        Yields
        ------
        batch : Batch
            Rows and the affinity among them.
        """
        first_pass, done = divmod(start, self._train.size // self.batch_size)
        for number in count(first_pass):
            generator = numbered_generator(self.seed, PASSES, number)
            order = generator.permutation(self._train)
            last = order.size - self.batch_size
            for at in range(done * self.batch_size, last + 1, self.batch_size):
                yield self._batch(order[at : at + self.batch_size])
            done = 0

    def validation_batch(self, n_rows: int) -> Batch:
        """Batch of held-out rows.

        Parameters
        ----------
        n_rows : int
            Number of rows, at most ``n_held_out``.

        Returns
        -------
        batch : Batch
            Rows and the affinity among them.
        """
        return self._batch(self._held_out[:n_rows])

    def _batch(self, rows: IntArray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch(self.inputs[index], self.among(rows), index)
