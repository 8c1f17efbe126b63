"""Measures of a clustering: agreement with classes, and quality on a graph."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from neuraleig._typing import FloatArray, IntArray, Matrix

__all__ = [
    "clustering_accuracy",
    "modularity",
    "normalized_cut",
    "retained_information",
    "trace_ratio",
]


def clustering_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Share of correct labels under the best one-to-one map of clusters to classes.

    Parameters
    ----------
    labels_true, labels_pred : array-like of shape (n_samples,)
        Classes and clusters; any hashable labels.

    Returns
    -------
    accuracy : float
        From 0 to 1. Rows in clusters without a class of their own count as wrong.

    Raises
    ------
    ValueError
        If there are no rows, or more labels of one kind than of the other.

    References
    ----------
    .. [1] H. W. Kuhn, "The Hungarian method for the assignment problem", Naval
       Research Logistics Quarterly, 1955.

    Examples
    --------
    >>> from neuraleig.metrics import clustering_accuracy
    >>> clustering_accuracy([0, 0, 1, 1], [1, 1, 0, 2])
    0.75
    """
    classes = _numbered(labels_true, "labels_true")
    clusters = _numbered(labels_pred, "labels_pred")
    if classes.size != clusters.size:
        raise ValueError(
            f"labels_pred has {clusters.size} labels and labels_true {classes.size}; "
            "pass one of each per row."
        )
    if classes.size == 0:
        raise ValueError("labels_true is empty; pass at least one row.")
    shape = (int(classes.max()) + 1, int(clusters.max()) + 1)
    pairs = classes * shape[1] + clusters
    table = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def _numbered(labels: ArrayLike, name: str) -> IntArray:
    """Number any labels from 0."""
    if hasattr(labels, "__array__"):
        array = np.asarray(labels)
        if array.ndim != 1:
            raise ValueError(
                f"{name} has shape {array.shape}; it must have one dimension."
            )
        if array.dtype.kind != "O":
            return np.unique(array, return_inverse=True)[1].astype(np.int64)
        labels = array
    numbers: dict[object, int] = {}
    found = [numbers.setdefault(label, len(numbers)) for label in labels]  # type: ignore[union-attr]
    return np.array(found, dtype=np.int64)


def cluster_transitions(
    weights: Matrix, labels: ArrayLike, *, n_steps: int = 1, uniform: float = 0.0
) -> FloatArray:
    """Probability that a stationary random walk starts in one cluster, ends in another.

    Parameters as for :func:`retained_information`; the result has the shape
    (n_clusters, n_clusters).
    """
    # Without a copy of a CSR array.
    weights = sp.csr_array(weights)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(
            f"weights has shape {weights.shape}; it must be (n_nodes, n_nodes)."
        )
    if n_steps < 0:
        raise ValueError(f"n_steps={n_steps!r} must be at least 0.")
    labels = _checked_labels(labels, weights.shape[0])
    n_nodes, n_clusters = labels.size, int(labels.max()) + 1
    degrees = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
    degrees = degrees + uniform * n_nodes
    if n_steps == 1 and uniform == 0.0 and np.all(degrees > 0):
        return _edge_transitions(weights, labels, n_clusters)
    # A walk stays at a node without edges.
    alone = degrees <= 0
    members = np.zeros((n_nodes, n_clusters))
    members[np.arange(n_nodes), labels] = 1.0
    walkers = members
    for _ in range(n_steps):
        moved = weights @ walkers + uniform * walkers.sum(axis=0)
        walkers = np.where(
            alone[:, None], walkers, moved / np.where(alone, 1, degrees)[:, None]
        )
    total = degrees.sum()
    stationary = degrees / total if total > 0 else np.full(n_nodes, 1 / n_nodes)
    return np.asarray(members.T @ (stationary[:, None] * walkers))


def _edge_transitions(
    weights: sp.csr_array, labels: IntArray, n_clusters: int
) -> FloatArray:
    """Share of the weight between each pair of clusters."""
    sources = np.repeat(labels, np.diff(weights.indptr))
    pairs = sources * n_clusters + labels[weights.indices]
    sums = np.bincount(pairs, weights=weights.data, minlength=n_clusters**2)
    return np.asarray(sums.reshape(n_clusters, n_clusters) / weights.data.sum())


def _checked_labels(labels: ArrayLike, n_nodes: int) -> IntArray:
    """Check that labels are one integer per node, from 0."""
    array = np.asarray(labels)
    if n_nodes == 0:
        raise ValueError("weights has no nodes; pass at least one.")
    if array.shape != (n_nodes,):
        raise ValueError(
            f"labels has shape {array.shape}; it must be ({n_nodes},), one label per "
            "node of weights."
        )
    if array.dtype.kind not in "iu":
        raise ValueError(
            f"labels is of type {array.dtype}; it must hold integers: number the "
            "clusters by np.unique(labels, return_inverse=True)[1]."
        )
    if array.min() < 0:
        raise ValueError(
            f"labels has a minimum of {array.min()}; clusters are numbered from 0: "
            "remove nodes without a cluster, or put them into a cluster of their own."
        )
    return array.astype(np.int64)


def retained_information(
    weights: Matrix, labels: ArrayLike, *, n_steps: int = 5, uniform: float = 0.0
) -> float:
    r"""Information that a random walk keeps about the cluster it started in.

    .. math:: I = \sum_{rs} J_{rs} \log \frac{J_{rs}}{q_r q_s}

    where :math:`J_{rs}` is the probability that a stationary walk starts in cluster
    :math:`r` and ends in :math:`s`, and :math:`q` its marginal. It is high if walks
    stay in their cluster for ``n_steps`` steps and, unlike in the normalised cut, no
    cluster has nearly all nodes.

    Parameters
    ----------
    weights : sparse or array-like of shape (n_nodes, n_nodes)
        Symmetric non-negative affinity.
    labels : array-like of shape (n_nodes,)
        Cluster of each node, an integer from 0.
    n_steps : int, default=5
        Length of the walk.
    uniform : float, default=0.0
        Weight that is added to every pair of nodes.

    Returns
    -------
    information : float
        In nats, from 0 to the entropy of the cluster sizes.

    Raises
    ------
    ValueError
        If ``weights`` is not square, or ``labels`` is not one integer from 0 per node,
        or ``n_steps`` is negative.

    References
    ----------
    .. [1] M. Faccin, M. T. Schaub and J.-C. Delvenne, "State aggregations in Markov
       chains and block models of networks", Physical Review Letters, 2021.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from neuraleig.metrics import retained_information
    >>> two_pairs = sp.csr_array(np.kron(np.eye(2), [[0.0, 1.0], [1.0, 0.0]]))
    >>> kept = retained_information(two_pairs, np.array([0, 0, 1, 1]))
    >>> bool(np.isclose(kept, np.log(2)))
    True
    """
    joint = cluster_transitions(weights, labels, n_steps=n_steps, uniform=uniform)
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    terms = joint[seen] * np.log(joint[seen] / independent[seen])
    # Where nothing is retained, what is left is rounding.
    return max(float(np.sum(terms)), 0.0)


def normalized_cut(
    weights: Matrix, labels: ArrayLike, *, uniform: float = 0.0
) -> float:
    r"""Share of its volume that leaves a cluster, summed over clusters.

    .. math:: \mathrm{Ncut} = k - \sum_c \mathrm{assoc}(c, c) / \mathrm{vol}(c)

    Parameters
    ----------
    weights : sparse or array-like of shape (n_nodes, n_nodes)
        Symmetric non-negative affinity.
    labels : array-like of shape (n_nodes,)
        Cluster of each node, an integer from 0.
    uniform : float, default=0.0
        Weight that is added to every pair of nodes.

    Returns
    -------
    cut : float
        From 0 (no edge between clusters) to the number of clusters. An empty cluster
        adds nothing.

    Raises
    ------
    ValueError
        If ``weights`` is not square, or ``labels`` is not one integer from 0 per node.

    References
    ----------
    .. [1] J. Shi and J. Malik, "Normalized cuts and image segmentation", IEEE
       Transactions on Pattern Analysis and Machine Intelligence, 2000.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from neuraleig.metrics import normalized_cut
    >>> chain = sp.csr_array(np.diag([1.0, 1.0, 1.0], 1) + np.diag([1.0] * 3, -1))
    >>> round(normalized_cut(chain, np.array([0, 0, 1, 1])), 4)
    0.6667
    """
    return cut_of_transitions(cluster_transitions(weights, labels, uniform=uniform))


def cut_of_transitions(transitions: FloatArray) -> float:
    """Normalised cut from the transitions of one step."""
    volume = transitions.sum(axis=1)
    occupied = volume > 0
    kept = np.diag(transitions)[occupied] / volume[occupied]
    return float(occupied.sum() - kept.sum())


def modularity(weights: Matrix, labels: ArrayLike, *, uniform: float = 0.0) -> float:
    """Share of the weight inside clusters, minus what it would be by volumes alone.

    Parameters
    ----------
    weights : sparse or array-like of shape (n_nodes, n_nodes)
        Symmetric non-negative affinity.
    labels : array-like of shape (n_nodes,)
        Cluster of each node, an integer from 0.
    uniform : float, default=0.0
        Weight that is added to every pair of nodes.

    Returns
    -------
    modularity : float
        At most 1, and 0 for a single cluster. Values for different numbers of clusters
        can be compared.

    Raises
    ------
    ValueError
        If ``weights`` is not square, or ``labels`` is not one integer from 0 per node.

    References
    ----------
    .. [1] M. E. J. Newman, "Modularity and community structure in networks", PNAS,
       2006.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from neuraleig.metrics import modularity
    >>> two_pairs = sp.csr_array(np.kron(np.eye(2), [[0.0, 1.0], [1.0, 0.0]]))
    >>> modularity(two_pairs, np.array([0, 0, 1, 1]))
    0.5
    """
    transitions = cluster_transitions(weights, labels, uniform=uniform)
    return modularity_of_transitions(transitions)


def modularity_of_transitions(transitions: FloatArray) -> float:
    """Modularity from the transitions of one step."""
    volume = transitions.sum(axis=1)
    return float(np.trace(transitions) - np.sum(volume**2))


def trace_ratio(eigenvalues: ArrayLike, exact_eigenvalues: ArrayLike) -> float:
    """Sum of Ritz values divided by the sum of exact leading eigenvalues.

    Parameters
    ----------
    eigenvalues, exact_eigenvalues : array-like of shape (n_components,)
        Eigenvalues of the normalised affinity.

    Returns
    -------
    ratio : float
        1 if the subspace is exact, and below 1 otherwise (Ky Fan's inequality).

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> from neuraleig.metrics import trace_ratio
    >>> trace_ratio([1.0, 0.5], [1.0, 1.0])
    0.75
    """
    found, exact = np.asarray(eigenvalues), np.asarray(exact_eigenvalues)
    if found.shape != exact.shape:
        raise ValueError(
            f"eigenvalues has shape {found.shape} but exact_eigenvalues {exact.shape}; "
            "pass as many of each: exact_eigenvalues[:len(eigenvalues)]."
        )
    return float(np.sum(found) / np.sum(exact))
