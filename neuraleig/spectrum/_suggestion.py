"""How many clusters the eigenvalues suggest."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# Decay rates that the residuals of solvers, and float32, cannot tell from 0.
RATE_TOLERANCE = 1e-6
# What decays faster is gone after one step: how much faster says nothing of clusters.
MIN_EIGENVALUE = 1e-3


def suggest_n_clusters(eigenvalues: ArrayLike) -> int:
    r"""Number of clusters at which eigenvalues have their largest gap at any scale.

    The gap is looked for among :math:`\lambda^t` at every time :math:`t`: its largest
    value after the k-th eigenvalue grows with
    :math:`\log \lambda_{k+1} / \log \lambda_k` alone.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_components,)
        Descending eigenvalues of the normalised affinity, the first being 1.

    Returns
    -------
    n_clusters : int
        At least 2 and below ``n_components``; 1 where that leaves no choice. A single
        cluster cannot be told from the eigenvalues.

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
    # Rates below this are those of separate components; negative values forget at once.
    rates = -np.log(np.clip(values[1:], MIN_EIGENVALUE, 1.0))
    rates = np.maximum(rates, RATE_TOLERANCE)
    return int(np.argmax(rates[1:] / rates[:-1])) + 2
