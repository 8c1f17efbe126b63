"""Clusters by repeated splits of a graph along its eigenfunctions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Graph

# A piece of a smaller share of the volume is no cluster but a few near copies, which
# are cut off at less than what separates classes; nor is one of a smaller share of the
# mean cluster, where there are more than thirty.
# Chosen on pendigits (groups of 24 and 54 among 7,494 rows) and letter; clusters of 30
# among 1,030 rows are found.
LEAST_SHARE = 0.01
LEAST_OF_MEAN = 0.3
# Functions that a piece is split along: those that vary most within it.
# Not tuned: it bounds the time. All of them give the same cuts on the suite.
N_FUNCTIONS = 8


@dataclass(frozen=True)
class _Piece:
    """Some nodes, and their best split: what it adds to the cut, and one side."""

    nodes: IntArray
    added: float
    side: NDArray[np.bool_]


def least_share(n_clusters: int) -> float:
    """Share of the volume that a side of a split has at least."""
    return min(LEAST_SHARE, LEAST_OF_MEAN / n_clusters)


def split_clusters(graph: Graph, functions: Array, n_clusters: int) -> IntArray | None:
    """Clusters by the cheapest split, again and again.

    A split sorts the nodes of a piece by an eigenfunction and divides them where the
    normalised cut is least (the sweep of Shi and Malik [1]_). The piece and function
    whose split adds least to the normalised cut of all clusters come first. Unlike
    k-means on eigenfunctions, splits find a small cluster beside a large one, and draw
    nothing at random.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes.
    functions : ndarray of shape (n_nodes, n_components)
        Leading eigenfunctions, the constant one first.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    labels : ndarray of shape (n_nodes,), int64, or None
        Cluster of every node; ``None`` if no piece can be split so often into parts
        with one percent of the volume (less for more than thirty clusters).

    Notes
    -----
    Time O(n_edges) for each of 8 functions and each of 2 ``n_clusters`` pieces, of
    which most are small. Memory O(n_edges).

    References
    ----------
    .. [1] J. Shi and J. Malik, "Normalized cuts and image segmentation", IEEE
       Transactions on Pattern Analysis and Machine Intelligence, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from neuraleig.affinity import NeighborAffinity
    >>> from neuraleig.reading import split_clusters
    >>> from neuraleig.spectrum import graph_spectrum
    >>> X, y = make_blobs([500, 30], centers=[[0, 0], [7, 0]], random_state=0)
    >>> graph = NeighborAffinity().build(X, seed=0)
    >>> functions = graph_spectrum(graph.weights, 3).functions
    >>> sorted(np.bincount(split_clusters(graph, functions, 2)).tolist())
    [30, 500]
    """
    least = least_share(n_clusters) * float(graph.degrees.sum())
    values = functions[:, 1 : n_clusters + 1]
    everything = np.arange(graph.n_nodes, dtype=np.int64)
    pieces = [_split(graph, values, everything, least)]
    while len(pieces) < n_clusters:
        cheapest = pieces.pop(int(np.argmin([piece.added for piece in pieces])))
        if not np.isfinite(cheapest.added):
            return None
        for side in (cheapest.side, ~cheapest.side):
            pieces.append(_split(graph, values, cheapest.nodes[side], least))
    labels = np.empty(graph.n_nodes, dtype=np.int64)
    for number, piece in enumerate(pieces):
        labels[piece.nodes] = number
    return labels


def _split(graph: Graph, values: Array, nodes: IntArray, least: float) -> _Piece:
    """Best split of a piece into sides of at least some volume."""
    best = _Piece(nodes, np.inf, np.zeros(nodes.size, dtype=bool))
    degrees = graph.degrees[nodes]
    if degrees.sum() < max(2 * least, np.finfo(float).tiny) or nodes.size < 2:
        return best
    inner = graph.weights
    if nodes.size < graph.n_nodes:
        inner = sp.csr_array(inner[nodes][:, nodes])
    edges = sp.triu(inner, 1, format="coo")
    # What leaves the piece already.
    within = np.asarray(inner.sum(axis=1)).ravel() + graph.uniform * nodes.size
    leaving = np.maximum(degrees - within, 0.0)
    before = float(leaving.sum() / degrees.sum())
    table = values[nodes]
    variances = np.var(table, axis=0)
    for column in np.argsort(-variances, kind="stable")[:N_FUNCTIONS]:
        order = np.argsort(table[:, column], kind="stable")
        cuts = _sweep(edges, order, degrees, leaving, graph.uniform)
        volumes = np.cumsum(degrees[order])[:-1]
        fair = (volumes >= least) & (degrees.sum() - volumes >= least)
        fair &= np.diff(table[order, column]) > 0
        if not fair.any():
            continue
        place = int(np.where(fair, cuts, np.inf).argmin())
        if cuts[place] - before < best.added:
            side = np.zeros(nodes.size, dtype=bool)
            side[order[: place + 1]] = True
            best = _Piece(nodes, float(cuts[place]) - before, side)
    return best


def _sweep(
    edges: sp.coo_array,
    order: IntArray,
    degrees: FloatArray,
    leaving: FloatArray,
    uniform: float,
) -> FloatArray:
    """Normalised cut of both sides, for every threshold along an order of the nodes."""
    n_nodes = order.size
    rank = np.empty(n_nodes, dtype=np.int64)
    rank[order] = np.arange(n_nodes)
    ends = np.sort(np.stack([rank[edges.row], rank[edges.col]]), axis=0)
    # An edge is cut from its first end on, until its second.
    crossing = np.cumsum(
        np.bincount(ends[0], edges.data, minlength=n_nodes)
        - np.bincount(ends[1], edges.data, minlength=n_nodes)
    )[:-1]
    first = np.arange(1, n_nodes)
    crossing = crossing + uniform * first * (n_nodes - first)
    volume, outside = np.cumsum(degrees[order]), np.cumsum(leaving[order])
    near = (crossing + outside[:-1]) / np.maximum(volume[:-1], np.finfo(float).tiny)
    rest = np.maximum(volume[-1] - volume[:-1], np.finfo(float).tiny)
    return np.asarray(near + (crossing + outside[-1] - outside[:-1]) / rest)
