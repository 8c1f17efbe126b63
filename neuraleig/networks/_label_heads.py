"""Label heads for several numbers of clusters on one trunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuraleig.networks._heads import RowLinear


@dataclass(frozen=True)
class LabelHeads:
    """Linear label heads for 1, 2, ... clusters, one below the other.

    Parameters
    ----------
    weight : Tensor of shape (n_scores, n_hidden), float32
        Weights; head ``k`` has ``k`` rows after those of the smaller ones.
    bias : Tensor of shape (n_scores,), float32
        Biases.
    """

    weight: Tensor
    bias: Tensor

    @property
    def n_heads(self) -> int:
        """Number of heads, and clusters of the last one."""
        return int(np.sqrt(2 * len(self.bias)))

    def rows(self, n_clusters: int) -> slice:
        """Rows of the head for so many clusters."""
        start = n_clusters * (n_clusters - 1) // 2
        return slice(start, start + n_clusters)

    def head(self, n_clusters: int) -> RowLinear:
        """Label head for so many clusters.

        Parameters
        ----------
        n_clusters : int
            From 1 to ``n_heads``.

        Returns
        -------
        head : RowLinear
            With a copy of its weights, on their device.
        """
        own = self.rows(n_clusters)
        head = RowLinear(self.weight.shape[1], n_clusters).to(self.weight.device)
        with torch.no_grad():
            head.weight.copy_(self.weight[own])
            head.bias.copy_(self.bias[own])
        return head
