"""Rayleigh-Ritz: the best eigenfunctions in the span of given functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from neuraleig._typing import FloatArray

# Directions of the functions with a smaller variance, relative to the largest, are
# noise of float32.
RANK_TOLERANCE = 1e-7


@dataclass(frozen=True)
class RitzPairs:
    """Ritz values, and the rotation from functions to eigenfunctions.

    Parameters
    ----------
    eigenvalues : ndarray of shape (rank,)
        Descending Ritz values.
    rotation : ndarray of shape (n_functions, rank)
        The columns of ``functions @ rotation`` are the eigenfunctions, orthonormal
        under the degrees.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.spectrum import rayleigh_ritz
    >>> rayleigh_ritz(np.diag([4.0, 1.0]), np.diag([2.0, 0.9])).rotation.round(2)
    array([[0. , 0.5],
           [1. , 0. ]])
    """

    eigenvalues: FloatArray
    rotation: FloatArray


def rayleigh_ritz(mass: FloatArray, energy: FloatArray) -> RitzPairs:
    r"""Best approximation of eigenfunctions in the span of functions.

    Solves :math:`N c = \lambda M c` in float64, without directions in which the
    functions do not vary. For functions :math:`F`, of shape (n_nodes, n_functions),
    :math:`M = F^\top D F / \mathrm{vol}` and :math:`N = F^\top W F / \mathrm{vol}`.

    Parameters
    ----------
    mass, energy : ndarray of shape (n_functions, n_functions)
        The symmetric matrices :math:`M` and :math:`N`.

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
    r"""Orthonormal functions in a span that are nearest to exact eigenfunctions.

    Rayleigh-Ritz mixes functions whose eigenvalues differ by less than the error of
    the functions. The orthogonal Procrustes problem does not, and keeps the order of
    the exact eigenfunctions.

    Parameters
    ----------
    mass, energy : ndarray of shape (n_functions, n_functions)
        As for :func:`rayleigh_ritz`.
    overlap : ndarray of shape (n_functions, n_known)
        :math:`F^\top D V / \mathrm{vol}` with the exact eigenfunctions :math:`V`.

    Returns
    -------
    pairs : RitzPairs
        A pair per exact eigenfunction, in their order; the pairs of
        :func:`rayleigh_ritz` if the functions have a lower rank.

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
    # To unit variance: functions of a small unit would be below the tolerance.
    scale = np.sqrt(np.maximum(np.diag(mass), np.finfo(np.float64).tiny))
    variances, axes = scipy.linalg.eigh(_symmetric(mass) / np.outer(scale, scale))
    if variances[-1] <= np.finfo(np.float64).tiny:
        return np.empty((mass.shape[0], 0))
    kept = variances > RANK_TOLERANCE * variances[-1]
    return np.asarray(axes[:, kept] / np.sqrt(variances[kept]) / scale[:, None])


def column_signs(vectors: FloatArray) -> FloatArray:
    """Sign of the entry with the largest absolute value in each column."""
    # Column by column: less memory.
    largest = [column[np.abs(column).argmax()] for column in vectors.T]
    return np.where(np.asarray(largest) < 0, -1.0, 1.0)
