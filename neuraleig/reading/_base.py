"""What turns eigenfunctions or scores into labels."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from neuraleig._typing import Array, FloatArray

# What is left, at least, of the first function after the constant one, whose weight is
# 1. Walks on graphs of clusters leave more; on dense kernels ten steps leave 1e-14.
# Not tuned: graphs of neighbours keep more, with leading eigenvalues above 0.9.
LEAST_WEIGHT = 0.3


class Discretizer(Protocol):
    """A fitted map from what the network gives for a row to its label.

    It never looks at other rows, so a label is the same alone and in company.

    Attributes
    ----------
    needs_functions : bool
        Whether it looks at the functions; they may else have no columns.
    """

    @property
    def needs_functions(self) -> bool:
        """Whether it looks at the functions; they may else have no columns."""
        ...

    def probabilities(self, functions: Array, logits: Array) -> FloatArray:
        """Probability of every cluster; its largest entry is the label.

        Parameters
        ----------
        functions : ndarray of shape (n_samples, n_components)
            Eigenfunctions, the constant one first.
        logits : ndarray of shape (n_samples, n_scores)
            Scores of the label head.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_clusters)
            Rows sum to 1.
        """
        ...


def diffusion_weights(eigenvalues: FloatArray, diffusion_time: float) -> FloatArray:
    r"""Weights :math:`\lambda^t` of eigenfunctions.

    A walk is taken no further than until 0.3 is left of the first function after the
    constant one: beyond that, on dense kernels, all rows would be the same.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_used,)
        Eigenvalues, that of the constant function first.
    diffusion_time : float
        Steps :math:`t`, at most.

    Returns
    -------
    weights : ndarray of shape (n_used,)
        Between 0 and 1.
    """
    clipped = np.clip(eigenvalues, 0.0, 1.0)
    leading = clipped[1:].max(initial=0.0)
    if leading == 0.0:
        return np.ones_like(clipped)
    if leading < 1.0:
        diffusion_time = min(
            diffusion_time, float(np.log(LEAST_WEIGHT) / np.log(leading))
        )
    return np.asarray(clipped**diffusion_time)


def diffused_rows(
    functions: Array, eigenvalues: FloatArray, diffusion_time: float
) -> FloatArray:
    r"""Rows of eigenfunctions weighted by :math:`\lambda^t` and scaled to unit norm.

    The weights are those of a random walk of :math:`t` steps: what it forgets counts
    little. Unit norm takes out how far a row is from the centre of its cluster.

    Parameters
    ----------
    functions : ndarray of shape (n_samples, n_used)
        Leading eigenfunctions, the constant one first.
    eigenvalues : ndarray of shape (n_used,)
        Their eigenvalues.
    diffusion_time : float
        Steps :math:`t` of the random walk, at most; see :func:`diffusion_weights`.

    Returns
    -------
    rows : ndarray of shape (n_samples, n_used)
        Unit rows.
    """
    weights = diffusion_weights(eigenvalues, diffusion_time)
    rows = _by_rows(functions) * weights
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0))


def softmax(scores: Array) -> FloatArray:
    """Exponentials of every row, scaled to sum to 1, in float64."""
    scores = _by_rows(scores)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _by_rows(values: Array) -> FloatArray:
    """Float64 with rows side by side, as one row alone always is.

    Sums over rows that lie apart, such as of columns picked by number, round otherwise.
    """
    return np.ascontiguousarray(values, dtype=np.float64)
