"""Multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig.networks._heads import RowLinear

# Slopes of the first layer: a unit rises by this much between its two rows, but no
# steeper than MAX_SLOPE where they nearly coincide, and no flatter than a unit of
# torch's default, whose weights have this root mean square norm.
# Chosen over the sets of the benchmarks, by held-out accuracy among others; on the 21
# of the ablation that is 0.9760, and 0.9706 with torch's slopes.
RISE = 4.0
MAX_SLOPE = 32.0
MIN_SLOPE = 3**-0.5


class MLP(nn.Module):
    """Linear layers with GELU, whose output is what all of them put out.

    Smooth activations suit eigenfunctions, which are smooth in the features. That
    the heads see every layer costs little, and makes linear heads on fresh weights
    nearly as good as trained ones.

    Parameters
    ----------
    n_features : int
        Width of the inputs.
    hidden_sizes : sequence of int
        Widths of the layers.
    """

    def __init__(self, n_features: int, hidden_sizes: Sequence[int]) -> None:
        super().__init__()
        # Plain ones: numpy's integers are no JSON.
        widths = [int(n_features), *map(int, hidden_sizes)]
        # Arguments that make the same module, but for its weights.
        self.sizes = {"n_features": widths[0], "hidden_sizes": widths[1:]}
        self.n_hidden = sum(widths[1:]) or widths[0]
        self.layers = nn.ModuleList(map(RowLinear, widths[:-1], widths[1:]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the activations of all layers, side by side.

        Parameters
        ----------
        inputs : Tensor of shape (n_rows, n_features)
            Standardised rows.

        Returns
        -------
        hidden : Tensor of shape (n_rows, sum(hidden_sizes))
            The inputs themselves where there are no layers.
        """
        hidden, outputs = inputs, []
        for layer in self.layers:
            hidden = F.gelu(layer(hidden))
            outputs.append(hidden)
        # Side by side as they are stored, see RowLinear.
        return torch.cat([h.mT for h in outputs]).mT if outputs else inputs

    @torch.no_grad()
    def place(self, rows: Tensor) -> None:
        """Put the units of the first layer between pairs of rows.

        Every unit rises along the line from one random row to another, and bends
        halfway. Random weights know neither where the rows are nor how far apart:
        in few dimensions they are far too smooth. After Bolager et al., "Sampling
        weights of deep neural networks", NeurIPS 2023.

        Parameters
        ----------
        rows : Tensor of shape (n_rows, n_features)
            Standardised rows. Pairs are drawn from torch's global generator.
        """
        if not self.layers:
            return
        layer = cast(RowLinear, self.layers[0])
        starts, ends = rows[torch.randint(rows.shape[0], (2, layer.out_features))]
        step = ends - starts
        distance = step.norm(dim=1, keepdim=True)
        apart = distance > 0
        slope = (RISE / distance).clamp(MIN_SLOPE, MAX_SLOPE)
        weight = torch.where(apart, slope * step / distance, layer.weight)
        middle = -(weight * (starts + ends) / 2).sum(dim=1)
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.where(apart[:, 0], middle, layer.bias))
