"""Rayleigh-Ritz: the best eigenfunctions in the span of given functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from neuraleig._typing import FloatArray

# Directions of the learned functions whose variance is below this share of the
# largest are noise of float32.
RANK_TOLERANCE = 1e-7


@dataclass(frozen=True)
class RitzPairs:
    """Eigenvalues, and the rotation that makes functions eigenfunctions.

    Parameters
    ----------
    eigenvalues : ndarray of shape (rank,)
        Ritz values, descending.
    rotation : ndarray of shape (n_functions, rank)
        ``functions @ rotation`` are ordered, and orthonormal under the degrees.
    """

    eigenvalues: FloatArray
    rotation: FloatArray


def rayleigh_ritz(mass: FloatArray, energy: FloatArray) -> RitzPairs:
    r"""Best eigenfunctions in the span of given functions.

    Solves :math:`N c = \lambda M c` for :math:`M = F^\top D F / \mathrm{vol}` and
    :math:`N = F^\top W F / \mathrm{vol}`, in float64, leaving out directions in
    which the functions do not vary.

    Parameters
    ----------
    mass, energy : ndarray of shape (n_functions, n_functions)
        ``M`` and ``N``, symmetric.

    Returns
    -------
    pairs : RitzPairs
        At most ``n_functions`` pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.spectrum import rayleigh_ritz
    >>> rayleigh_ritz(np.diag([4.0, 1.0]), np.diag([2.0, 0.9])).eigenvalues
    array([0.9, 0.5])
    """
    scale = np.sqrt(np.maximum(np.diag(mass), np.finfo(np.float64).tiny))
    mass = (mass + mass.T) / 2 / np.outer(scale, scale)
    energy = (energy + energy.T) / 2 / np.outer(scale, scale)
    variances, axes = scipy.linalg.eigh(mass)
    kept = variances > RANK_TOLERANCE * variances[-1]
    if variances[-1] <= np.finfo(np.float64).tiny:
        return RitzPairs(np.empty(0), np.empty((mass.shape[0], 0)))
    whitening = axes[:, kept] / np.sqrt(variances[kept])
    values, vectors = scipy.linalg.eigh(whitening.T @ energy @ whitening)
    rotation = (whitening @ vectors[:, ::-1]) / scale[:, None]
    return RitzPairs(np.minimum(values[::-1], 1.0), rotation * column_signs(rotation))


def column_signs(vectors: FloatArray) -> FloatArray:
    """Sign per column that makes its largest entry positive."""
    largest = np.abs(vectors).argmax(axis=0)[None]
    return np.where(np.take_along_axis(vectors, largest, axis=0)[0] < 0, -1.0, 1.0)
