"""Agreement among readings of a graph: what is known of labels without classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment

from neuraleig._typing import FloatArray, IntArray

# A reading that cuts as much again as the cheapest one has this log weight less: it is
# evidence of doubt only where it is nearly as good.
# Chosen by the calibration error of the sets that the benchmark of confidence calls
# chosen, two seeds: 3 to 8 are within 0.005. Readings that weigh alike misjudge their
# accuracy by 0.13 in the mean, those weighed by 0.04.
SHARPNESS = 4.0
# Cuts that differ by less are equal.
ROUNDING = 1e-9


def reading_agreement(
    labels: IntArray, readings: Sequence[IntArray], cuts: Sequence[float]
) -> FloatArray:
    r"""Share of readings that give a node the same cluster.

    Clusters of a reading are numbered by the best one-to-one map to those of
    ``labels``. With the least cut :math:`m`, a reading of cut :math:`c` weighs
    :math:`\exp(-4 (c / m - 1))`: many poor readings do not make labels doubtful.

    Parameters
    ----------
    labels : ndarray of shape (n_nodes,), int64
        Labels in question, from 0.
    readings : sequence of ndarray of shape (n_nodes,)
        Labels of other readings, from 0.
    cuts : sequence of float
        Normalised cut of each of them.

    Returns
    -------
    agreement : ndarray of shape (n_nodes,)
        Between 0 and 1; 1 where there is no reading.

    Notes
    -----
    Time O(n_nodes + n_clusters^3) and memory O(n_clusters^2) per reading.
    """
    if not readings:
        return np.ones(len(labels))
    cut = np.asarray(cuts) + ROUNDING
    weights = np.exp(-SHARPNESS * (cut / cut.min() - 1))
    total = np.zeros(len(labels))
    for weight, reading in zip(weights, readings, strict=True):
        total += weight * (matched_labels(labels, reading) == labels)
    return np.asarray(total / weights.sum())


def matched_labels(labels: IntArray, others: IntArray) -> IntArray:
    """Labels whose numbers follow other labels of the same nodes.

    Parameters
    ----------
    labels : ndarray of shape (n_nodes,), int64
        Labels whose numbers are taken, from 0.
    others : ndarray of shape (n_nodes,)
        Labels to be renumbered, from 0.

    Returns
    -------
    matched : ndarray of shape (n_nodes,), int64
        ``others`` under the one-to-one map that shares most nodes with ``labels``;
        -1 for clusters beyond those of ``labels``.
    """
    size = int(max(labels.max(), others.max())) + 1
    shared = np.bincount(others.astype(np.int64) * size + labels, minlength=size**2)
    _, numbers = linear_sum_assignment(shared.reshape(size, size), maximize=True)
    numbers = np.where(numbers > labels.max(), -1, numbers)
    return np.asarray(numbers[others], dtype=np.int64)


def neighbor_agreement(weights: sp.csr_array, labels: IntArray) -> FloatArray:
    """Share of the weight of a node's edges that leads to its own cluster.

    Parameters
    ----------
    weights : csr_array of shape (n_nodes, n_nodes)
        Symmetric affinity.
    labels : ndarray of shape (n_nodes,), int64
        Labels, from 0.

    Returns
    -------
    agreement : ndarray of shape (n_nodes,)
        Between 0 and 1; 1 for nodes without edges.
    """
    sources = np.repeat(np.arange(len(labels)), np.diff(weights.indptr))
    same = labels[sources] == labels[weights.indices]
    # In float64, which sums over no edges at all are not.
    total = np.bincount(sources, weights.data, minlength=len(labels)).astype(float)
    own = np.bincount(sources[same], weights.data[same], minlength=len(labels))
    return np.asarray(np.divide(own, total, out=np.ones_like(total), where=total > 0))
