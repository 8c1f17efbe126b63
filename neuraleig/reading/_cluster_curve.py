"""One measure of every number of clusters, and the number that is best by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig._validation import is_count
from neuraleig.affinity import Graph
from neuraleig.reading._coarse import coarse_graph
from neuraleig.reading._judge import judge_labels, judged_graph
from neuraleig.reading._partitions import Partition, partitions

# Largest number of clusters where it is open.
MAX_CLUSTERS = 30
# Numbers beyond the largest one that are read as well: the strength of a number looks
# at the next one, and what comes down from larger numbers improves it. And the least
# number that is read, since splits need functions that vary within clusters.
# Not tuned: with three more, the last numbers stood out.
BEYOND, LEAST_LOOKED_AT = 5, 16
# Nodes on which partitions are searched: beyond so many, pairs of near ones are merged.
# Not tuned: it bounds the time.
FEW_NODES = 3_000
# Cut that a boundary of a cluster has at least, in degrees of a node over the volume
# of the graph: thinner bridges are due to single rows.
# Chosen with the strength, see below.
LEAST_BRIDGE = 0.5
# Rise of the cut, over its mean so far, along a line of rows without clusters; data of
# more dimensions have less.
LINE_RISE = 2.0
# Weights of the agreement and of the number, and what a single cluster is worth.
# Chosen on 58 sets: 27 of the suite (FCPS, Graves and others), digits, pendigits and
# draws of blobs, moons, circles, rings, spirals and uniform rows. As many as without
# the three are right within ten percent, 43, with a mean error of the logarithm of 0.19
# in place of 0.23. On 52 others (the rest of the suite, optdigits, satimage, letter,
# 10,000 digits of MNIST, more draws) 40 are right either way, with 0.23 and 0.21.
AGREEMENT_WEIGHT, NUMBER_WEIGHT, SINGLE = 0.25, 0.1, -0.3
# Strength of a number after which nothing is known, and of those that are weaker.
UNKNOWN = -10.0
# Agreement that counts at least: its logarithm has no bound.
LEAST_AGREEMENT = 0.01


@dataclass(frozen=True)
class ClusterCurve:
    r"""Measures of the clusters that a graph has, for every number of them.

    ``print`` shows a table. The measures are those of the partitions of least
    normalised cut that were found, before the network learns any.

    Parameters
    ----------
    n_clusters : ndarray of shape (n_numbers,), int64
        Numbers of clusters, from 1.
    modularity : ndarray of shape (n_numbers,)
        Modularity of the clusters.
    cut : ndarray of shape (n_numbers,)
        Normalised cut of the clusters.
    eigenvalue_gap : ndarray of shape (n_numbers,)
        Eigenvalue of this index (from 1) less the next one.
    agreement : ndarray of shape (n_numbers,)
        Mean adjusted Rand index of the best partition with the others that were found
        for this number, by other starts and methods: 1 where they all agree.
    strength : ndarray of shape (n_numbers,)
        How much more the next cluster would cut than these do; see the notes.

    Notes
    -----
    With the normalised cut :math:`c_k` of :math:`k` clusters, in which each boundary
    counts as half a node at least, and the agreement :math:`a_k`, the strength is

    .. math:: \log \frac{c_{k+1} - c_k}{2\, c_k / (k - 1)}
        + \tfrac{1}{4} \log a_k - \tfrac{1}{10} \log k + 0.3 .

    Along a line of rows without clusters the cut rises by twice its mean, and by less
    in more dimensions, so that the first part is 0 or less whatever the number. The
    others prefer clusters that do not depend on the start, and few of them. The
    strength of one cluster is 0, which others must surpass.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from neuraleig import NeuralEigenSpectralClustering
    >>> X, _ = make_blobs(300, centers=4, cluster_std=0.5, random_state=3)
    >>> model = NeuralEigenSpectralClustering("auto", max_clusters=8, random_state=0)
    >>> curve = model.fit(X).cluster_curve_
    >>> curve.best
    4
    >>> curve.ranked()[0]
    4
    """

    n_clusters: IntArray
    modularity: FloatArray
    cut: FloatArray
    eigenvalue_gap: FloatArray
    agreement: FloatArray
    strength: FloatArray

    @property
    def best(self) -> int:
        """Number of clusters of the largest strength; of equal ones the smallest."""
        return int(self.n_clusters[np.argmax(self.strength)])

    def ranked(self) -> list[int]:
        """Numbers of clusters by descending strength.

        Returns
        -------
        numbers : list of int
            The first is :attr:`best`.
        """
        order = np.argsort(-self.strength, kind="stable")
        return [int(number) for number in self.n_clusters[order]]

    def index_of(self, n_clusters: int) -> int:
        """Position of a number of clusters in the arrays.

        Parameters
        ----------
        n_clusters : int
            Number of clusters.

        Returns
        -------
        index : int
            From 0.

        Raises
        ------
        ValueError
            If the curve does not have this number.
        """
        if not is_count(n_clusters) or n_clusters > self.n_clusters[-1]:
            raise ValueError(
                f"n_clusters={n_clusters!r} is not on the curve, which has 1 to "
                f"{self.n_clusters[-1]}; choose one of them, or fit with a larger "
                "max_clusters."
            )
        return int(n_clusters) - 1

    def __str__(self) -> str:
        """Table of all numbers, the best one marked by a star."""
        names = ("modularity", "cut", "gap", "agreement", "strength")
        lines = ["clusters" + "".join(f"{name:>12}" for name in names)]
        columns = (
            self.modularity,
            self.cut,
            self.eigenvalue_gap,
            self.agreement,
            self.strength,
        )
        for number, *values in zip(self.n_clusters, *columns, strict=True):
            mark = " *" if number == self.best else ""
            shown = "".join(f"{value:12.4f}" for value in values)
            lines.append(f"{number:8d}{shown}{mark}")
        return "\n".join(lines)


class CurveReading(NamedTuple):
    """A curve, and the labels behind it.

    Parameters
    ----------
    curve : ClusterCurve
        Measures by number.
    labels : ndarray of shape (n_numbers, n_judged), unsigned int
        Labels of the judged nodes, from 0, for every number.
    nodes : ndarray of shape (n_judged,), int64, or None
        Judged nodes; ``None`` for all.
    """

    curve: ClusterCurve
    labels: Array
    nodes: IntArray | None


def most_clusters(max_clusters: int | None, n_nodes: int) -> int:
    """Largest number of a curve: ``max_clusters``, fewer where nodes are few.

    Parameters
    ----------
    max_clusters : int or None
        As asked for; ``None``: 30.
    n_nodes : int
        Number of nodes.

    Returns
    -------
    most : int
        At least 1.
    """
    asked = MAX_CLUSTERS if max_clusters is None else max_clusters
    return min(asked, n_nodes)


def n_looked_at(most: int) -> int:
    """Number of clusters up to which a curve to ``most`` looks, and of functions."""
    return max(most + BEYOND, LEAST_LOOKED_AT)


def read_curve(
    functions: Array, eigenvalues: FloatArray, graph: Graph, most: int, *, seed: int
) -> CurveReading:
    """Measure every number of clusters of a graph.

    Parameters
    ----------
    functions : ndarray of shape (n_nodes, n_components)
        Eigenfunctions at the nodes, the constant one first; ``n_looked_at(most)`` of
        them are used.
    eigenvalues : ndarray of shape (n_components,)
        Their eigenvalues.
    graph : Graph
        Graph of the nodes. More than 500,000 edges are represented by so many of them.
    most : int
        Largest number of clusters.
    seed : int
        Seed of k-means, and of the draw of edges.

    Returns
    -------
    reading : CurveReading
        Of the numbers from 1 to ``most``, or to as many as were found.

    Notes
    -----
    Time O(most (n_edges + n_judged most)) and memory of a few bytes per judged node and
    number.
    """
    judged, nodes = judged_graph(graph, seed)
    n_used = min(n_looked_at(most), eigenvalues.size)
    table = functions[:, :n_used] if nodes is None else functions[nodes, :n_used]
    coarse = coarse_graph(judged, FEW_NODES)
    if coarse.graph is not judged:
        table = coarse.means(table, judged.degrees)
    n_most = min(n_looked_at(most), coarse.graph.n_nodes)
    found = partitions(coarse.graph, table, eigenvalues[:n_used], n_most, seed)
    cuts = [part.cut for part in found]
    agreement = np.array([_agreement(part) for part in found])
    if len(found) == judged.n_nodes:
        # No node is left to be divided: one cluster more would cut itself.
        cuts.append(len(found) + 1.0)
        agreement = np.append(agreement, 1.0)
    kept = found[:most]
    gaps = np.zeros(len(kept))
    n_gaps = min(len(kept), eigenvalues.size - 1)
    gaps[:n_gaps] = eigenvalues[:n_gaps] - eigenvalues[1 : n_gaps + 1]
    judgements = [
        judge_labels(coarse.graph, part.labels.astype(np.int64)) for part in kept
    ]
    curve = ClusterCurve(
        n_clusters=np.arange(1, len(kept) + 1),
        modularity=np.array([judgement.modularity for judgement in judgements]),
        cut=np.array(cuts[: len(kept)]),
        eigenvalue_gap=gaps,
        agreement=agreement[: len(kept)],
        strength=strengths(np.array(cuts), judged.n_nodes, agreement)[: len(kept)],
    )
    labels = np.stack([part.labels for part in kept])
    return CurveReading(curve, labels[:, coarse.group], nodes)


def strengths(
    cuts: FloatArray, n_nodes: int, agreement: FloatArray | None = None
) -> FloatArray:
    """Strength of every number of clusters, see :class:`ClusterCurve`.

    Parameters
    ----------
    cuts : ndarray of shape (n_numbers,)
        Normalised cuts of 1, 2, ... clusters.
    n_nodes : int
        Number of nodes.
    agreement : ndarray of shape (n_numbers,) or None, default=None
        Agreement of the partitions; ``None``: 1 for all.

    Returns
    -------
    strengths : ndarray of shape (n_numbers,)
        That of one cluster is 0. The last number, after which nothing is known, has
        none: -10.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.reading import strengths
    >>> strengths(np.array([0.0, 0.01, 0.02, 0.5, 1.0]), 1000).round(1)
    array([  0. ,  -0.4,   3.2,   0.6, -10. ])
    """
    numbers = np.arange(1, cuts.size + 1)
    raised = cuts + LEAST_BRIDGE * numbers * (numbers - 1) / n_nodes
    found = np.full(cuts.size, UNKNOWN)
    found[0] = 0.0
    if cuts.size > 2:
        rises = np.maximum(np.diff(raised)[1:], np.finfo(float).tiny)
        means = raised[1:-1] / (numbers[1:-1] - 1)
        found[1:-1] = np.log(rises / means) - np.log(LINE_RISE) - SINGLE
        found[1:-1] -= NUMBER_WEIGHT * np.log(numbers[1:-1])
        if agreement is not None:
            least = np.maximum(agreement[1:-1], LEAST_AGREEMENT)
            found[1:-1] += AGREEMENT_WEIGHT * np.log(least)
    return np.asarray(np.maximum(found, UNKNOWN))


def _agreement(part: Partition) -> float:
    """Mean adjusted Rand index of a partition with the other candidates."""
    # Imported late, as k-means is.
    from sklearn.metrics import adjusted_rand_score

    if not part.others:
        return 1.0
    scores = [
        # Clusters are numbered by their first nodes.
        1.0
        if np.array_equal(part.labels, other)
        else adjusted_rand_score(part.labels, other)
        for other in part.others
    ]
    return float(np.mean(scores))
