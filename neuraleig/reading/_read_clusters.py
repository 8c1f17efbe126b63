"""Labels by the nearest of a few centres of unit rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.reading._base import (
    Discretizer,
    diffused,
    diffused_rows,
    diffusion_weights,
    exact,
    softmax,
)

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

# Candidate numbers of functions per cluster, of which the best reading is kept.
# Two had the best mean accuracy on 8 sets of 1,400 to 20,000 rows, of which single
# ones wanted others.
FUNCTIONS_PER_CLUSTER = (1.0, 1.5, 2.0, 2.5, 3.0)
# Starts of k-means for each of them; more beyond so many rows, where the rest of a fit
# takes far longer.
# Thirty since one of three seeds of MNIST had 0.864 with ten.
N_STARTS, MANY_STARTS = 10, 30
FEW_STARTS_ROWS = 50_000
# A reading may cut this much more than the best one does. Modularity alone would
# merge small clusters to split large ones; the cut alone likes tiny clusters. Where
# hardly anything need be cut, it may cut a little more, if modularity gains more by it
# than clusters of evener sizes do by themselves: three of shares 0.4, 0.4 and 0.2 have
# 0.03 less than three equal ones, whatever is cut.
# Chosen by accuracy on the sets of the ablation: modularity alone had 0.75 on unequal
# blobs, the cut alone 0.85 on the digits. Other ratios are not on record.
CUT_RATIO = 1.5
CUT_SLACK = 0.01
SLACK_GAIN = 0.05
# Gains in modularity below this are noise: about what moving one row in a thousand
# changes.
MIN_GAIN = 0.001
# Cuts that differ by less are equal.
ROUNDING = 1e-9
# Rows on which k-means is fitted; the others go to the nearest centre.
MAX_ROWS = 10_000


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
    """

    labels: IntArray
    centres: FloatArray
    spread: float
    judgement: Judgement

    @property
    def n_used(self) -> int:
        """Number of functions looked at."""
        return int(self.centres.shape[1])


def candidate_sizes(n_clusters: int, n_components: int) -> list[int]:
    """Numbers of functions to try, from ``n_clusters`` up to ``n_components``."""
    wanted = {int(np.ceil(ratio * n_clusters)) for ratio in FUNCTIONS_PER_CLUSTER}
    return sorted({min(size, n_components) for size in wanted})


def read_clusters(
    functions: Array,
    eigenvalues: FloatArray,
    n_clusters: int,
    judge: Callable[[IntArray], Judgement],
    *,
    diffusion_time: float,
    seed: int,
    judged: IntArray | None = None,
) -> Reading:
    """Best of several k-means of diffused rows, over numbers of functions and starts.

    More functions than clusters tell apart what the leading ones mix up, but how many
    is a matter of the data; within-cluster variance cannot be compared between
    dimensions, what labels are worth on the graph can.

    Parameters
    ----------
    functions : ndarray of shape (n_samples, n_components)
        Eigenfunctions, the constant one first.
    eigenvalues : ndarray of shape (n_components,)
        Their eigenvalues.
    n_clusters : int
        Number of clusters, at most ``n_samples``.
    judge : callable
        Takes labels and returns their ``Judgement``.
    diffusion_time : float
        See :func:`diffused_rows`.
    seed : int
        Seed of the starts.
    judged : ndarray of shape (n_judged,), int64, or None, default=None
        Rows whose labels ``judge`` takes; ``None`` for all.

    Returns
    -------
    reading : Reading
        With consecutive labels; fewer than ``n_clusters`` where there are fewer
        distinct rows.

    Notes
    -----
    Time O(n_judged n_clusters n_components) for each of 50 starts (150 beyond 50,000
    rows), each with one call of ``judge``; k-means sees at most 10,000 rows.
    """
    generator = np.random.RandomState(seed)
    readings = []
    looked_at = functions if judged is None else functions[judged]
    for n_used in candidate_sizes(n_clusters, eigenvalues.size):
        rows = diffused_rows(
            looked_at[:, :n_used], eigenvalues[:n_used], diffusion_time
        )
        drawn = rows
        if rows.shape[0] > MAX_ROWS:
            picked = generator.choice(rows.shape[0], MAX_ROWS, replace=False)
            drawn = rows[np.sort(picked)]
        for _ in range(N_STARTS if len(rows) <= FEW_STARTS_ROWS else MANY_STARTS):
            kmeans = _kmeans(drawn, n_clusters, generator)
            labels = np.asarray(kmeans.predict(rows), dtype=np.int64)
            readings.append(_reading(labels, kmeans.cluster_centers_, rows, judge))
    best = best_reading(readings)
    if judged is None:
        return best
    reader = NearestCentre(best.centres, best.spread, eigenvalues, diffusion_time)
    return replace(best, labels=reader.labels(functions, functions[:, :0]))


def best_reading(readings: Sequence[Reading]) -> Reading:
    """Reading of highest modularity among those that cut little more than need be.

    That is half as much again as the least cut, or 0.01 more for a gain in modularity
    that evener sizes do not explain. A reading with a dead cluster is only better than
    none.
    """
    most = max(len(reading.centres) for reading in readings)
    whole = [reading for reading in readings if len(reading.centres) == most]
    allowed = CUT_RATIO * min(reading.judgement.cut for reading in whole)
    strict = _most_modular(whole, allowed + ROUNDING)
    lenient = _most_modular(whole, allowed + CUT_SLACK)
    gain = lenient.judgement.modularity - strict.judgement.modularity
    return lenient if gain > SLACK_GAIN else strict


def _most_modular(readings: Sequence[Reading], cut: float) -> Reading:
    fair = [reading for reading in readings if reading.judgement.cut <= cut]
    return max(fair, key=lambda reading: reading.judgement.modularity)


def _kmeans(
    rows: FloatArray, n_clusters: int, generator: np.random.RandomState
) -> KMeans:
    # Imported late: it brings half of scikit-learn, and prediction needs none of it.
    from sklearn.cluster import KMeans

    kmeans = KMeans(n_clusters, n_init=1, random_state=generator.randint(2**31 - 1))
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: the caller sees fewer centres.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kmeans.fit(rows)


def _reading(
    labels: IntArray,
    centres: FloatArray,
    rows: FloatArray,
    judge: Callable[[IntArray], Judgement],
) -> Reading:
    occupied, labels = np.unique(labels, return_inverse=True)
    centres = centres[occupied]
    spread = float(np.mean(np.square(rows - centres[labels])))
    return Reading(labels.astype(np.int64), centres, spread, judge(labels))


class NearestCentre(Discretizer):
    """Cluster of the nearest centre among diffused unit rows.

    Parameters
    ----------
    centres : ndarray of shape (n_clusters, n_used)
        Centres of the clusters.
    spread : float
        Mean squared distance of a row from its centre, per dimension.
    eigenvalues : ndarray of shape (n_components,)
        Eigenvalues of the functions.
    diffusion_time : float
        See :func:`diffused_rows`.
    """

    centres: Tensor
    weights: Tensor

    def __init__(
        self,
        centres: FloatArray,
        spread: float,
        eigenvalues: FloatArray,
        diffusion_time: float,
    ) -> None:
        super().__init__()
        weights = diffusion_weights(eigenvalues[: centres.shape[1]], diffusion_time)
        self.register_buffer("centres", exact(centres))
        self.register_buffer("weights", exact(weights))
        self.spread = spread
        self.diffusion_time = diffusion_time

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Posterior of equal round Gaussians at the centres.

        See :meth:`Discretizer.forward`.
        """
        rows = diffused(functions, self.weights)
        # One centre at a time: no (n_samples, n_clusters, n_used) array.
        squared = torch.stack(
            [(rows - centre).square().sum(dim=1) for centre in self.centres], dim=1
        )
        return softmax(-squared / (2 * max(self.spread, np.finfo(np.float64).eps)))
