"""Clusters by repeated splits of a graph along its eigenfunctions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
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
    found = enumerate(nested_splits(graph, functions, n_clusters), 1)
    return next((labels for number, labels in found if number == n_clusters), None)


def nested_splits(graph: Graph, functions: Array, n_most: int) -> Iterator[IntArray]:
    """Labels of 1, 2, ... clusters by repeated splits, see :func:`split_clusters`.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes.
    functions : ndarray of shape (n_nodes, n_components)
        Leading eigenfunctions, the constant one first.
    n_most : int
        Largest number of clusters.

    Yields
    ------
    labels : ndarray of shape (n_nodes,), int64
        Of one cluster more than before, until nothing can be split.
    """
    splitter = Splitter(graph, functions, n_most)
    labels: IntArray | None = np.zeros(graph.n_nodes, dtype=np.int64)
    for _ in range(n_most):
        if labels is None:
            return
        yield labels
        labels = splitter.split(labels)


def least_volume(graph: Graph, n_clusters: int) -> float:
    """Volume below which a piece is no cluster.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    volume : float
        One percent of the volume of the graph, less for more than thirty clusters.
    """
    return least_share(n_clusters) * float(graph.degrees.sum())


class Splitter:
    """Cheapest splits of clusters, each of which is searched once.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes.
    functions : ndarray of shape (n_nodes, n_components)
        Leading eigenfunctions, the constant one first.
    n_most : int
        Largest number of clusters, by which parts have a least volume.
    n_functions : int, default=8
        Functions that a cluster is split along: those that vary most within it.
    """

    def __init__(
        self,
        graph: Graph,
        functions: Array,
        n_most: int,
        n_functions: int = N_FUNCTIONS,
    ) -> None:
        self._graph = graph
        self._n_functions = n_functions
        self._values = functions[:, 1 : n_most + 1]
        self._least = least_volume(graph, n_most)
        self._known: dict[bytes, _Piece] = {}

    def split(self, labels: IntArray) -> IntArray | None:
        """Divide the cluster whose split adds least to the normalised cut.

        Parameters
        ----------
        labels : ndarray of shape (n_nodes,), int64
            Labels from 0, every cluster with a node.

        Returns
        -------
        labels : ndarray of shape (n_nodes,), int64, or None
            With one cluster more; ``None`` if none can be split.
        """
        order = np.argsort(labels, kind="stable")
        ends = np.cumsum(np.bincount(labels))[:-1]
        pieces = [self._piece(nodes) for nodes in np.split(order, ends)]
        cheapest = min(pieces, key=lambda piece: piece.added)
        if not np.isfinite(cheapest.added):
            return None
        divided = labels.copy()
        divided[cheapest.nodes[cheapest.side]] = len(pieces)
        return divided

    def _piece(self, nodes: IntArray) -> _Piece:
        key = hashlib.blake2b(nodes.data, digest_size=16).digest()
        if key not in self._known:
            self._known[key] = _split(
                self._graph, self._values, nodes, self._least, self._n_functions
            )
        return self._known[key]


def _split(
    graph: Graph,
    values: Array,
    nodes: IntArray,
    least: float,
    n_functions: int = N_FUNCTIONS,
) -> _Piece:
    """Best split of a piece into sides of at least some volume."""
    best = _Piece(nodes, np.inf, np.zeros(nodes.size, dtype=bool))
    degrees = graph.degrees[nodes]
    if degrees.sum() < max(2 * least, np.finfo(float).tiny) or nodes.size < 2:
        return best
    edges, within = _edges_within(graph, nodes)
    # What leaves the piece already.
    leaving = np.maximum(degrees - within - graph.uniform * nodes.size, 0.0)
    before = float(leaving.sum() / degrees.sum())
    table = values[nodes]
    variances = np.var(table, axis=0)
    for column in np.argsort(-variances, kind="stable")[:n_functions]:
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


class _Edges(NamedTuple):
    """Edges within a piece: positions of their ends in it, and weights."""

    first: IntArray
    second: IntArray
    weights: FloatArray


def _edges_within(graph: Graph, nodes: IntArray) -> tuple[_Edges, FloatArray]:
    """Edges within a piece, and the weight of those of every node, loops included."""
    rows = graph.weights[nodes] if nodes.size < graph.n_nodes else graph.weights
    position = np.full(graph.n_nodes, -1)
    position[nodes] = np.arange(nodes.size)
    first = np.repeat(np.arange(nodes.size), np.diff(rows.indptr))
    second = position[rows.indices]
    inside = np.where(second >= 0, rows.data, 0.0)
    within = np.bincount(first, inside, minlength=nodes.size).astype(np.float64)
    once = np.flatnonzero(second > first)
    return _Edges(first[once], second[once], rows.data[once]), within


def _sweep(
    edges: _Edges,
    order: IntArray,
    degrees: FloatArray,
    leaving: FloatArray,
    uniform: float,
) -> FloatArray:
    """Normalised cut of both sides, for every threshold along an order of the nodes."""
    n_nodes = order.size
    rank = np.empty(n_nodes, dtype=np.int64)
    rank[order] = np.arange(n_nodes)
    row, column = rank[edges.first], rank[edges.second]
    # An edge is cut from its first end on, until its second.
    crossing = np.cumsum(
        np.bincount(np.minimum(row, column), edges.weights, minlength=n_nodes)
        - np.bincount(np.maximum(row, column), edges.weights, minlength=n_nodes)
    )[:-1]
    first = np.arange(1, n_nodes)
    crossing = crossing + uniform * first * (n_nodes - first)
    volume, outside = np.cumsum(degrees[order]), np.cumsum(leaving[order])
    near = (crossing + outside[:-1]) / np.maximum(volume[:-1], np.finfo(float).tiny)
    rest = np.maximum(volume[-1] - volume[:-1], np.finfo(float).tiny)
    return np.asarray(near + (crossing + outside[-1] - outside[:-1]) / rest)
