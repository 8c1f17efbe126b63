"""From the estimators' parameters to an affinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import scipy.sparse as sp
import torch

from neuraleig.affinity._base import Affinity
from neuraleig.affinity._graph import (
    EdgeWeights,
    NeighborAffinity,
    PrecomputedAffinity,
    neighbor_graph,
    neighbors_of_matrix,
)
from neuraleig.affinity._kernel import CallableAffinity, CosineAffinity, RBFAffinity
from neuraleig.affinity._neighbors import NeighborBackend

AFFINITIES = (
    "nearest_neighbors",
    "rbf",
    "cosine",
    "precomputed",
    "precomputed_nearest_neighbors",
)
PRECOMPUTED = ("precomputed", "precomputed_nearest_neighbors")


def make_affinity(
    affinity: str | Callable[..., Any],
    *,
    matrix: sp.csr_array | None = None,
    n_neighbors: int = 10,
    metric: str = "euclidean",
    edge_weights: EdgeWeights = "self_tuning",
    gamma: float | None = None,
    regularization: float = 0.0,
    n_jobs: int | None = None,
    backend: NeighborBackend = "auto",
    device: torch.device | None = None,
    approximate: bool | None = None,
) -> Affinity:
    """Make the affinity that the estimators' parameters describe.

    Parameters
    ----------
    affinity : str or callable
        One of ``AFFINITIES``, or a kernel function, see :class:`CallableAffinity`.
    matrix : csr_array or None
        Affinity or distances of the precomputed kinds.
    n_neighbors, metric, edge_weights, gamma, regularization, n_jobs
        As in :class:`neuraleig.NeuralEigenSpectralClustering`.
    backend, device, approximate
        As in :func:`nearest_neighbors`; ``affinity="nearest_neighbors"`` reads them.

    Returns
    -------
    affinity : Affinity
        Not yet built.
    """
    if callable(affinity):
        return CallableAffinity(affinity, regularization)
    if affinity == "rbf":
        return RBFAffinity(gamma, regularization)
    if affinity == "cosine":
        return CosineAffinity(regularization)
    if affinity == "nearest_neighbors":
        return NeighborAffinity(
            n_neighbors,
            metric,
            edge_weights,
            regularization,
            n_jobs,
            backend=backend,
            device=device,
            approximate=approximate,
        )
    return _precomputed(affinity, matrix, n_neighbors, edge_weights, regularization)


def _precomputed(
    affinity: str,
    matrix: sp.csr_array | None,
    n_neighbors: int,
    edge_weights: EdgeWeights,
    regularization: float,
) -> PrecomputedAffinity:
    if matrix is None:
        raise ValueError(
            f"affinity={affinity!r} needs the matrix: pass affinity_matrix=... (of "
            "these rows)."
        )
    if affinity == "precomputed_nearest_neighbors":
        found = neighbors_of_matrix(matrix, n_neighbors)
        matrix = neighbor_graph(*found, edge_weights)
    return PrecomputedAffinity(matrix, regularization)
