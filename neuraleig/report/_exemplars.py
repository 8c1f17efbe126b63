"""Which rows stand for their cluster, and which are in doubt."""

from __future__ import annotations

import numpy as np

from neuraleig._typing import FloatArray, IntArray
from neuraleig.report._moments import FeatureMoments
from neuraleig.report._row_summary import InspectedRows


def typical_rows(
    inspected: InspectedRows, moments: FeatureMoments, cluster: int, n_rows: int
) -> IntArray:
    """Rows of a cluster that are nearest to its mean, among its surer half.

    Probabilities alone would not do: those of well separated clusters are all but 1,
    and which is the largest is a matter of rounding.

    Parameters
    ----------
    inspected : InspectedRows
        Rows to choose from.
    moments : FeatureMoments
        Of all rows; distances are in their deviations.
    cluster : int
        Which cluster.
    n_rows : int
        How many to take, at most.

    Returns
    -------
    positions : ndarray of int
        Among ``inspected``, the nearest first.
    """
    members = np.flatnonzero(inspected.labels == cluster)
    if members.size == 0:
        return members
    confidences = inspected.confidences[members]
    sure = members[confidences >= np.median(confidences)]
    distances = _distances(
        inspected.rows[sure], moments.cluster_means[cluster], moments.deviations
    )
    found: IntArray = sure[np.argsort(distances, kind="stable")[:n_rows]]
    return found


def doubtful_rows(inspected: InspectedRows, n_rows: int) -> IntArray:
    """Rows whose largest probability is the smallest.

    Parameters
    ----------
    inspected : InspectedRows
        Rows to choose from.
    n_rows : int
        How many to take, at most.

    Returns
    -------
    positions : ndarray of int
        Among ``inspected``, the least probable first.
    """
    return np.argsort(inspected.confidences, kind="stable")[:n_rows]


def runner_up(probabilities: FloatArray) -> int | None:
    """Second most probable cluster of one row; ``None`` where there is but one."""
    if probabilities.size < 2:
        return None
    return int(np.argsort(-probabilities, kind="stable")[1])


def _distances(
    rows: FloatArray, center: FloatArray, deviations: FloatArray
) -> FloatArray:
    varies = deviations > 0
    scaled = (rows[:, varies] - center[varies]) / deviations[varies]
    distances: FloatArray = np.einsum("ij,ij->i", scaled, scaled)
    return distances
