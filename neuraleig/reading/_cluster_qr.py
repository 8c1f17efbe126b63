"""Labels by a rotation found from a pivoted QR factorisation."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from neuraleig._typing import Array, FloatArray
from neuraleig.reading._base import (
    DIFFUSION_TIME,
    Discretizer,
    diffused,
    diffused_rows,
    diffusion_weights,
    exact,
)


def cluster_qr_rotation(rows: FloatArray) -> FloatArray:
    """Rotation that aligns unit rows with the axes, one axis per cluster.

    Pivoted QR picks one row per cluster, as far from each other as can be; the
    rotation is the orthogonal matrix nearest to those rows. Nothing is drawn at
    random and nothing iterates.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_clusters)
        Leading eigenvectors by rows, at least ``n_clusters`` of them.

    Returns
    -------
    rotation : ndarray of shape (n_clusters, n_clusters)
        Orthogonal.

    References
    ----------
    .. [1] A. Damle, V. Minden and L. Ying, "Simple, direct and efficient multi-way
       spectral clustering", Information and Inference, 2019.
    """
    n_clusters = rows.shape[1]
    _, pivots = scipy.linalg.qr(rows.T, mode="r", pivoting=True)
    left, _, right = scipy.linalg.svd(rows[pivots[:n_clusters]].T)
    return np.asarray(left @ right)


class ClusterQR(Discretizer):
    """Cluster of the largest coordinate after a rotation.

    Parameters
    ----------
    rotation : ndarray of shape (n_used, n_clusters)
        Columns of an orthogonal matrix.
    eigenvalues : ndarray of shape (n_components,)
        Eigenvalues of the functions.
    diffusion_time : float, default=10.0
        See :func:`diffused_rows`.
    """

    rotation: Tensor
    weights: Tensor

    def __init__(
        self,
        rotation: FloatArray,
        eigenvalues: FloatArray,
        diffusion_time: float = DIFFUSION_TIME,
    ) -> None:
        super().__init__()
        weights = diffusion_weights(eigenvalues[: len(rotation)], diffusion_time)
        self.register_buffer("rotation", exact(rotation))
        self.register_buffer("weights", exact(weights))
        self.diffusion_time = diffusion_time

    @classmethod
    def fit(
        cls,
        functions: Array,
        eigenvalues: FloatArray,
        n_clusters: int,
        diffusion_time: float = DIFFUSION_TIME,
    ) -> ClusterQR:
        """Find the rotation of some rows, and keep the clusters that they use.

        Parameters
        ----------
        functions : ndarray of shape (n_samples, n_components)
            Eigenfunctions at the training rows, the constant one first.
        eigenvalues : ndarray of shape (n_components,)
            Their eigenvalues.
        n_clusters : int
            Most clusters.
        diffusion_time : float, default=10.0
            See :func:`diffused_rows`.

        Returns
        -------
        discretizer : ClusterQR
            Of at most ``min(n_clusters, n_components, n_samples)`` clusters.
        """
        n_used = min(n_clusters, eigenvalues.size, functions.shape[0])
        rows = diffused_rows(
            functions[:, :n_used], eigenvalues[:n_used], diffusion_time
        )
        rotation = cluster_qr_rotation(rows)
        used = np.unique(np.abs(rows @ rotation).argmax(axis=1))
        return cls(rotation[:, used], eigenvalues, diffusion_time)

    @property
    def n_clusters(self) -> int:
        """Number of clusters that rows can get."""
        return int(self.rotation.shape[1])

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Squared coordinates of the unit row, over their sum.

        See :meth:`Discretizer.forward`.
        """
        rows = diffused(functions, self.weights)
        # Function by function: matrix products round a row by its company.
        coordinates = rows[:, :1] * self.rotation[0]
        for j in range(1, len(self.rotation)):
            coordinates = coordinates + rows[:, j : j + 1] * self.rotation[j]
        squared = coordinates.square()
        total = squared.sum(dim=1, keepdim=True)
        shares = squared / torch.where(total > 0, total, 1.0)
        return torch.where(total > 0, shares, 1.0 / self.rotation.shape[1])
