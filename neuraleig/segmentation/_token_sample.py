"""Every few tokens of windows, and a sample of them with its graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from neuraleig._batch import Edges
from neuraleig._random import numbered_generator
from neuraleig._typing import FloatArray
from neuraleig.affinity import (
    Graph,
    batch_edges,
    nearest_neighbors,
    neighbor_graph,
    normalized_edges,
    pixel_grid_edges,
)
from neuraleig.sampling import TokenWindow, Windows

# Windows whose channels say what the mean and the unit of each is.
STANDARD_WINDOWS = 256

# Tokens of a window in a step of training, where that is left open.
FEWEST_TOKENS, MOST_TOKENS = 100, 400

# What is drawn: windows for the units of channels, windows of the sample, and from
# which token on each window is read.
STANDARD, SAMPLE, OFFSETS = range(3)


class PreparedWindows:
    """Windows as training sees them: standardised, and every few of their tokens.

    Neighbouring tokens say nearly the same; the same number of tokens from more
    windows says more.

    Parameters
    ----------
    windows : Windows
        Where tokens are read.
    shift, scale : Tensor of shape (n_channels,)
        Mean and unit of every channel.
    tokens_per_window : int
        About as many tokens of a window are kept, on a lattice.
    seed : int
        Seed of where in a window that lattice begins.
    """

    def __init__(
        self,
        windows: Windows,
        shift: Tensor,
        scale: Tensor,
        tokens_per_window: int,
        seed: int,
    ) -> None:
        self.windows = windows
        self.shift = shift
        self.scale = scale
        self._kept = [
            _every_few(size, tokens_per_window, seed, number)
            for number, size in enumerate(windows.sizes)
        ]
        self.sizes = [
            (len(range(h)[rows]), len(range(w)[columns]))
            for (h, w), (rows, columns) in zip(windows.sizes, self._kept, strict=True)
        ]

    def __getitem__(self, index: int, /) -> TokenWindow:
        """Read a window."""
        features, colors = self.windows[index]
        rows, columns = self._kept[index]
        standardized = (features[rows, columns] - self.shift) / self.scale
        return TokenWindow(standardized, colors[rows, columns])


class HeldWindows:
    """Windows that are kept in memory.

    Parameters
    ----------
    windows : sequence of TokenWindow
        The windows.
    """

    def __init__(self, windows: Sequence[TokenWindow]) -> None:
        self._windows = windows
        self.sizes = [
            (int(window.colors.shape[0]), int(window.colors.shape[1]))
            for window in windows
        ]

    def __getitem__(self, index: int, /) -> TokenWindow:
        """A window."""
        return self._windows[index]


@dataclass(frozen=True)
class TokenSample:
    """Tokens of some windows, and the graph among them.

    Parameters
    ----------
    windows : HeldWindows
        The windows; their tokens are the nodes, window by window, row by row.
    graph : Graph
        Of the features of the tokens, and of their pixels within every window.
    """

    windows: HeldWindows
    graph: Graph


@dataclass(frozen=True)
class SampleRules:
    """How the tokens of windows are thinned out, sampled and compared.

    Parameters
    ----------
    tokens_per_window : int or None
        Tokens of a window that take part; ``None``: :func:`usual_tokens`.
    max_tokens : int
        Most tokens of the sample, but that one window is always drawn.
    n_graph_channels : int
        Last channels, by which tokens are compared.
    n_neighbors : int
        Neighbours of a token. With few of them all are tokens of the same part of the
        same image, and such parts become clusters rather than classes.
    pixel_weight : float
        Weight of the graphs of pixels.
    device : torch.device
        Where tokens are compared.
    """

    tokens_per_window: int | None
    max_tokens: int
    n_graph_channels: int
    n_neighbors: int
    pixel_weight: float
    device: torch.device

    def prepare(
        self, windows: Windows, shift: Tensor, scale: Tensor, seed: int
    ) -> PreparedWindows:
        """Windows whose channels are standardised, with so many tokens each."""
        tokens = self.tokens_per_window or usual_tokens(
            len(windows.sizes), self.max_tokens
        )
        return PreparedWindows(windows, shift, scale, tokens, seed)

    def draw(self, windows: Windows, seed: int) -> TokenSample:
        """Draw windows, and build the graph of all of their tokens.

        Parameters
        ----------
        windows : Windows
            Where tokens are read, as :meth:`prepare` makes them.
        seed : int
            Seed of the draw.

        Returns
        -------
        sample : TokenSample
            Windows in their own order.

        Notes
        -----
        Time is that of a neighbour search among the tokens; memory
        O(n_tokens n_channels).
        """
        drawn = _drawn_windows(windows.sizes, self.max_tokens, seed)
        held = [windows[number] for number in drawn]
        compared = [w.features[..., -self.n_graph_channels :] for w in held]
        rows = torch.cat([features.flatten(0, 1) for features in compared])
        weights = _feature_weights(rows.numpy(), self.n_neighbors, self.device, seed)
        if self.pixel_weight > 0:
            edges = batch_edges([pixel_grid_edges(window.colors) for window in held])
            pixels = matrix_of(normalized_edges(edges))
            weights = sp.csr_array(normalized(weights) + self.pixel_weight * pixels)
        index = np.arange(len(rows), dtype=np.int64)
        return TokenSample(HeldWindows(held), Graph(weights, index))


def usual_tokens(n_windows: int, max_tokens: int) -> int:
    """Tokens of a window that training looks at, where nothing else is asked for.

    As many as let all windows take part in the sample, within bounds: fewer say too
    little of a window, and more say the same again.

    Parameters
    ----------
    n_windows : int
        Number of windows.
    max_tokens : int
        Tokens of the sample.

    Returns
    -------
    tokens_per_window : int
        Between 100 and 400.
    """
    return min(max(max_tokens // n_windows, FEWEST_TOKENS), MOST_TOKENS)


def channel_units(windows: Windows, seed: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every channel, over some windows.

    Parameters
    ----------
    windows : Windows
        Up to 256 of them are read.
    seed : int
        Seed of which.

    Returns
    -------
    shift, scale : Tensor of shape (n_channels,)
        A channel that does not vary has the unit 1.
    """
    generator = numbered_generator(seed, STANDARD)
    drawn = generator.permutation(len(windows.sizes))[:STANDARD_WINDOWS]
    n_tokens, total, squares = 0, torch.zeros(()), torch.zeros(())
    for number in drawn:
        rows = windows[int(number)].features.flatten(0, 1).double()
        n_tokens += len(rows)
        total = total + rows.sum(dim=0)
        squares = squares + rows.square().sum(dim=0)
    mean = total / n_tokens
    variance = (squares / n_tokens - mean.square()).clamp_min(0)
    # What is left of a constant is rounding.
    varies = variance > 1e-12 * mean.square()
    scale = torch.where(varies, variance.sqrt(), 1.0)
    return mean.float(), scale.float()


def normalized(weights: sp.csr_array) -> sp.csr_array:
    """Symmetrically normalised affinity; rows without edges stay as they are."""
    degrees = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
    inverse_root = 1.0 / np.sqrt(np.where(degrees > 0, degrees, 1.0))
    scaling = sp.dia_array((inverse_root[None], [0]), shape=weights.shape)
    return sp.csr_array(scaling @ weights @ scaling)


def matrix_of(edges: Edges) -> sp.csr_array:
    """Symmetric matrix of a graph whose pairs are listed once."""
    source, target, weight = (
        part.cpu().numpy() for part in (edges.source, edges.target, edges.weight)
    )
    shape = (edges.n_nodes, edges.n_nodes)
    upper = sp.coo_array((weight.astype(np.float64), (source, target)), shape=shape)
    return sp.csr_array(upper + upper.T)


def _feature_weights(
    rows: FloatArray, n_neighbors: int, device: torch.device, seed: int
) -> sp.csr_array:
    """Graph of the nearest neighbours of every token."""
    n_neighbors = min(n_neighbors, len(rows) - 1)
    if n_neighbors < 1:
        return sp.csr_array((len(rows), len(rows)), dtype=np.float64)
    found = nearest_neighbors(rows, n_neighbors, device=device, seed=seed)
    return neighbor_graph(found.distances, found.indices, "self_tuning")


def _drawn_windows(
    sizes: Sequence[tuple[int, int]], max_tokens: int, seed: int
) -> Iterable[int]:
    """Windows of up to ``max_tokens`` tokens in all, ascending."""
    order = numbered_generator(seed, SAMPLE).permutation(len(sizes))
    counts = np.array([math.prod(sizes[number]) for number in order])
    n_drawn = max(1, int((np.cumsum(counts) <= max_tokens).sum()))
    return sorted(int(number) for number in order[:n_drawn])


def _every_few(
    size: tuple[int, int], tokens_per_window: int, seed: int, number: int
) -> tuple[slice, slice]:
    """Rows and columns of a window that are kept."""
    share = max(1.0, math.prod(size) / tokens_per_window)
    # The second makes up for the rounding of the first: 1 and 2 for half of them.
    down = min(max(1, round(math.sqrt(share))), size[0])
    across = min(max(1, round(share / down)), size[1])
    first = numbered_generator(seed, OFFSETS, number).integers((down, across))
    return slice(int(first[0]), None, down), slice(int(first[1]), None, across)
