"""Every few tokens of windows, and a sample of them for the graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from neuraleig._random import numbered_generator
from neuraleig._typing import Array, IntArray
from neuraleig.affinity import pixel_grid_edges
from neuraleig.affinity._token_affinity import matrix_of
from neuraleig.affinity._token_graph import batch_edges
from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._scenes import scenes_of

# Windows from which the mean and the unit of every channel are computed.
STANDARD_WINDOWS = 256
# Tokens of a window in training, where their number is left open.
FEWEST_TOKENS, MOST_TOKENS = 100, 400
# Draws: windows for the units of channels, windows of the sample, and the first token
# of the lattice on each window.
STANDARD, SAMPLE, OFFSETS = range(3)


@dataclass(frozen=True)
class Units:
    """Mean and unit of every channel: float32 arrays of shape (n_channels,)."""

    mean: Array
    scale: Array

    @staticmethod
    def drawn(n_windows: int, seed: int) -> list[int]:
        """Windows of which units are computed, 256 at most, ascending."""
        order = numbered_generator(seed, STANDARD).permutation(n_windows)
        return sorted(int(number) for number in order[:STANDARD_WINDOWS])

    @classmethod
    def of(cls, windows: ImageWindows, seed: int) -> Units:
        """Mean and standard deviation over the windows drawn; 1 for constants."""
        n_tokens, total, squares = 0, torch.zeros(()), torch.zeros(())
        for number in cls.drawn(len(windows), seed):
            rows = windows[number].features.flatten(0, 1).double()
            n_tokens += len(rows)
            total = total + rows.sum(dim=0)
            squares = squares + rows.square().sum(dim=0)
        mean = total / n_tokens
        variance = (squares / n_tokens - mean.square()).clamp_min(0)
        # The rest of a constant is rounding.
        varies = variance > 1e-12 * mean.square()
        scale = torch.where(varies, variance.sqrt(), 1.0)
        return cls(mean.float().numpy(), scale.float().numpy())

    def standardized(self, features: Tensor) -> Tensor:
        """Features (..., n_channels) in these units, on their device."""
        mean, scale = self._on(features.device)
        return (features - mean) / scale

    def features(self, standardized: Tensor) -> Tensor:
        """Features (..., n_channels) that are these in these units."""
        mean, scale = self._on(standardized.device)
        return standardized * scale + mean

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        return torch.tensor(self.mean, device=device), torch.tensor(
            self.scale, device=device
        )


class PreparedWindows:
    """Windows as training sees them: standardised, and every few of their tokens.

    Neighbouring tokens are nearly the same: the same number of tokens from more
    windows holds more.

    Parameters
    ----------
    windows : ImageWindows
        Source of the tokens.
    kept : KeptTokens
        Tokens that are kept.
    units : Units
        Of the channels.
    """

    def __init__(self, windows: ImageWindows, kept: KeptTokens, units: Units) -> None:
        self.windows = windows
        self.units = units
        self.kept = kept
        self.sizes = kept.sizes

    def __getitem__(self, index: int, /) -> TokenWindow:
        """Read a window."""
        features, colors = self.windows[index]
        kept = self.kept.places[index]
        return TokenWindow(self.units.standardized(features[kept]), colors[kept])

    def sample(self, seed: int) -> TokenSample:
        """Tokens of windows drawn at random: all of a window, of one window at least.

        Memory is O(max_tokens n_channels).
        """
        drawn = self.kept.drawn(seed)
        sizes = [self.sizes[number] for number in drawn]
        counts = [math.prod(size) for size in sizes]
        rows = torch.empty(sum(counts), len(self.units.mean))
        windows = []
        parts = zip(drawn, sizes, torch.split(rows, counts), strict=True)
        for number, size, part in parts:
            features, colors = self[number]
            part.copy_(features.flatten(0, 1))
            windows.append(TokenWindow(part.view(*size, -1), colors))
        pictures = np.repeat(self.windows.pictures[drawn], counts)
        return TokenSample(rows.numpy(), pictures, windows)


class KeptTokens:
    """Every few tokens of windows, and windows of which a sample has them.

    Parameters
    ----------
    sizes : sequence of (int, int)
        Height and width of every window, in tokens.
    tokens_per_window : int or None
        About as many tokens of a window are kept, on a lattice. ``None``: as many as
        let all windows take part in a sample of ``max_tokens``, between 100 and 400.
    max_tokens : int
        Tokens of a sample.
    seed : int
        Seed of the first token of every lattice.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        tokens_per_window: int | None,
        max_tokens: int,
        seed: int,
    ) -> None:
        self.max_tokens = max_tokens
        usual = min(max(max_tokens // len(sizes), FEWEST_TOKENS), MOST_TOKENS)
        self.places = [
            _every_few(size, tokens_per_window or usual, seed, number)
            for number, size in enumerate(sizes)
        ]
        self.sizes = [
            (len(range(h)[rows]), len(range(w)[columns]))
            for (h, w), (rows, columns) in zip(sizes, self.places, strict=True)
        ]

    def drawn(self, seed: int) -> list[int]:
        """Windows of a sample of up to ``max_tokens`` tokens, ascending."""
        order = numbered_generator(seed, SAMPLE).permutation(len(self.sizes))
        counts = np.array([math.prod(self.sizes[number]) for number in order])
        n_drawn = max(1, int((np.cumsum(counts) <= self.max_tokens).sum()))
        return sorted(int(number) for number in order[:n_drawn])


@dataclass(frozen=True)
class TokenSample:
    """Tokens of some windows, in memory: window by window and row by row."""

    rows: Array  # (n_tokens, n_channels), float32
    pictures: IntArray  # (n_tokens,), image of every token
    windows: list[TokenWindow]  # views of the rows, with colours

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every window."""
        return [(w.colors.shape[0], w.colors.shape[1]) for w in self.windows]

    def __getitem__(self, index: int, /) -> TokenWindow:
        """A window."""
        return self.windows[index]

    def pixel_graph(self) -> sp.csr_array:
        """Graph of the pixels within every window, in the order of the rows."""
        edges = [pixel_grid_edges(window.colors) for window in self.windows]
        return matrix_of(batch_edges(edges))

    def scenes(self, n_channels: int) -> IntArray:
        """Scene of every token, by its last channels; see :func:`scenes_of`."""
        counts = [math.prod(size) for size in self.sizes]
        pictures = self.pictures[np.cumsum(counts) - 1]
        features = [window.features[..., -n_channels:] for window in self.windows]
        return np.repeat(scenes_of(features, pictures), counts)


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
