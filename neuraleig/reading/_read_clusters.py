"""Labels read off eigenfunctions, chosen by their worth on the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Graph
from neuraleig.reading._agreement import reading_agreement
from neuraleig.reading._base import diffused_rows
from neuraleig.reading._judge import Judgement, judge_labels, judged_graph
from neuraleig.reading._kmeans import drawn_rows, fitted_kmeans
from neuraleig.reading._nearest_centre import NearestCentre
from neuraleig.reading._refine import refined_labels
from neuraleig.reading._splits import split_clusters

# Candidate numbers of functions per cluster, of which the best reading is kept.
# Two had the best mean accuracy on 8 sets of 1,400 to 20,000 rows, of which single
# ones wanted others.
FUNCTIONS_PER_CLUSTER = (1.0, 1.5, 2.0, 2.5, 3.0)
# Functions per cluster that describe clusters which were not read off rows.
DESCRIBED_BY = 2.0
# Starts of k-means for each of them; more beyond so many rows, where the rest of a fit
# takes far longer.
# With five, the lowest of five seeds on digits is 0.04 lower; thirty since one of three
# seeds of MNIST had 0.864 with ten.
N_STARTS, MANY_STARTS = 10, 30
FEW_STARTS_ROWS = 50_000
# A reading may cut this much more than the best one does, and up to twice as much where
# clusters are hard to cut: half of the rest is allowed at this cut per cluster.
# Modularity alone would merge small clusters to split large ones; the cut alone prefers
# tiny clusters.
# Chosen by the mean adjusted Rand index over the sets of the ablation, 64 pairs of
# unlike blobs and the 43 sets of the suite, two seeds: halves at 0.005 to 0.01 are
# level, 0.003 loses two sets of the suite.
LEAST_RATIO, MOST_RATIO = 1.05, 2.0
HALF_RATIO_CUT = 0.007
# Cuts that differ by less are equal.
ROUNDING = 1e-9
# Rows on which k-means is fitted; the others go to the nearest centre.
MAX_ROWS = 10_000


@dataclass(frozen=True)
class Reading:
    """Labels read off eigenfunctions, and how.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
        Label of every row.
    centres : ndarray of shape (n_clusters, n_used)
        Centres of the clusters among the unit rows.
    spread : float
        Mean squared distance of a row from its centre, per dimension.
    judgement : Judgement
        What the choice was made by.
    agreement : ndarray of shape (n_samples,)
        Share of the candidates that agree with the label of a row, see
        :func:`reading_agreement`; NaN where the graph that they were judged on has no
        node.
    """

    labels: IntArray
    centres: FloatArray
    spread: float
    judgement: Judgement
    agreement: FloatArray

    @property
    def n_used(self) -> int:
        """Number of functions that describe the clusters."""
        return int(self.centres.shape[1])


@dataclass(frozen=True)
class Candidate:
    """Labels of the judged nodes.

    Parameters
    ----------
    labels : ndarray of shape (n_judged,), unsigned integer
        From 0, every cluster with at least one node.
    n_used : int
        Number of functions that describe the clusters.
    judgement : Judgement
        On the judged graph.
    """

    labels: IntArray
    n_used: int
    judgement: Judgement

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.labels.max()) + 1


def candidate_sizes(n_clusters: int, n_components: int) -> list[int]:
    """Numbers of functions to try, from ``n_clusters`` up to ``n_components``."""
    wanted = {int(np.ceil(ratio * n_clusters)) for ratio in FUNCTIONS_PER_CLUSTER}
    return sorted({min(size, n_components) for size in wanted})


def read_clusters(
    functions: Array,
    eigenvalues: FloatArray,
    n_clusters: int,
    graph: Graph,
    *,
    diffusion_time: float,
    seed: int,
) -> Reading:
    """Labels of the best candidate, by normalised cut and modularity on the graph.

    Candidates are k-means of diffused rows, over numbers of functions and starts, and
    repeated splits along the functions, which find small clusters beside large ones.
    All are refined on the graph before they are compared. Within-cluster variance
    cannot be compared between numbers of functions, cuts of the graph can.

    Parameters
    ----------
    functions : ndarray of shape (n_samples, n_components)
        Eigenfunctions at the nodes of the graph, the constant one first.
    eigenvalues : ndarray of shape (n_components,)
        Their eigenvalues.
    n_clusters : int
        Number of clusters, at most ``n_samples``.
    graph : Graph
        Graph of the rows. More than 500,000 edges are represented by so many of them.
    diffusion_time : float
        See :func:`diffused_rows`.
    seed : int
        Seed of k-means, and of the draw of edges.

    Returns
    -------
    reading : Reading
        With consecutive labels; fewer than ``n_clusters`` where there are fewer
        distinct rows.

    Notes
    -----
    Time O(n_judged n_clusters n_components + n_edges) for each of 50 starts (150 beyond
    50,000 rows) and O(n_edges) for each of 16 ``n_clusters`` sweeps; k-means is fitted
    to at most 10,000 rows. Memory 8 bytes per judged node and start.
    """
    judged, nodes = judged_graph(graph, seed)
    table = functions if nodes is None else functions[nodes]
    candidates = list(
        _candidates(table, eigenvalues, n_clusters, judged, diffusion_time, seed)
    )
    best = best_candidate(candidates)
    rows = diffused_rows(
        table[:, : best.n_used], eigenvalues[: best.n_used], diffusion_time
    )
    labels = best.labels.astype(np.int64)
    agreement = _agreement(best, candidates)
    members = [labels == cluster for cluster in range(best.n_clusters)]
    counts = judged.relative_counts
    if counts is None:
        centres = np.stack([rows[own].mean(axis=0) for own in members])
        spread = float(np.mean(np.square(rows - centres[labels])))
    else:
        centres = np.stack(
            [counts[own] @ rows[own] / counts[own].sum() for own in members]
        )
        errors = np.mean(np.square(rows - centres[labels]), axis=1)
        spread = float(counts @ errors / counts.sum())
    if nodes is not None:
        reader = NearestCentre(centres, spread, eigenvalues, diffusion_time)
        everywhere = reader.labels(functions, functions[:, :0])
        everywhere[nodes] = labels
        known, agreement = agreement, np.full(len(functions), np.nan)
        agreement[nodes] = known
        labels = refined_labels(graph, everywhere)
    return Reading(labels, centres, spread, best.judgement, agreement)


def _candidates(
    functions: Array,
    eigenvalues: FloatArray,
    n_clusters: int,
    graph: Graph,
    diffusion_time: float,
    seed: int,
) -> Iterator[Candidate]:
    """Distinct refined candidates."""
    known: set[int] = set()
    described = min(int(np.ceil(DESCRIBED_BY * n_clusters)), eigenvalues.size)
    split = split_clusters(graph, functions, n_clusters)
    counts = graph.relative_counts
    starts = _starts(functions, eigenvalues, n_clusters, diffusion_time, seed, counts)
    found = starts if split is None else chain([(split, described)], starts)
    for start, n_used in found:
        start = _by_first_node(start)
        before = hash(start.tobytes())
        if before in known:
            continue
        labels = _by_first_node(refined_labels(graph, start))
        after = hash(labels.tobytes())
        if after == before or after not in known:
            small = labels.astype(np.min_scalar_type(n_clusters))
            yield Candidate(small, n_used, judge_labels(graph, labels))
        known |= {before, after}


def best_candidate(candidates: Sequence[Candidate]) -> Candidate:
    r"""Candidate of highest modularity among those that cut little more than need be.

    With the least cut per cluster :math:`m`, a candidate may cut
    :math:`1.05 + 0.95\, m / (m + 0.007)` times as much as the least. A candidate with
    fewer clusters than others is taken only if there are no others.
    """
    most = max(candidate.n_clusters for candidate in candidates)
    whole = [candidate for candidate in candidates if candidate.n_clusters == most]
    least = min(candidate.judgement.cut for candidate in whole)
    share = least / most / (least / most + HALF_RATIO_CUT)
    allowed = least * (LEAST_RATIO + (MOST_RATIO - LEAST_RATIO) * share) + ROUNDING
    fair = [candidate for candidate in whole if candidate.judgement.cut <= allowed]
    return max(fair, key=lambda candidate: candidate.judgement.modularity)


def _agreement(best: Candidate, candidates: Sequence[Candidate]) -> FloatArray:
    """Agreement with a candidate of those that have as many clusters."""
    whole = [found for found in candidates if found.n_clusters == best.n_clusters]
    labels = best.labels.astype(np.int64)
    cuts = [found.judgement.cut for found in whole]
    return reading_agreement(labels, [found.labels for found in whole], cuts)


def _starts(
    functions: Array,
    eigenvalues: FloatArray,
    n_clusters: int,
    diffusion_time: float,
    seed: int,
    counts: IntArray | None,
) -> Iterator[tuple[IntArray, int]]:
    """Labels by k-means, and the number of functions they are read off."""
    generator = np.random.RandomState(seed)
    for n_used in candidate_sizes(n_clusters, eigenvalues.size):
        rows = diffused_rows(
            functions[:, :n_used], eigenvalues[:n_used], diffusion_time
        )
        drawn, drawn_counts = drawn_rows(rows, counts, MAX_ROWS, generator)
        for _ in range(N_STARTS if len(rows) <= FEW_STARTS_ROWS else MANY_STARTS):
            start = int(generator.randint(2**31 - 1))
            kmeans = fitted_kmeans(drawn, n_clusters, drawn_counts, 1, start)
            yield np.asarray(kmeans.predict(rows), dtype=np.int64), n_used


def _by_first_node(labels: IntArray) -> IntArray:
    """Number clusters in the order of their first nodes, so that equal ones compare."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
