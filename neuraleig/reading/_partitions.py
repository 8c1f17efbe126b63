"""Partitions of a graph into every number of clusters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Graph
from neuraleig.metrics import cluster_transitions, cut_of_transitions
from neuraleig.reading._base import DIFFUSION_TIME, diffused_rows
from neuraleig.reading._kmeans import kmeans_labels
from neuraleig.reading._refine import Refiner
from neuraleig.reading._renumbered import numbered_by_first
from neuraleig.reading._splits import Splitter, least_volume

# Numbers of functions per cluster that k-means is tried with, and starts of each.
# Of 122 problems of the benchmark of cluster numbers, seeds 2 and 3, two starts have 93
# right and one has 90.
FUNCTIONS_PER_CLUSTER = (1.0, 1.5, 2.0)
N_STARTS = 2
# Functions that a cluster is split along. Not tuned: half as many as where one number
# is read, in half the time.
N_FUNCTIONS = 4
# Rounds of moves of single nodes. Not tuned: most of what ten rounds gain, in time.
MAX_ROUNDS = 4
# Rows on which k-means is fitted; the others go to the nearest centre.
# With 1,000 the best number of pendigits is 21 in place of 13; others hardly change.
MAX_ROWS = 3_000
# Merged clusters that cut more than this, over what the other candidates cut, are not
# refined: rounds of moves lower the cut by a few percent.
# Not tuned: it bounds the time.
WORTH_REFINING = 1.1
# Share of the least volume of a split that clusters keep when they are refined.
# A partition with smaller ones is taken only if there is no other: a few near copies
# are cheap to cut off. Chosen on pendigits, of which 0.3 % are a component.
KEPT_SHARE = 0.5


class Partition(NamedTuple):
    """Clusters of the nodes of a graph, all candidates for one number of them.

    Parameters
    ----------
    is_small : bool
        Whether a cluster is too small to be one.
    cut : float
        Normalised cut of the best candidate.
    labels : ndarray of shape (n_nodes,), unsigned integer
        Its labels, from 0.
    others : sequence of ndarray
        Labels of the other candidates.
    """

    is_small: bool
    cut: float
    labels: Array
    others: Sequence[Array]


def partitions(
    graph: Graph, functions: Array, eigenvalues: FloatArray, n_most: int, seed: int
) -> list[Partition]:
    """Partitions of least normalised cut into 1, 2, ... clusters.

    Candidates are the cheapest split of the partition with one cluster less, and two
    starts of k-means for each of a few numbers of functions. Then clusters are merged,
    from the largest number down, the two whose union lowers the cut most, and split
    again from the smallest up. All are refined on the graph.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes.
    functions : ndarray of shape (n_nodes, n_components)
        Eigenfunctions, the constant one first.
    eigenvalues : ndarray of shape (n_components,)
        Their eigenvalues.
    n_most : int
        Largest number of clusters.
    seed : int
        Seed of k-means.

    Returns
    -------
    found : list of Partition
        By the number of clusters, from 1; shorter than ``n_most`` where there are
        fewer distinct rows.

    Notes
    -----
    Time O(n_most (n_edges + n_nodes n_most)), memory a few bytes per node and number
    of clusters.
    """
    search = _Search(graph, functions, n_most)
    found = [search.refined(np.zeros(graph.n_nodes, dtype=np.int64))]
    for number in range(2, n_most + 1):
        candidates = list(_kmeans_labels(graph, functions, eigenvalues, number, seed))
        candidates.extend(search.divided(found[-1]))
        whole = [part for part in candidates if np.unique(part).size == number]
        if not whole:
            break
        found.append(reduce(better, map(search.refined, whole)))
    for place in range(len(found) - 2, 0, -1):
        labels, cut = merged_labels(graph, found[place + 1].labels)
        if found[place].is_small or cut <= WORTH_REFINING * found[place].cut:
            found[place] = better(found[place], search.refined(labels))
    for place in range(1, len(found)):
        for labels in search.divided(found[place - 1]):
            found[place] = better(found[place], search.refined(labels))
    return found


class _Search:
    """Splits and refinement of labels on one graph."""

    def __init__(self, graph: Graph, functions: Array, n_most: int) -> None:
        self._graph = graph
        self._refiner = Refiner(graph)
        self._kind = np.min_scalar_type(n_most)
        self._least = KEPT_SHARE * least_volume(graph, n_most)
        self._splitter = Splitter(graph, functions, n_most, N_FUNCTIONS)
        self._known: dict[bytes, Partition] = {}

    def divided(self, part: Partition) -> list[IntArray]:
        """Labels with one cluster of a partition divided, if any can be."""
        labels = self._splitter.split(part.labels.astype(np.int64))
        return [] if labels is None else [labels]

    def refined(self, labels: IntArray) -> Partition:
        """Partition of refined labels; equal ones are refined once."""
        graph = self._graph
        labels = numbered_by_first(labels)
        key = self._key(labels)
        if key not in self._known:
            labels = numbered_by_first(self._refiner.refined(labels, MAX_ROUNDS))
            shares = cluster_transitions(graph.weights, labels, uniform=graph.uniform)
            cut = max(cut_of_transitions(shares), 0.0)
            is_small = np.bincount(labels, graph.degrees).min() < self._least
            made = Partition(bool(is_small), cut, labels.astype(self._kind), ())
            # What was refined would hardly move again.
            self._known |= {key: made, self._key(labels): made}
        return self._known[key]

    @staticmethod
    def _key(labels: IntArray) -> bytes:
        return hashlib.blake2b(labels.tobytes(), digest_size=16).digest()


def better(one: Partition, other: Partition) -> Partition:
    """The partition without small clusters or of the lesser cut, and all labels.

    Parameters
    ----------
    one, other : Partition
        Of the same number of clusters; of equal ones the first counts.

    Returns
    -------
    partition : Partition
        With the labels of the other among its ``others``.
    """
    if other[:2] < one[:2]:
        one, other = other, one
    others = (*one.others, other.labels, *other.others)
    return one._replace(others=others)


def _kmeans_labels(
    graph: Graph, functions: Array, eigenvalues: FloatArray, number: int, seed: int
) -> Iterator[IntArray]:
    """Labels by k-means of diffused rows."""
    generator = np.random.RandomState(seed)
    counts = graph.relative_counts
    sizes = {int(np.ceil(ratio * number)) for ratio in FUNCTIONS_PER_CLUSTER}
    for n_used in sorted({min(size, eigenvalues.size) for size in sizes}):
        rows = diffused_rows(
            functions[:, :n_used], eigenvalues[:n_used], DIFFUSION_TIME
        )
        if number <= min(len(rows), MAX_ROWS):
            found = kmeans_labels(
                rows, number, counts, N_STARTS, generator, n_most=MAX_ROWS
            )
            for labels in found:
                yield labels.astype(np.int64)


def merged_labels(graph: Graph, labels: Array) -> tuple[IntArray, float]:
    """Labels with the two clusters merged whose union lowers the cut most.

    Parameters
    ----------
    graph : Graph
        Graph of the nodes.
    labels : ndarray of shape (n_nodes,)
        Of at least two clusters, from 0.

    Returns
    -------
    merged : ndarray of shape (n_nodes,), int64
        Of one cluster less, from 0.
    cut : float
        Their normalised cut.
    """
    shares = cluster_transitions(graph.weights, labels, uniform=graph.uniform)
    inside, volumes = np.diag(shares), shares.sum(axis=1)
    kept = np.divide(inside, volumes, out=np.ones_like(inside), where=volumes > 0)
    together = volumes[:, None] + volumes
    within = inside[:, None] + inside + 2 * shares
    union = np.divide(within, together, out=np.ones_like(within), where=together > 0)
    rise = kept[:, None] + kept - union
    np.fill_diagonal(rise, np.inf)
    first, second = sorted(np.unravel_index(np.argmin(rise), rise.shape))
    merged = labels.astype(np.int64)
    merged[merged == second] = first
    merged[merged > second] -= 1
    cut = cut_of_transitions(shares) - 1.0 + float(rise[first, second])
    return merged, max(cut, 0.0)
