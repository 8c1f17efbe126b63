"""Discretiser of a fit."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig._warnings import warn_user
from neuraleig.affinity import Graph
from neuraleig.reading._argmax import Argmax
from neuraleig.reading._base import Discretizer
from neuraleig.reading._cluster_qr import ClusterQR
from neuraleig.reading._nearest_centre import NearestCentre
from neuraleig.reading._read_clusters import read_clusters

# Labels by the scores of the label head.
BY_HEAD = ("argmax", "kmeans_hidden")


def fit_discretizer(
    assign_labels: str,
    graph: Graph,
    eigenvalues: FloatArray,
    functions: Array,
    logits: Array,
    *,
    n_clusters: int,
    seed: int,
) -> Discretizer:
    """Fit the discretiser that ``assign_labels`` names.

    Parameters
    ----------
    assign_labels : {"argmax", "kmeans", "cluster_qr", "kmeans_hidden"}
        Its name. The label head stands for the clusters of ``"kmeans_hidden"`` too.
    graph : Graph
        Its nodes are rows of ``functions``.
    eigenvalues : ndarray of shape (n_components,)
        Eigenvalues of the functions.
    functions : ndarray of shape (n_samples, n_components)
        Eigenfunctions at the training rows.
    logits : ndarray of shape (n_samples, n_clusters)
        Scores of the label head there.
    n_clusters : int
        Number of clusters asked for.
    seed : int
        Seed of k-means.

    Returns
    -------
    discretizer : Discretizer
        A map of single rows.
    """
    if assign_labels in BY_HEAD:
        return Argmax.from_scores(logits)
    at_nodes = functions[graph.index]
    n_clusters = min(n_clusters, graph.n_nodes)
    if assign_labels == "cluster_qr":
        return ClusterQR.fit(at_nodes, eigenvalues, n_clusters)
    reading = read_clusters(
        at_nodes,
        eigenvalues,
        n_clusters,
        graph,
        seed=seed,
    )
    reader = partial(
        NearestCentre,
        spread=reading.spread,
        eigenvalues=eigenvalues,
    )
    # Labels were refined on the graph: a centre need not be the nearest of any row.
    used = np.unique(reader(reading.centres).labels(functions, logits))
    return reader(reading.centres[used])


def warn_of_dead_clusters(labels: IntArray, n_clusters: int) -> None:
    """Say so where fewer clusters than asked for have rows."""
    n_found = int(labels.max()) + 1
    if n_found < n_clusters:
        warn_user(
            f"Only {n_found} of n_clusters={n_clusters} clusters have rows; lower "
            "n_clusters, or try another random_state.",
            ConvergenceWarning,
        )
