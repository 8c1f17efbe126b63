"""Labels by the nearest of a few centres of unit rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import FloatArray
from neuraleig.reading._base import (
    Discretizer,
    diffused,
    diffusion_weights,
    exact,
    softmax,
)


class NearestCentre(Discretizer):
    """Cluster of the nearest centre among diffused unit rows.

    Parameters
    ----------
    centres : ndarray of shape (n_clusters, n_used)
        Centres of the clusters.
    spread : float
        Mean squared distance of a row from its centre, per dimension.
    eigenvalues : ndarray of shape (n_components,)
        Eigenvalues of the functions.
    diffusion_time : float
        See :func:`diffused_rows`.
    """

    centres: Tensor
    weights: Tensor

    def __init__(
        self,
        centres: FloatArray,
        spread: float,
        eigenvalues: FloatArray,
        diffusion_time: float,
    ) -> None:
        super().__init__()
        weights = diffusion_weights(eigenvalues[: centres.shape[1]], diffusion_time)
        self.register_buffer("centres", exact(centres))
        self.register_buffer("weights", exact(weights))
        self.spread = spread
        self.diffusion_time = diffusion_time

    @property
    def n_clusters(self) -> int:
        """Number of clusters that rows can get."""
        return len(self.centres)

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Posterior of equal round Gaussians at the centres.

        See :meth:`Discretizer.forward`.
        """
        rows = diffused(functions, self.weights)
        # One centre at a time: no (n_samples, n_clusters, n_used) array.
        squared = torch.stack(
            [(rows - centre).square().sum(dim=1) for centre in self.centres], dim=1
        )
        return softmax(-squared / (2 * max(self.spread, np.finfo(np.float64).eps)))
