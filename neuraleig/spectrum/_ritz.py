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
    whitening = _whitening(mass)
    if whitening.shape[1] == 0:
        return RitzPairs(np.empty(0), whitening)
    values, vectors = scipy.linalg.eigh(whitening.T @ _symmetric(energy) @ whitening)
    rotation = whitening @ vectors[:, ::-1]
    return RitzPairs(np.minimum(values[::-1], 1.0), rotation * column_signs(rotation))


def nearest_to_known(
    mass: FloatArray, energy: FloatArray, overlap: FloatArray
) -> RitzPairs:
    r"""Orthonormal functions in the span of given ones that are nearest to known ones.

    Learned functions err. Where eigenvalues are closer to each other than that,
    Rayleigh-Ritz mixes them by what they err; the orthogonal Procrustes problem does
    not, and keeps the order of the known functions.

    Parameters
    ----------
    mass, energy : ndarray of shape (n_functions, n_functions)
        As for :func:`rayleigh_ritz`.
    overlap : ndarray of shape (n_functions, n_known)
        :math:`F^\top D V / \mathrm{vol}` with the exact eigenfunctions :math:`V`.

    Returns
    -------
    pairs : RitzPairs
        One per known function, in their order, which is that of their Rayleigh
        quotients but for errors. Those of :func:`rayleigh_ritz` where the functions
        span too little.

    References
    ----------
    .. [1] P. H. Schönemann, "A generalized solution of the orthogonal Procrustes
       problem", Psychometrika, 1966.
    """
    whitening = _whitening(mass)
    if whitening.shape[1] < overlap.shape[1]:
        return rayleigh_ritz(mass, energy)
    left, _, right = scipy.linalg.svd(whitening.T @ overlap, full_matrices=False)
    rotation = whitening @ (left @ right)
    values = np.einsum("ij,ik,kj->j", rotation, _symmetric(energy), rotation)
    return RitzPairs(np.minimum(values, 1.0), rotation)


def _symmetric(matrix: FloatArray) -> FloatArray:
    return (matrix + matrix.T) / 2


def _whitening(mass: FloatArray) -> FloatArray:
    """Map to orthonormal functions, of shape (n_functions, rank)."""
    # Functions of different units would drown each other.
    scale = np.sqrt(np.maximum(np.diag(mass), np.finfo(np.float64).tiny))
    variances, axes = scipy.linalg.eigh(_symmetric(mass) / np.outer(scale, scale))
    if variances[-1] <= np.finfo(np.float64).tiny:
        return np.empty((mass.shape[0], 0))
    kept = variances > RANK_TOLERANCE * variances[-1]
    return np.asarray(axes[:, kept] / np.sqrt(variances[kept]) / scale[:, None])


def column_signs(vectors: FloatArray) -> FloatArray:
    """Sign per column that makes its largest entry positive."""
    # Column by column: absolute values of all would be another block.
    largest = [column[np.abs(column).argmax()] for column in vectors.T]
    return np.where(np.asarray(largest) < 0, -1.0, 1.0)
