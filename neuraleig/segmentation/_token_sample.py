"""A sample of tokens of many windows, and the graph among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from neuraleig._batch import Edges
from neuraleig._random import numbered_generator
from neuraleig._typing import IntArray
from neuraleig.affinity import Graph, token_graph
from neuraleig.sampling import TokenWindow, Windows

# Tokens of a window that are enough of it: neighbouring tokens say nearly the same,
# and as many more windows say more.
TOKENS_PER_WINDOW = 300


@dataclass(frozen=True)
class SampledWindow:
    """Every few tokens of a window, along both sides.

    Parameters
    ----------
    number : int
        Which window.
    size : (int, int)
        Its tokens in each direction.
    tokens : ndarray of shape (rows, columns), int64
        Sampled tokens, numbered row by row within the window.
    """

    number: int
    size: tuple[int, int]
    tokens: IntArray

    def of(self, values: Tensor) -> Tensor:
        """Values (height, width, c) of the window at the tokens, on their lattice."""
        return values.flatten(0, 1)[torch.from_numpy(self.tokens)]


@dataclass(frozen=True)
class TokenSample:
    """Tokens of some windows, and the graph among them.

    Parameters
    ----------
    windows : list of SampledWindow
        Windows and their tokens; nodes of the graph in this order.
    graph : Graph
        Of the features of the tokens, and of their pixels within every window.
    """

    windows: list[SampledWindow]
    graph: Graph

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every window in tokens."""
        return [window.size for window in self.windows]

    def nodes(self, position: int) -> IntArray:
        """Node of every token of a window, row by row; -1 where there is none."""
        window = self.windows[position]
        first = sum(w.tokens.size for w in self.windows[:position])
        nodes = np.full(math.prod(window.size), -1, dtype=np.int64)
        nodes[window.tokens.ravel()] = np.arange(window.tokens.size) + first
        return nodes


def draw_tokens(
    sizes: Sequence[tuple[int, int]], max_tokens: int, seed: int
) -> list[SampledWindow]:
    """Draw windows, and every few tokens of each.

    Parameters
    ----------
    sizes : sequence of (int, int)
        Height and width of every window in tokens.
    max_tokens : int
        Most tokens in all, but that one window is always drawn.
    seed : int
        Seed of the draw.

    Returns
    -------
    windows : list of SampledWindow
        In ascending order of their numbers. If all windows together have few tokens,
        all of these.
    """
    generator = numbered_generator(seed, 0)
    sparse = sum(h * w for h, w in sizes) > max_tokens
    drawn: list[SampledWindow] = []
    n_tokens = 0
    for number in generator.permutation(len(sizes)):
        h, w = sizes[number]
        step = math.isqrt(h * w // TOKENS_PER_WINDOW) if sparse else 1
        window = _every(max(step, 1), int(number), (h, w), generator)
        n_tokens += window.tokens.size
        if drawn and n_tokens > max_tokens:
            break
        drawn.append(window)
    return sorted(drawn, key=lambda window: window.number)


def _every(
    step: int, number: int, size: tuple[int, int], generator: np.random.Generator
) -> SampledWindow:
    """Every ``step``-th token of a window, from a random one on."""
    first = generator.integers(step, size=2)
    rows, columns = (np.arange(f, n, step) for f, n in zip(first, size, strict=True))
    tokens = rows[:, None] * size[1] + columns
    return SampledWindow(number, size, tokens.astype(np.int64))


def sample_graph(
    windows: Windows,
    drawn: Sequence[SampledWindow],
    *,
    n_graph_channels: int,
    n_neighbors: int,
    pixel_weight: float,
    device: torch.device,
) -> TokenSample:
    """Build the graph among sampled tokens.

    Parameters
    ----------
    windows : Windows
        Where the tokens are read.
    drawn : sequence of SampledWindow
        Which tokens.
    n_graph_channels : int
        Last channels by which they are compared.
    n_neighbors, pixel_weight
        As in :func:`neuraleig.affinity.token_graph`.
    device : torch.device
        Where they are compared.

    Returns
    -------
    sample : TokenSample
        With an exact graph, however many tokens there are.

    Notes
    -----
    Time O(n_tokens^2 n_graph_channels), memory O(n_tokens (n_channels + n_neighbors)).
    """
    features, colors = [], []
    for window in drawn:
        read: TokenWindow = windows[window.number]
        kept = window.of(read.features[..., -n_graph_channels:])
        features.append(kept.to(device))
        colors.append(window.of(read.colors))
    n_tokens = sum(window.tokens.size for window in drawn)
    edges = token_graph(
        features,
        colors,
        n_neighbors=min(n_neighbors, max(n_tokens - 1, 1)),
        pixel_weight=pixel_weight,
        max_candidates=n_tokens,
    )
    weights = _matrix(edges)
    return TokenSample(list(drawn), Graph(weights, np.arange(n_tokens)))


def _matrix(edges: Edges) -> sp.csr_array:
    """Symmetric matrix of a graph whose pairs are listed once."""
    source, target, weight = (
        part.cpu().numpy() for part in (edges.source, edges.target, edges.weight)
    )
    shape = (edges.n_nodes, edges.n_nodes)
    upper = sp.coo_array((weight.astype(np.float64), (source, target)), shape=shape)
    return sp.csr_array(upper + upper.T)
