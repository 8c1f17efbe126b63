"""Labels by the nearest of a few centres of unit rows."""

from __future__ import annotations

import numpy as np

from neuraleig._typing import Array, FloatArray
from neuraleig.reading._base import diffused_rows, softmax


class NearestCentre:
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

    needs_functions = True

    def __init__(
        self,
        centres: FloatArray,
        spread: float,
        eigenvalues: FloatArray,
        diffusion_time: float,
    ) -> None:
        self.centres = centres
        self.spread = spread
        self.eigenvalues = eigenvalues
        self.diffusion_time = diffusion_time

    def probabilities(self, functions: Array, logits: Array) -> FloatArray:
        """Posterior of equal round Gaussians at the centres.

        See :meth:`Discretizer.probabilities`.
        """
        n_used = self.centres.shape[1]
        rows = diffused_rows(
            functions[:, :n_used], self.eigenvalues[:n_used], self.diffusion_time
        )
        # One centre at a time: no (n_samples, n_clusters, n_used) array.
        squared = np.stack(
            [np.square(rows - centre).sum(axis=1) for centre in self.centres], axis=1
        )
        return softmax(-squared / (2 * max(self.spread, np.finfo(np.float64).eps)))
