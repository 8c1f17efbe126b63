"""Multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from neuraleig.networks._heads import RowLinear


def make_mlp(n_features: int, hidden_sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers, each followed by GELU.

    Smooth activations suit eigenfunctions, which are smooth in the features.

    Parameters
    ----------
    n_features : int
        Width of the inputs.
    hidden_sizes : sequence of int
        Widths of the layers.

    Returns
    -------
    mlp : nn.Sequential
        Maps (n_rows, n_features) to (n_rows, hidden_sizes[-1]).
    """
    layers: list[nn.Module] = []
    width = n_features
    for size in hidden_sizes:
        layers += [RowLinear(width, size), nn.GELU()]
        width = size
    return nn.Sequential(*layers)
