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

# What is drawn: the windows that are held out, the order of every pass, and the
# candidates of every graph.
SPLIT, PASSES, GRAPHS = range(3)


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
    of its number, its graph included, so that training goes on from any step without
    a stored state.

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
    held_out : float, default=0.0
        Share of the windows that are never drawn, for :meth:`validation_batch`.
    device : torch.device or None, default=None
        Where the graph is built. ``None``: where the windows are.

    Notes
    -----
    Tokens are numbered window by window, in row-major order; a batch has the numbers
    of its tokens.
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
        held_out: float = 0.0,
        device: torch.device | None = None,
    ) -> None:
        self.windows = windows
        self.seed = seed
        self.n_graph_channels = n_graph_channels
        self.n_neighbors = n_neighbors
        self.pixel_weight = pixel_weight
        self.device = device
        counts = [h * w for h, w in windows.sizes]
        self._offsets = np.cumsum([0, *counts], dtype=np.int64)
        order = numbered_generator(seed, SPLIT).permutation(len(counts))
        # A single window is trained on.
        n_held_out = min(int(held_out * order.size), max(order.size - 1, 0))
        self._held_out, self._train = order[:n_held_out], order[n_held_out:]
        self.batch_size = min(batch_size, self._train.size)

    @property
    def n_held_out(self) -> int:
        """Number of windows that are never drawn for training."""
        return int(self._held_out.size)

    @property
    def n_tokens(self) -> int:
        """Number of tokens of all windows."""
        return int(self._offsets[-1])

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches without end.

        Parameters
        ----------
        start : int, default=0
            Number of the first batch.

        Yields
        ------
        batch : Batch
            Windows in the order of a pass, with the graph of their tokens.
        """
        for number in count(start):
            # Handed on at once: what is kept here would be held beside the next.
            yield self._batch(number, self._windows_of(number))

    def validation_batch(self, n_windows: int) -> Batch:
        """Batch of windows that training never sees.

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
                f"no window of {len(self.windows.sizes)} is held out; held_out must "
                "be larger."
            )
        return self._batch(0, chosen)

    def _windows_of(self, number: int) -> IntArray:
        """Windows of a batch."""
        pass_number, at = divmod(number, self._train.size // self.batch_size)
        generator = numbered_generator(self.seed, PASSES, pass_number)
        order = generator.permutation(self._train)
        return order[at * self.batch_size : (at + 1) * self.batch_size]

    def _batch(self, number: int, chosen: IntArray) -> Batch:
        windows = [self.windows[int(window)] for window in chosen]
        inputs = padded_inputs([window.features for window in windows])
        spans = [np.arange(*self._offsets[window : window + 2]) for window in chosen]
        index = np.concatenate(spans)
        if self.n_neighbors == 0:
            return Batch(inputs, no_edges(index), torch.from_numpy(index))
        # Of the last channels: all, where none are named.
        first = -self.n_graph_channels if self.n_graph_channels else 0
        compared = [
            window.features[..., first:].float().to(self.device or inputs.device)
            for window in windows
        ]
        graph = token_graph(
            compared,
            [window.colors for window in windows],
            n_neighbors=self.n_neighbors,
            pixel_weight=self.pixel_weight,
            seed=int(numbered_generator(self.seed, GRAPHS, number).integers(2**31)),
        )
        return Batch(inputs, graph, torch.from_numpy(index))
