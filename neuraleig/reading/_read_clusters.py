"""Labels read off eigenfunctions, chosen by their worth on the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress

import numpy as np
import torch

from neuraleig._device import CPU
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Graph
from neuraleig.reading._agreement import reading_agreement
from neuraleig.reading._base import DIFFUSION_TIME, diffused_rows
from neuraleig.reading._judge import Judgement, judge_labels, judged_graph
from neuraleig.reading._kmeans import kmeans_labels
from neuraleig.reading._nearest_centre import NearestCentre
from neuraleig.reading._refine import MAX_ROUNDS, Refiner, refined_labels
from neuraleig.reading._renumbered import numbered_by_first
from neuraleig.reading._splits import least_share, split_clusters

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
# Clusters of k-means have at least this share of what the sides of a split have.
# Chosen on letter, where groups of near copies are cut off for next to nothing: without
# it clusters have 32 of 18,668 rows, and the adjusted Rand index is 0.02, not 0.15.
SIZEABLE = 0.5
# Rounds of moves after which candidates are ranked, and how many go on: this share of
# them, and so many at least. On 60 graphs of the suite, 66 of unlike sizes and five
# tables, four seeds, all of them have the same mean adjusted Rand index (0.855, 0.952
# and 0.639; 0.637 here).
EARLY_ROUNDS = 2
LATE_SHARE, LEAST_LATE = 0.25, 4
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
    least_share : float
        Share of the smallest cluster in the volume of the judged graph.
    """

    labels: IntArray
    n_used: int
    judgement: Judgement
    least_share: float

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
    diffusion_time: float = DIFFUSION_TIME,
    seed: int,
    n_starts: int | None = None,
    device: torch.device = CPU,
) -> Reading:
    """Labels of the best candidate, by normalised cut and modularity on the graph.

    Candidates are k-means of diffused rows, over numbers of functions and starts, and
    repeated splits along the functions, which find small clusters beside large ones.
    They are compared after two rounds of moves on the graph, and the best quarter once
    more after up to ten. Within-cluster variance
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
    diffusion_time : float, default=10.0
        See :func:`diffused_rows`.
    seed : int
        Seed of k-means, and of the draw of edges.
    n_starts : int or None, default=None
        Starts of k-means for every number of functions; ``None``: 10, and 30 beyond
        50,000 rows.
    device : torch.device, default=CPU
        Device of k-means.

    Returns
    -------
    reading : Reading
        With consecutive labels; fewer than ``n_clusters`` where there are fewer
        distinct rows.

    Notes
    -----
    Time O(n_judged n_clusters n_components + n_edges) for each of 5 ``n_starts`` and
    O(n_edges) for each of 16 ``n_clusters`` sweeps; k-means is fitted to at most 10,000
    rows. Memory 8 bytes per judged node and start.
    """
    judged, nodes = judged_graph(graph, seed)
    table = functions if nodes is None else functions[nodes]
    if n_starts is None:
        n_starts = N_STARTS if len(table) <= FEW_STARTS_ROWS else MANY_STARTS
    starts = _starts(
        table,
        eigenvalues,
        n_clusters,
        judged.relative_counts,
        diffusion_time=diffusion_time,
        seed=seed,
        n_starts=n_starts,
        device=device,
    )
    split = split_clusters(judged, table, n_clusters)
    if split is not None:
        described = min(int(np.ceil(DESCRIBED_BY * n_clusters)), eigenvalues.size)
        starts = chain([(split, described)], starts)
    candidates, others = _candidates(judged, n_clusters, starts)
    best = ranked_candidates(candidates)[0]
    labels = best.labels.astype(np.int64)
    agreement = _agreement(best, [*candidates, *others])
    reader = NearestCentre.of_labels(
        table, labels, eigenvalues, best.n_used, judged.relative_counts, diffusion_time
    )
    if nodes is not None:
        everywhere = reader.labels(functions, functions[:, :0])
        everywhere[nodes] = labels
        known, agreement = agreement, np.full(len(functions), np.nan)
        agreement[nodes] = known
        labels = refined_labels(graph, everywhere)
        # Those who disagree with another label may mean this one.
        agreement = np.where(labels == everywhere, agreement, 1.0 - agreement)
    return Reading(
        labels, reader.centres.numpy(), reader.spread, best.judgement, agreement
    )


def _candidates(
    graph: Graph, n_clusters: int, starts: Iterable[tuple[IntArray, int]]
) -> tuple[list[Candidate], list[Candidate]]:
    """Distinct candidates that were refined to the end, and others that were not."""
    search = _Search(graph, n_clusters)
    early = [search.refined(start, n_used, EARLY_ROUNDS) for start, n_used in starts]
    ranked = ranked_candidates([found for found in early if found is not None])
    # What cuts least may decide which others count.
    least = sorted(candidate.judgement.cut for candidate in ranked)[:LEAST_LATE][-1]
    n_late = max(LEAST_LATE, int(np.ceil(LATE_SHARE * len(ranked))))
    goes_on = [
        place < n_late or candidate.judgement.cut <= least
        for place, candidate in enumerate(ranked)
    ]
    late = [
        search.refined(candidate.labels.astype(np.int64), candidate.n_used)
        for candidate in compress(ranked, goes_on)
    ]
    rest = list(compress(ranked, np.logical_not(goes_on)))
    return [found for found in late if found is not None], rest


class _Search:
    """Refines labels, equal ones once."""

    def __init__(self, graph: Graph, n_clusters: int) -> None:
        self._graph = graph
        self._kind = np.min_scalar_type(n_clusters)
        self._refiner = Refiner(graph)
        self._known: set[tuple[int, int]] = set()

    def refined(
        self, labels: IntArray, n_used: int, max_rounds: int = MAX_ROUNDS
    ) -> Candidate | None:
        """Candidate of refined labels; ``None`` if they were found before."""
        labels = numbered_by_first(labels)
        before = hash(labels.tobytes()), max_rounds
        if before in self._known:
            return None
        labels = numbered_by_first(self._refiner.refined(labels, max_rounds))
        after = hash(labels.tobytes()), max_rounds
        is_new = after == before or after not in self._known
        self._known |= {before, after}
        if not is_new:
            return None
        volumes = np.bincount(labels, self._graph.degrees)
        share = float(volumes.min() / max(volumes.sum(), np.finfo(float).tiny))
        judgement = judge_labels(self._graph, labels)
        return Candidate(labels.astype(self._kind), n_used, judgement, share)


def ranked_candidates(candidates: Sequence[Candidate]) -> list[Candidate]:
    r"""Candidates that cut little more than need be by modularity, then others by cut.

    With the least cut per cluster :math:`m`, a candidate may cut
    :math:`1.05 + 0.95\, m / (m + 0.007)` times as much as the least. A candidate with
    fewer clusters than others, or that cuts off a cluster of less than half of
    :func:`least_share`, comes last unless all are like that.
    """
    most = max(candidate.n_clusters for candidate in candidates)
    fewest = SIZEABLE * least_share(most)

    def is_whole(candidate: Candidate) -> bool:
        return candidate.n_clusters == most

    def is_sizeable(candidate: Candidate) -> bool:
        # Components are clusters, however small they are.
        is_fair = candidate.least_share >= fewest or candidate.judgement.cut <= ROUNDING
        return is_whole(candidate) and is_fair

    counts = is_sizeable if any(map(is_sizeable, candidates)) else is_whole
    least = min(c.judgement.cut for c in candidates if counts(c))
    share = least / most / (least / most + HALF_RATIO_CUT)
    allowed = least * (LEAST_RATIO + (MOST_RATIO - LEAST_RATIO) * share) + ROUNDING

    def rank(candidate: Candidate) -> tuple[bool, float]:
        cut, modularity = candidate.judgement
        is_out = not counts(candidate) or cut > allowed
        return is_out, cut if is_out else -modularity

    return sorted(candidates, key=rank)


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
    counts: IntArray | None,
    *,
    diffusion_time: float,
    seed: int,
    n_starts: int,
    device: torch.device,
) -> Iterator[tuple[IntArray, int]]:
    """Labels by k-means, and the number of functions they are read off."""
    generator = np.random.RandomState(seed)
    for n_used in candidate_sizes(n_clusters, eigenvalues.size):
        rows = diffused_rows(
            functions[:, :n_used], eigenvalues[:n_used], diffusion_time
        )
        found = kmeans_labels(
            rows,
            n_clusters,
            counts,
            n_starts,
            generator,
            n_most=MAX_ROWS,
            device=device,
        )
        for labels in found:
            yield labels.astype(np.int64), n_used
