"""What turns eigenfunctions or scores into labels."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from neuraleig._device import ordinary_torch
from neuraleig._typing import Array, FloatArray, IntArray

# What is left, at least, of the first function after the constant one, whose weight is
# 1. Walks on graphs of clusters leave more; on dense kernels ten steps leave 1e-14.
# Not tuned: graphs of neighbours keep more, with leading eigenvalues above 0.9.
LEAST_WEIGHT = 0.3
# Steps of the random walk by which eigenfunctions are weighted.
# Chosen over the 21 sets of the ablation: 5 and 20 lose less than 0.001 of the mean
# held-out accuracy.
DIFFUSION_TIME = 10.0
# Rows that are labelled at once: what is computed of them stays in the cache.
SLICE_ROWS = 8_192
# Slices are filled up to a multiple of it: loops over numbers in float64 take 16 at
# once where processors have the widest vectors, and what is left one by one.
ROW_MULTIPLE = 16


class Discretizer(nn.Module, ABC):
    """A fitted map from what the network gives for a row to its label.

    It never looks at other rows, so a label is the same alone and in company.
    ``predict`` calls :meth:`probabilities`; exported models have the module itself.

    Attributes
    ----------
    needs_functions : bool
        Whether it looks at the functions; they may else have no columns.
    """

    needs_functions: bool = True

    @property
    @abstractmethod
    def n_clusters(self) -> int:
        """Number of clusters that rows can get."""

    @abstractmethod
    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Probability of every cluster; its largest entry is the label.

        Parameters
        ----------
        functions : Tensor of shape (n_samples, n_components)
            Eigenfunctions, the constant one first.
        logits : Tensor of shape (n_samples, n_scores)
            Scores of the label head.

        Returns
        -------
        probabilities : Tensor of shape (n_samples, n_clusters), float64
            Rows sum to 1. Sums are taken within rows, and no matrix products, which
            round a row by its company.
        """

    @ordinary_torch()
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
        with torch.inference_mode():
            found: Tensor = self(filled(functions), filled(logits))
        return found[: len(logits)].numpy()

    def labels(self, functions: Array, logits: Array) -> IntArray:
        """Most probable cluster of every row.

        Parameters
        ----------
        functions, logits : ndarray
            As for :meth:`probabilities`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            From 0.
        """
        labels = np.empty(len(logits), dtype=np.int64)
        for start in range(0, len(labels), SLICE_ROWS):
            part = slice(start, start + SLICE_ROWS)
            probabilities = self.probabilities(functions[part], logits[part])
            labels[part] = probabilities.argmax(axis=1)
        return labels


def diffusion_weights(
    eigenvalues: FloatArray, diffusion_time: float = DIFFUSION_TIME
) -> FloatArray:
    r"""Weights :math:`\lambda^t` of eigenfunctions.

    A walk is taken no further than until 0.3 is left of the first function after the
    constant one: beyond that, on dense kernels, all rows would be the same.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_used,)
        Eigenvalues, that of the constant function first.
    diffusion_time : float, default=10.0
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
    functions: Array, eigenvalues: FloatArray, diffusion_time: float = DIFFUSION_TIME
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
    diffusion_time : float, default=10.0
        Steps :math:`t` of the random walk, at most; see :func:`diffusion_weights`.

    Returns
    -------
    rows : ndarray of shape (n_samples, n_used)
        Unit rows.
    """
    weights = diffusion_weights(eigenvalues, diffusion_time)
    rows = exact(functions).numpy() * weights
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0))


def diffused(functions: Tensor, weights: Tensor) -> Tensor:
    """Rows of :func:`diffused_rows`, of as many leading functions as weights.

    Not to its last bit, which decides what :func:`cluster_qr_rotation` picks first.
    """
    rows = functions[:, : len(weights)].double() * weights
    norms = rows.square().sum(dim=1, keepdim=True).sqrt()
    return rows / torch.where(norms > 0, norms, 1.0)


def softmax(scores: Tensor) -> Tensor:
    """Exponentials of every row, scaled to sum to 1, in float64."""
    scores = scores.double()
    exponentials = (scores - scores.amax(dim=1, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=1, keepdim=True)


def filled(values: Array) -> Tensor:
    """Copy in float64, with the last row repeated up to a multiple of 16 rows.

    Exponentials of what fills no vector of the processor round otherwise, and a row
    would depend on its company.
    """
    # By numpy, which takes less time than torch for a single row.
    count = len(values)
    rows = np.empty((count + -count % ROW_MULTIPLE, *values.shape[1:]))
    rows[:count] = values
    rows[count:] = values[-1:]
    return torch.from_numpy(rows)


def exact(values: Array) -> Tensor:
    """Copy in float64, with rows side by side, as one row alone always is.

    Sums over rows that lie apart, such as of columns picked by number, round otherwise.
    """
    return torch.from_numpy(np.array(values, dtype=np.float64, order="C"))
