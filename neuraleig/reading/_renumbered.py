"""Clusters that keep the numbers of a former model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import IntArray
from neuraleig.reading._argmax import Argmax
from neuraleig.reading._base import Discretizer


class Renumbered(Discretizer):
    """A discretiser whose clusters have other numbers.

    Parameters
    ----------
    discretizer : Discretizer
        Labels rows.
    order : ndarray of shape (n_clusters,), int64
        Its cluster that comes first, second, ...
    """

    order: Tensor

    def __init__(self, discretizer: Discretizer, order: IntArray) -> None:
        super().__init__()
        self.discretizer = discretizer
        self.needs_functions = discretizer.needs_functions
        self.register_buffer("order", torch.tensor(order))

    @property
    def n_clusters(self) -> int:
        """Number of clusters that rows can get."""
        return len(self.order)

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Probabilities in the new order; see :meth:`Discretizer.forward`."""
        probabilities: Tensor = self.discretizer(functions, logits)
        return probabilities[:, self.order]


def renumbered(discretizer: Discretizer, order: IntArray) -> Discretizer:
    """Discretiser of the same clusters in another order.

    Parameters
    ----------
    discretizer : Discretizer
        Labels rows.
    order : ndarray of shape (n_clusters,), int64
        Cluster that comes first, second, ...

    Returns
    -------
    discretizer : Discretizer
        One of scores stays one of scores, which images are blended by.
    """
    if np.array_equal(order, np.arange(order.size)):
        return discretizer
    if isinstance(discretizer, Argmax):
        return Argmax(discretizer.clusters.numpy()[order])
    return Renumbered(discretizer, order)


def numbered_by_first(labels: IntArray) -> IntArray:
    """Number clusters in the order of their first rows, so that equal ones compare.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
        Labels, from 0.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int64
        Of the same clusters, from 0.
    """
    last = labels.size
    first = np.full(labels.max() + 1, last)
    # Of several rows of a label, the one that is assigned last remains.
    first[labels[::-1]] = np.arange(last - 1, -1, -1)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return rank[labels]
