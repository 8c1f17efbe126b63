"""Moves of single nodes that lower the normalised cut."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from neuraleig._typing import FloatArray, IntArray
from neuraleig.affinity import Graph

# Rounds of moves, at most.
# Not tuned: most labels settle in two to six.
MAX_ROUNDS = 10
# A round that lowers the cut by less is the last one.
LEAST_DROP = 1e-9
# Costs that differ by less, relatively, are equal.
ROUNDING = 1e-12


def refined_labels(
    graph: Graph, labels: IntArray, max_rounds: int = MAX_ROUNDS
) -> IntArray:
    r"""Lower the normalised cut of labels by moving nodes to neighbouring clusters.

    Every node :math:`i` moves at once to the cluster :math:`c`, among those of its
    neighbours, with the least

    .. math:: \frac{\mathrm{assoc}(c, c)}{\mathrm{vol}(c)^2}
        - \frac{2\, w(i, c) + w_{ii}}{d_i\, \mathrm{vol}(c)}

    with the weights :math:`w(i, c)` to other nodes, which is the distance to the mean
    of the cluster in weighted kernel k-means with the affinity as its kernel [1]_: a
    node takes the edges among its copies along. Rounds end when the cut no longer
    falls, when a cluster would lose all nodes, or after ``max_rounds``.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes; its uniform weight counts.
    labels : ndarray of shape (n_nodes,), int64
        Cluster of every node, from 0, every cluster with at least one node.
    max_rounds : int, default=10
        Rounds of moves, at most.

    Returns
    -------
    labels : ndarray of shape (n_nodes,), int64
        Of the same clusters, with a normalised cut that is no larger.

    Notes
    -----
    Time and memory of a round are O(n_edges), whatever the number of clusters.

    References
    ----------
    .. [1] I. S. Dhillon, Y. Guan and B. Kulis, "Weighted graph cuts without
       eigenvectors: a multilevel approach", IEEE Transactions on Pattern Analysis and
       Machine Intelligence, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from neuraleig.affinity import NeighborAffinity
    >>> from neuraleig.reading import refined_labels
    >>> X, y = make_blobs([60, 20], centers=[[0, 0], [9, 0]], random_state=0)
    >>> graph = NeighborAffinity().build(X, seed=0)
    >>> misplaced = y.copy()
    >>> misplaced[:5] = 1 - y[:5]
    >>> bool(np.all(refined_labels(graph, misplaced) == y))
    True
    """
    return Refiner(graph).refined(labels, max_rounds)


class _Clusters(NamedTuple):
    """Number of nodes, volume and inner weight of every cluster."""

    counts: FloatArray
    volumes: FloatArray
    inside: FloatArray

    def cost(
        self, cluster: IntArray, weight: FloatArray, degree: FloatArray, uniform: float
    ) -> FloatArray:
        """Distance of nodes from clusters, by twice the weight between them."""
        weight = weight + 2 * uniform * self.counts[cluster]
        far = (self.inside / self.volumes**2)[cluster]
        return np.asarray(far - weight / (degree * self.volumes[cluster]))


class Refiner:
    """Refinement of many labels of one graph, see :func:`refined_labels`.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes.
    """

    def __init__(self, graph: Graph) -> None:
        weights = graph.weights
        self._graph = graph
        self._sources = np.repeat(np.arange(graph.n_nodes), np.diff(weights.indptr))
        self._loops = weights.diagonal()
        self._stored = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()

    def refined(self, labels: IntArray, max_rounds: int = MAX_ROUNDS) -> IntArray:
        """Labels of a normalised cut that is no larger.

        Parameters
        ----------
        labels : ndarray of shape (n_nodes,), int64
            Cluster of every node, from 0, every cluster with at least one node.
        max_rounds : int, default=10
            Rounds of moves, at most.

        Returns
        -------
        labels : ndarray of shape (n_nodes,), int64
            Of the same clusters.
        """
        n_clusters = int(labels.max()) + 1
        best, least = labels, np.inf
        for _ in range(max_rounds + 1):
            cut, moved = self.one_round(labels, n_clusters)
            if cut > least - LEAST_DROP:
                return best
            best, least = labels, cut
            if np.bincount(moved, minlength=n_clusters).min() == 0:
                return best
            labels = moved
        return best

    def one_round(self, labels: IntArray, n_clusters: int) -> tuple[float, IntArray]:
        """Move every node once.

        Parameters
        ----------
        labels : ndarray of shape (n_nodes,), int64
            Cluster of every node.
        n_clusters : int
            Number of clusters.

        Returns
        -------
        cut : float
            Normalised cut of the labels that were given.
        moved : ndarray of shape (n_nodes,), int64
            Labels after the moves, which may leave a cluster empty.
        """
        outward = self._outward(labels, n_clusters)
        outside = np.asarray(outward.sum(axis=1)).ravel()
        counts = np.bincount(labels, minlength=n_clusters).astype(np.float64)
        volumes = np.bincount(labels, self._graph.degrees, minlength=n_clusters)
        stored = np.bincount(labels, self._stored - outside, minlength=n_clusters)
        inside = stored + self._graph.uniform * counts**2
        clusters = _Clusters(counts, np.where(volumes > 0, volumes, 1.0), inside)
        cut = float(np.sum(1.0 - inside / clusters.volumes))
        return cut, self._moved(labels, outward, outside, clusters)

    def _moved(
        self,
        labels: IntArray,
        outward: sp.csr_array,
        outside: FloatArray,
        clusters: _Clusters,
    ) -> IntArray:
        """Labels after the moves of nodes that touch other clusters."""
        per_node = np.diff(outward.indptr)
        nodes = np.flatnonzero(per_node)
        if not nodes.size:
            return labels
        per_node = per_node[nodes]
        goals = outward.indices
        loops, degrees = self._loops[nodes], self._graph.degrees[nodes]
        kept = 2 * (self._stored - outside)[nodes] - loops
        uniform = self._graph.uniform
        staying = clusters.cost(labels[nodes], kept, degrees, uniform)
        gained = 2 * outward.data + np.repeat(loops, per_node)
        leaving = clusters.cost(goals, gained, np.repeat(degrees, per_node), uniform)
        least = np.minimum.reduceat(leaving, outward.indptr[nodes])
        # Of equally near clusters a node prefers its own.
        leaves = least < staying - ROUNDING * np.abs(staying)
        wanted = np.repeat(np.where(leaves, least, np.nan), per_node)
        chosen = np.flatnonzero(leaving == wanted)
        moved = labels.copy()
        moved[np.repeat(nodes, per_node)[chosen]] = goals[chosen]
        return moved

    def _outward(self, labels: IntArray, n_clusters: int) -> sp.csr_array:
        """Weight from every node to every other cluster that it touches."""
        weights = self._graph.weights
        # Small integers, of which more are in the cache.
        small = labels.astype(np.min_scalar_type(n_clusters))
        others = np.take(small, weights.indices)
        crossing = np.flatnonzero(np.take(small, self._sources) != others)
        per_node = np.bincount(self._sources[crossing], minlength=labels.size)
        offsets = np.concatenate([[0], np.cumsum(per_node)])
        ends = others[crossing].astype(np.int64)
        outward = sp.csr_array(
            (weights.data[crossing], ends, offsets), (labels.size, n_clusters)
        )
        outward.sum_duplicates()
        return outward
