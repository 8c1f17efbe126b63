"""Labels by the nearest of a few centres of unit rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.reading._base import (
    DIFFUSION_TIME,
    Discretizer,
    diffused,
    diffused_rows,
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
    diffusion_time : float, default=10.0
        See :func:`diffused_rows`.
    """

    centres: Tensor
    weights: Tensor

    def __init__(
        self,
        centres: FloatArray,
        spread: float,
        eigenvalues: FloatArray,
        diffusion_time: float = DIFFUSION_TIME,
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

    @classmethod
    def of_labels(
        cls,
        functions: Array,
        labels: IntArray,
        eigenvalues: FloatArray,
        n_used: int,
        counts: IntArray | None = None,
        diffusion_time: float = DIFFUSION_TIME,
    ) -> NearestCentre:
        """Centres of labelled rows.

        Parameters
        ----------
        functions : ndarray of shape (n_samples, n_components)
            Eigenfunctions, the constant one first.
        labels : ndarray of shape (n_samples,), int64
            Labels from 0, every cluster with a row.
        eigenvalues : ndarray of shape (n_components,)
            Eigenvalues of the functions.
        n_used : int
            Number of functions that describe the clusters.
        counts : ndarray of shape (n_samples,), int64, or None, default=None
            How often each row counts; ``None``: all alike.
        diffusion_time : float, default=10.0
            See :func:`diffused_rows`.

        Returns
        -------
        discretizer : NearestCentre
            With means as centres.
        """
        rows = diffused_rows(
            functions[:, :n_used], eigenvalues[:n_used], diffusion_time
        )
        members = [labels == cluster for cluster in range(int(labels.max()) + 1)]
        if counts is None:
            centres = np.stack([rows[own].mean(axis=0) for own in members])
            spread = float(np.mean(np.square(rows - centres[labels])))
        else:
            centres = np.stack(
                [counts[own] @ rows[own] / counts[own].sum() for own in members]
            )
            errors = np.mean(np.square(rows - centres[labels]), axis=1)
            spread = float(counts @ errors / counts.sum())
        return cls(centres, spread, eigenvalues, diffusion_time)

    def only(self, clusters: IntArray, eigenvalues: FloatArray) -> NearestCentre:
        """Keep some of the clusters.

        Parameters
        ----------
        clusters : ndarray of shape (n_kept,), int64
            Those that stay, in the order of their labels.
        eigenvalues : ndarray of shape (n_components,)
            Eigenvalues of the functions.

        Returns
        -------
        discretizer : NearestCentre
            With the other centres left out.
        """
        kept = self.centres.numpy()[clusters]
        return NearestCentre(kept, self.spread, eigenvalues, self.diffusion_time)

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
