"""Number of clusters, from eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# Decay rates below this are 0 up to the residuals of solvers and float32.
RATE_TOLERANCE = 1e-6
# Smaller eigenvalues are equal: their functions vanish after one step.
MIN_EIGENVALUE = 1e-3


def suggest_n_clusters(eigenvalues: ArrayLike) -> int:
    r"""Number of eigenvalues before the largest gap at any scale.

    The gap is the largest difference between consecutive :math:`\lambda^t` over all
    times :math:`t`. After the k-th eigenvalue it is an increasing function of
    :math:`\log \lambda_{k+1} / \log \lambda_k`.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_components,)
        Descending eigenvalues of the normalised affinity; the first is 1.

    Returns
    -------
    n_clusters : int
        From 2 to ``n_components - 1``; 1 for fewer than three eigenvalues. A single
        cluster cannot be recognised by its eigenvalues.

    References
    ----------
    .. [1] A. Azran and Z. Ghahramani, "Spectral methods for automatic multiscale data
       clustering", CVPR 2006.

    Examples
    --------
    >>> from neuraleig.spectrum import suggest_n_clusters
    >>> suggest_n_clusters([1.0, 0.99, 0.98, 0.7, 0.6])
    3
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.size < 3:
        return 1
    rates = -np.log(np.clip(values[1:], MIN_EIGENVALUE, 1.0))
    rates = np.maximum(rates, RATE_TOLERANCE)
    return int(np.argmax(rates[1:] / rates[:-1])) + 2
