"""Batches of windows of images, with the graph of their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from neuraleig._batch import Batch
from neuraleig._random import numbered_generator
from neuraleig._typing import IntArray
from neuraleig.affinity import token_graph
from neuraleig.sampling._nodes import no_edges

# What is drawn: the windows that are held out, the order of every pass, the
# candidates of every graph, and the tokens of every batch that enter the queue.
SPLIT, PASSES, GRAPHS, QUEUE = range(4)
# Batches whose tokens the queue holds.
QUEUE_BATCHES = 8


class TokenWindow(NamedTuple):
    """Tokens of one window of an image.

    Parameters
    ----------
    features : Tensor of shape (height, width, n_channels)
        Features of every token.
    colors : Tensor of shape (height, width, 3)
        Its mean red, green and blue, in [0, 1].
    """

    features: Tensor
    colors: Tensor


class Windows(Protocol):
    """Windows that may be read when they are asked for.

    Attributes
    ----------
    sizes : sequence of (int, int)
        Height and width of every window in tokens, known without reading any.
    """

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Height and width of every window."""

    def __getitem__(self, index: int, /) -> TokenWindow:
        """Read a window."""


class _Queued(NamedTuple):
    """Tokens of preceding batches: which they are, and what they are compared by."""

    tokens: IntArray
    features: Tensor


def padded_inputs(features: Sequence[Tensor]) -> Tensor:
    """Inputs of a network over tokens, from the features of some windows.

    Parameters
    ----------
    features : sequence of Tensor of shape (height, width, n_channels)
        One or more windows, of whatever sizes.

    Returns
    -------
    inputs : Tensor of shape (n_windows, n_tokens, 1 + n_channels), float32
        The first channel is 1 for tokens, which are in row-major order, and 0 for the
        padding behind them.
    """
    counts = [part.shape[0] * part.shape[1] for part in features]
    shape = (len(counts), max(counts), 1 + features[0].shape[2])
    inputs = torch.zeros(shape, device=features[0].device)
    for window, (part, n_tokens) in enumerate(zip(features, counts, strict=True)):
        inputs[window, :n_tokens, 0] = 1.0
        inputs[window, :n_tokens, 1:] = part.flatten(0, 1)
    return inputs


class WindowSampler:
    """Endless batches of windows, drawn by reshuffled passes over them.

    A pass leaves out its incomplete last batch. A batch is a function of the seed and
    of its number, its graph and queue included, so that training goes on from any step
    without a stored state.

    Parameters
    ----------
    windows : Windows
        Read anew for every batch.
    batch_size : int
        Windows per batch; lowered to the number of windows that are drawn from.
    seed : int
        Seed of all draws.
    n_graph_channels : int or None, default=None
        Tokens are compared by so many of their last channels; ``None``: by all.
    n_neighbors, pixel_weight
        As in :func:`neuraleig.affinity.token_graph`. Without neighbours, ``n_neighbors
        = 0``, no graph is built: tokens are looked at one by one.
    queue_size : int, default=0
        Tokens of the eight preceding batches that are nodes of the graph as well, so
        that it reaches beyond the batch; fewer at the start and where the same tokens
        come again. They are no inputs: see
        :class:`neuraleig.objectives.OutputMemory`.
    held_out : float, default=0.0
        Share of the windows that are never drawn, for :meth:`validation_batch`.
    device : torch.device or None, default=None
        Where the graph is built. ``None``: where the windows are.

    Notes
    -----
    Tokens are numbered window by window, in row-major order. A batch has the numbers
    of its tokens, then those of the queue's. To start at a later number reads the
    windows of up to eight batches again if there is a queue.
    """

    def __init__(
        self,
        windows: Windows,
        batch_size: int,
        *,
        seed: int,
        n_graph_channels: int | None = None,
        n_neighbors: int = 64,
        pixel_weight: float = 0.3,
        queue_size: int = 0,
        held_out: float = 0.0,
        device: torch.device | None = None,
    ) -> None:
        self.windows = windows
        self.seed = seed
        self.n_graph_channels = n_graph_channels
        self.n_neighbors = n_neighbors
        self.pixel_weight = pixel_weight
        self.queue_size = queue_size
        self.device = device
        self._counts = np.array([h * w for h, w in windows.sizes], dtype=np.int64)
        self._offsets = np.cumsum([0, *self._counts])
        order = numbered_generator(seed, SPLIT).permutation(self._counts.size)
        # A single window is trained on.
        n_held_out = min(int(held_out * order.size), max(order.size - 1, 0))
        self._held_out, self._train = order[:n_held_out], order[n_held_out:]
        self.batch_size = min(batch_size, self._train.size)

    @property
    def n_held_out(self) -> int:
        """Number of windows that are never drawn for training."""
        return int(self._held_out.size)

    @property
    def queue_reach(self) -> int:
        """Most tokens of the batches that the queue is drawn from."""
        largest = int(self._counts.max(initial=0))
        return QUEUE_BATCHES * self.batch_size * largest

    @property
    def n_tokens(self) -> int:
        """Number of tokens of all windows."""
        return int(self._offsets[-1])

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches without end, from number ``start`` on."""
        queue = self._queue_before(start)
        for number in count(start):
            # Handed on at once: what is kept here would be held beside the next.
            yield self._next(number, queue)

    def validation_batch(self, n_windows: int) -> Batch:
        """Batch of windows that training never sees, without a queue.

        Parameters
        ----------
        n_windows : int
            Most windows.

        Returns
        -------
        batch : Batch
            The same at every call.

        Raises
        ------
        ValueError
            If no window is held out.
        """
        chosen = self._held_out[:n_windows]
        if chosen.size == 0:
            raise ValueError(
                f"no window of {self._counts.size} is held out; held_out must be "
                "larger."
            )
        return self._batch(0, chosen, None)

    def _windows_of(self, number: int) -> IntArray:
        """Windows of a batch."""
        pass_number, at = divmod(number, self._train.size // self.batch_size)
        generator = numbered_generator(self.seed, PASSES, pass_number)
        order = generator.permutation(self._train)
        return order[at * self.batch_size : (at + 1) * self.batch_size]

    def _next(self, number: int, queue: list[_Queued]) -> Batch:
        """Batch of a number; its tokens enter the queue and push old ones out."""
        chosen = self._windows_of(number)
        batch = self._batch(number, chosen, self._others(queue, chosen))
        if self.queue_size > 0:
            queue.append(self._queued(number, chosen, batch.inputs))
            del queue[:-QUEUE_BATCHES]
        return batch

    def _batch(self, number: int, chosen: IntArray, others: _Queued | None) -> Batch:
        inputs, colors = self._read(chosen)
        index = self._index(chosen)
        if self.n_neighbors == 0:
            return Batch(inputs, no_edges(index), torch.from_numpy(index))
        graph = token_graph(
            [self._compared(*pair) for pair in zip(inputs, colors, strict=True)],
            colors,
            n_neighbors=self.n_neighbors,
            pixel_weight=self.pixel_weight,
            others=None if others is None else others.features,
            seed=int(numbered_generator(self.seed, GRAPHS, number).integers(2**31)),
        )
        if others is not None:
            index = np.concatenate([index, others.tokens])
        return Batch(inputs, graph, torch.from_numpy(index))

    def _read(self, chosen: IntArray) -> tuple[Tensor, list[Tensor]]:
        """Inputs and colours of some windows."""
        windows = [self.windows[int(window)] for window in chosen]
        inputs = padded_inputs([window.features for window in windows])
        return inputs, [window.colors for window in windows]

    def _compared(self, inputs: Tensor, colors: Tensor) -> Tensor:
        """Features by which the tokens of a window are compared, on its lattice."""
        height, width = colors.shape[:2]
        features = inputs[: height * width, self._first_channel :]
        features = features.reshape(height, width, -1)
        return features.to(self.device or inputs.device)

    @property
    def _first_channel(self) -> int:
        """First channel of the inputs by which tokens are compared."""
        return 1 if self.n_graph_channels is None else -self.n_graph_channels

    def _index(self, chosen: IntArray) -> IntArray:
        """Numbers of all tokens of some windows."""
        spans = [np.arange(*self._offsets[window : window + 2]) for window in chosen]
        return np.concatenate(spans)

    def _queued(self, number: int, chosen: IntArray, inputs: Tensor) -> _Queued:
        """Tokens of a batch that enter the queue."""
        index = self._index(chosen)
        size = min(-(-self.queue_size // QUEUE_BATCHES), index.size)
        generator = numbered_generator(self.seed, QUEUE, number)
        drawn = np.sort(generator.choice(index.size, size, replace=False))
        starts = np.cumsum([0, *self._counts[chosen]])
        row = np.searchsorted(starts, drawn, side="right") - 1
        features = inputs[row, drawn - starts[row], self._first_channel :]
        return _Queued(index[drawn], features)

    def _queue_before(self, start: int) -> list[_Queued]:
        """Queue of the batch of a number."""
        if self.queue_size == 0:
            return []
        queue = []
        for number in range(max(0, start - QUEUE_BATCHES), start):
            chosen = self._windows_of(number)
            queue.append(self._queued(number, chosen, self._read(chosen)[0]))
        return queue

    def _others(self, queue: list[_Queued], chosen: IntArray) -> _Queued | None:
        """Tokens of the queue, each once, without those of the batch itself."""
        if not queue:
            return None
        index = np.concatenate([part.tokens for part in queue])
        features = torch.cat([part.features for part in queue])
        newest_first = np.arange(index.size)[::-1]
        _, kept = np.unique(index[newest_first], return_index=True)
        kept = np.sort(newest_first[kept])
        windows = np.searchsorted(self._offsets, index[kept], side="right") - 1
        kept = kept[~np.isin(windows, chosen)][-self.queue_size :]
        return _Queued(index[kept], features[torch.from_numpy(kept)])
