"""Candidate labels of a graph, refined and ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from neuraleig._typing import IntArray
from neuraleig.affinity import Graph
from neuraleig.reading._judge import Judgement, judge_labels
from neuraleig.reading._refine import MAX_ROUNDS, Refiner
from neuraleig.reading._renumbered import numbered_by_first
from neuraleig.reading._splits import least_share

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


def refined_candidates(
    graph: Graph, n_clusters: int, starts: Iterable[tuple[IntArray, int]]
) -> tuple[list[Candidate], list[Candidate]]:
    """Refine labels on a graph, to the end where they may be the best.

    Parameters
    ----------
    graph : Graph
        Judged graph.
    n_clusters : int
        Number of clusters, at most.
    starts : iterable of (labels, n_used)
        Labels of the nodes, and the number of functions that describe them.

    Returns
    -------
    candidates : list of Candidate
        Distinct ones that were refined to the end; at least one.
    others : list of Candidate
        Those that ranked behind after two rounds.
    """
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
