"""Worth of labels on a graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from neuraleig._typing import IntArray
from neuraleig.affinity import Graph
from neuraleig.metrics import (
    cluster_transitions,
    cut_of_transitions,
    modularity_of_transitions,
)

# Readings of graphs with more edges are judged by as many of them, drawn by weight:
# cuts come out within a few percent, and differences between readings far closer.
# Not tuned: it bounds memory and time.
JUDGED_EDGES = 500_000
# A sample with a smaller share of the nodes, or of as many as edges are drawn, is no
# stand-in for the graph.
# Not tuned: samples of large graphs are far above, or far below.
LEAST_JUDGED = 0.1
# Gains in modularity below this are noise: about what moving one row in a thousand
# changes.
MIN_GAIN = 0.001


class Judgement(NamedTuple):
    """What labels are worth on the graph.

    Parameters
    ----------
    cut : float
        Normalised cut.
    modularity : float
        Modularity.
    """

    cut: float
    modularity: float


def judge_labels(graph: Graph, labels: IntArray) -> Judgement:
    """Score labels by the graph of their nodes.

    Parameters
    ----------
    graph : Graph
        Its uniform weight counts as well.
    labels : ndarray of shape (n_nodes,), int64
        Cluster of every node, from 0.

    Returns
    -------
    judgement : Judgement
        Normalised cut and modularity.
    """
    transitions = cluster_transitions(graph.weights, labels, uniform=graph.uniform)
    return Judgement(
        cut_of_transitions(transitions), modularity_of_transitions(transitions)
    )


def judged_graph(graph: Graph, seed: int) -> tuple[Graph, IntArray | None]:
    """Graph on which readings are judged, and which nodes of the given one it has.

    Parameters
    ----------
    graph : Graph
        Graph of the fit.
    seed : int
        Seed of the draw.

    Returns
    -------
    judged : Graph
        The graph itself, if it is small or the draw has few of its nodes; or some of
        its edges, drawn in proportion to their weights and of weight 1 each: cuts and
        modularities on it are those of the graph in the mean.
    nodes : ndarray of shape (n_judged,), int64, or None
        Nodes at the ends of these edges; ``None`` for all.
    """
    weights = graph.weights
    if graph.n_edges <= JUDGED_EDGES:
        return graph, None
    generator = np.random.default_rng(seed)
    cumulative = np.cumsum(weights.data)
    drawn = np.searchsorted(cumulative, generator.random(JUDGED_EDGES) * cumulative[-1])
    drawn = np.minimum(drawn, weights.nnz - 1)
    sources = np.searchsorted(weights.indptr, drawn, side="right") - 1
    nodes, ends = np.unique(
        np.stack([sources, weights.indices[drawn]]), return_inverse=True
    )
    # Where few edges have nearly all of the weight, the draw says nothing of the rest.
    if nodes.size < LEAST_JUDGED * min(graph.n_nodes, JUDGED_EDGES):
        return graph, None
    source, target = ends.reshape(2, -1)
    drawn_edges = sp.coo_array(
        (np.ones(drawn.size), (source, target)), shape=(nodes.size, nodes.size)
    )
    # As large a share of random pairs as in the graph.
    pairs = graph.uniform * graph.n_nodes**2 / nodes.size**2
    uniform = pairs * 2 * JUDGED_EDGES / cumulative[-1]
    sampled = sp.csr_array(drawn_edges + drawn_edges.T)
    copies = None if graph.copies is None else graph.copies[nodes]
    return Graph(sampled, graph.index[nodes], uniform, copies=copies), nodes
