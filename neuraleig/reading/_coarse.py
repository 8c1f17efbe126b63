"""Coarse graphs, whose nodes are small groups of nodes that belong together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Graph

# A level that leaves more than this share of the nodes is the last one: what has no
# partner by now will hardly find one.
LEAST_PROGRESS = 0.95


class Coarse(NamedTuple):
    """A coarse graph, and where the nodes of the fine one are.

    Parameters
    ----------
    graph : Graph
        Coarse graph; edges inside of a group are on the diagonal of its weights.
    group : ndarray of shape (n_fine,), int64
        Coarse node of every fine one.
    """

    graph: Graph
    group: IntArray

    def means(self, values: Array, weights: FloatArray) -> FloatArray:
        """Weighted means over the groups.

        Parameters
        ----------
        values : ndarray of shape (n_fine, n_columns)
            Values of the fine nodes.
        weights : ndarray of shape (n_fine,)
            Their weights.

        Returns
        -------
        means : ndarray of shape (n_coarse, n_columns)
            Plain means where all weights of a group are 0.
        """
        weights = np.where(weights > 0, weights, np.finfo(float).tiny)
        total = np.bincount(self.group, weights)
        columns = [np.bincount(self.group, weights * column) for column in values.T]
        return np.stack(columns, axis=1) / total[:, None]


def coarse_graph(graph: Graph, most: int) -> Coarse:
    r"""Merge pairs of nodes, again and again, until few are left.

    Two nodes become one where each is the partner of largest
    :math:`w_{ij} (1 / d_i + 1 / d_j)` of the other [1]_. A partition of the coarse
    graph cuts as much as that of the fine one with the same groups.

    Parameters
    ----------
    graph : Graph
        Fine graph. One with uniform weight, which coarse graphs do not have, stays as
        it is.
    most : int
        Number of nodes that are few enough.

    Returns
    -------
    coarse : Coarse
        With more than ``most`` nodes where nodes have no partners.

    References
    ----------
    .. [1] I. S. Dhillon, Y. Guan and B. Kulis, "Weighted graph cuts without
       eigenvectors: a multilevel approach", IEEE Transactions on Pattern Analysis and
       Machine Intelligence, 2007.
    """
    group: IntArray = np.arange(graph.n_nodes, dtype=np.int64)
    weights = graph.weights
    while graph.uniform == 0.0 and weights.shape[0] > most:
        pairs = _pairs(weights)
        n_coarse = int(pairs.max()) + 1
        if n_coarse > LEAST_PROGRESS * weights.shape[0]:
            break
        n_fine = weights.shape[0]
        members = sp.csr_array(
            (np.ones(n_fine), pairs, np.arange(n_fine + 1)), (n_fine, n_coarse)
        )
        weights = sp.csr_array(members.T @ weights @ members)
        group = pairs[group]
    if weights is graph.weights:
        return Coarse(graph, group)
    counts = graph.relative_counts
    sizes = np.bincount(group, counts).astype(np.int64)
    _, first = np.unique(group, return_index=True)
    return Coarse(Graph(weights, graph.index[first], copies=sizes), group)


def _pairs(weights: sp.csr_array) -> IntArray:
    """Number of the pair, or of the single node, that every node belongs to."""
    n_nodes = weights.shape[0]
    degrees = np.asarray(weights.sum(axis=1)).ravel()
    inverse = 1.0 / np.where(degrees > 0, degrees, 1.0)
    per_node = np.diff(weights.indptr)
    sources = np.repeat(np.arange(n_nodes), per_node)
    targets = weights.indices
    scores = weights.data * (inverse[sources] + inverse[targets])
    scores[sources == targets] = -1.0
    partner = np.arange(n_nodes)
    if scores.size:
        best = np.full(n_nodes, -1.0)
        filled = per_node > 0
        best[filled] = np.maximum.reduceat(scores, weights.indptr[:-1][filled])
        found = np.flatnonzero((scores == best[sources]) & (scores > 0))
        # Of equal ones the last.
        partner[sources[found]] = targets[found]
    mutual = partner[partner] == np.arange(n_nodes)
    leader = np.where(
        mutual, np.minimum(partner, np.arange(n_nodes)), np.arange(n_nodes)
    )
    return np.asarray(np.unique(leader, return_inverse=True)[1], dtype=np.int64)
