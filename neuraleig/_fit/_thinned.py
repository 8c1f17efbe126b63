"""Choice between the labels of a graph and those of its thinned graph."""

from __future__ import annotations

import math

from neuraleig._typing import IntArray
from neuraleig.affinity import Graph
from neuraleig.metrics import clustering_accuracy
from neuraleig.reading import judge_labels

# The product of the cuts on both graphs must be so many times smaller, as a cut on one
# of them alone favours that graph, and the modularity on the whole one not lower.
# Smaller cuts than LEAST_CUT are equal, and so are labels that differ at fewer nodes
# than LEAST_CHANGE.
# Chosen by examples/benchmarks/thinned.py and held-out rows of pendigits, whose
# accuracy falls from 0.88 to 0.81 if modularity may be lower by 0.05.
LEAST_GAIN, LEAST_CUT = 2.0, 1e-4
LEAST_CHANGE = 0.01
# Starts of k-means for every number of functions of the thinned graph.
THINNED_STARTS = 2


def may_be_bettered(labels: IntArray, graph: Graph, thin: Graph) -> bool:
    """Whether other labels can cut far less.

    Parameters
    ----------
    labels : ndarray of shape (n_nodes,), int64
        Labels read off the graph.
    graph, thin : Graph
        The whole graph, and with thin one-sided edges.
    """
    return _cut_product(labels, graph, thin) > LEAST_GAIN * LEAST_CUT**2


def are_better(labels: IntArray, known: IntArray, graph: Graph, thin: Graph) -> bool:
    """Whether labels of the thinned graph are better than those of the whole graph.

    Parameters
    ----------
    labels, known : ndarray of shape (n_nodes,), int64
        Labels read off the thinned graph, and off the whole one.
    graph, thin : Graph
        The whole graph, and with thin one-sided edges.
    """
    after, before = (judge_labels(graph, part) for part in (labels, known))
    if after.modularity < before.modularity:
        return False
    cuts = [_cut_product(part, graph, thin) for part in (labels, known)]
    moved = 1.0 - clustering_accuracy(known, labels)
    return LEAST_GAIN * cuts[0] <= cuts[1] and moved >= LEAST_CHANGE


def _cut_product(labels: IntArray, *graphs: Graph) -> float:
    """Product of the normalised cuts of labels on graphs, each 1e-4 at least."""
    return math.prod(judge_labels(graph, labels).cut + LEAST_CUT for graph in graphs)
