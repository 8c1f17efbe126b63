"""Clusters that keep the numbers of a former model."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from neuraleig._typing import IntArray
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


def order_of_former(former: IntArray, labels: IntArray) -> IntArray:
    """Order of clusters in which they keep the numbers that their rows had.

    Parameters
    ----------
    former, labels : ndarray of shape (n_samples,), int64
        Labels of the same rows before and now, from 0.

    Returns
    -------
    order : ndarray of shape (n_clusters,), int64
        Clusters of ``labels``, by the former number with which they share most rows
        under the best one-to-one map.
    """
    size = max(former.max(), labels.max()) + 1
    shared = np.zeros((size, size))
    np.add.at(shared, (former, labels), 1)
    _, now = linear_sum_assignment(shared, maximize=True)
    return np.asarray(now[now <= labels.max()], dtype=np.int64)


def numbered_by_first(labels: IntArray) -> IntArray:
    """Number clusters in the order of their first rows, so that equal ones compare.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
        Labels of any numbers.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int64
        Of the same clusters, from 0.
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
