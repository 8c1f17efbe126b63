"""Labels read off eigenfunctions, chosen by their worth on the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from neuraleig._device import CPU
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Graph
from neuraleig.reading._agreement import reading_agreement
from neuraleig.reading._base import DIFFUSION_TIME, diffused_rows
from neuraleig.reading._candidates import (
    Candidate,
    ranked_candidates,
    refined_candidates,
)
from neuraleig.reading._judge import Judgement, judged_graph
from neuraleig.reading._kmeans import kmeans_labels
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
        judged,
        diffusion_time=diffusion_time,
        seed=seed,
        n_starts=n_starts,
        device=device,
    )
    candidates, others = refined_candidates(judged, n_clusters, starts)
    best = ranked_candidates(candidates)[0]
    labels = best.labels.astype(np.int64)
    agreement = _agreement(best, [*candidates, *others])
    reader = NearestCentre.of_labels(
        table, labels, eigenvalues, best.n_used, judged.relative_counts, diffusion_time
    )
    if nodes is not None:
        everywhere = reader.labels(functions, functions[:, :0])
        everywhere[nodes] = labels
        labels = refined_labels(graph, everywhere)
        agreement = _agreement_everywhere(agreement, nodes, labels == everywhere)
    return Reading(
        labels, reader.centres.numpy(), reader.spread, best.judgement, agreement
    )


def _agreement(best: Candidate, candidates: Sequence[Candidate]) -> FloatArray:
    """Agreement with a candidate of those that have as many clusters."""
    whole = [found for found in candidates if found.n_clusters == best.n_clusters]
    labels = best.labels.astype(np.int64)
    cuts = [found.judgement.cut for found in whole]
    return reading_agreement(labels, [found.labels for found in whole], cuts)


def _agreement_everywhere(
    agreement: FloatArray, nodes: IntArray, stays: NDArray[np.bool_]
) -> FloatArray:
    """Agreement of judged nodes at all nodes; ``stays``: whether labels were kept."""
    found = np.full(stays.size, np.nan)
    found[nodes] = agreement
    # Those who disagree with another label may mean this one.
    return np.where(stays, found, 1.0 - found)


def _starts(
    functions: Array,
    eigenvalues: FloatArray,
    n_clusters: int,
    graph: Graph,
    *,
    diffusion_time: float,
    seed: int,
    n_starts: int,
    device: torch.device,
) -> Iterator[tuple[IntArray, int]]:
    """Labels by splits and k-means, and the number of functions that describe them."""
    split = split_clusters(graph, functions, n_clusters)
    if split is not None:
        yield split, min(int(np.ceil(DESCRIBED_BY * n_clusters)), eigenvalues.size)
    generator = np.random.RandomState(seed)
    for n_used in candidate_sizes(n_clusters, eigenvalues.size):
        rows = diffused_rows(
            functions[:, :n_used], eigenvalues[:n_used], diffusion_time
        )
        found = kmeans_labels(
            rows,
            n_clusters,
            graph.relative_counts,
            n_starts,
            generator,
            n_most=MAX_ROWS,
            device=device,
        )
        for labels in found:
            yield labels.astype(np.int64), n_used
