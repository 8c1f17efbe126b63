"""k-means of some of the rows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from neuraleig._device import CPU
from neuraleig._typing import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

# A start has ended when the squared shift of its centres is below so many mean
# variances of the rows, or after so many rounds, as in scikit-learn.
TOLERANCE = 1e-4
MAX_ROUNDS = 300
# Distances between rows and centres that are computed at once: what stays in the cache.
TILE = 2**17


def drawn_rows(
    rows: FloatArray,
    counts: IntArray | None,
    n_most: int,
    generator: np.random.RandomState,
) -> tuple[FloatArray, IntArray | None]:
    """At most so many rows, drawn at random, and their counts."""
    if len(rows) <= n_most:
        return rows, counts
    drawn = np.sort(generator.choice(len(rows), n_most, replace=False))
    return rows[drawn], None if counts is None else counts[drawn]


def fitted_kmeans(
    rows: FloatArray, n_clusters: int, counts: IntArray | None, n_init: int, seed: int
) -> KMeans:
    """k-means of rows that count as often as ``counts`` says; ``None``: all alike."""
    # Imported late: it brings half of scikit-learn, and prediction needs none of it.
    from sklearn.cluster import KMeans

    kmeans = KMeans(n_clusters, n_init=n_init, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: callers leave out clusters without rows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kmeans.fit(rows, sample_weight=counts)


def kmeans_labels(
    rows: FloatArray,
    n_clusters: int,
    counts: IntArray | None,
    n_starts: int,
    generator: np.random.RandomState,
    *,
    n_most: int,
    device: torch.device = CPU,
) -> IntArray:
    """Labels by k-means of several starts, which share their products.

    Every start is that of scikit-learn's ``KMeans``, greedy k-means++ and Lloyd's
    rounds, in float32. One by one most of its time would go to many small products.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows.
    n_clusters : int
        Number of clusters.
    counts : ndarray of shape (n_rows,) or None
        How often every row counts; ``None``: all alike.
    n_starts : int
        Number of starts.
    generator : RandomState
        Draws rows and starts.
    n_most : int
        Rows that centres are fitted to, at most; the others go to the nearest one.
    device : torch.device, default=CPU
        Where it is computed.

    Returns
    -------
    labels : ndarray of shape (n_starts, n_rows), int32
        From 0. A cluster may be empty where there are few distinct rows.

    Notes
    -----
    Time O(n_starts n_clusters n_rows n_features) per round. Memory 4 bytes per row and
    feature, 4 per row and start, and 32 per row that is fitted and start.
    """
    drawn, drawn_counts = drawn_rows(rows, counts, n_most, generator)
    centre = drawn.mean(axis=0)
    fitted = _moved(drawn - centre, device)
    weights = torch.ones(len(drawn), device=device)
    if drawn_counts is not None:
        weights = _moved(drawn_counts, device)
    centres = _spread_centres(fitted, weights, n_clusters, n_starts, generator)
    least = TOLERANCE * float(fitted.var(dim=0, correction=0).mean())
    active = torch.arange(n_starts, device=device)
    for _ in range(MAX_ROUNDS):
        before = centres[active]
        after = _means(fitted, weights, _nearest(fitted, before), before)
        centres[active] = after
        active = active[(after - before).square().sum(dim=(1, 2)) > least]
        if not len(active):
            break
    everything = fitted if len(drawn) == len(rows) else _moved(rows - centre, device)
    return np.asarray(_nearest(everything, centres).T.to(torch.int32).cpu())


def _moved(values: FloatArray | IntArray, device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)


def _spread_centres(
    rows: Tensor,
    weights: Tensor,
    n_clusters: int,
    n_starts: int,
    generator: np.random.RandomState,
) -> Tensor:
    """Rows far from each other, of shape (n_starts, n_clusters, n_features)."""
    n_trials = 2 + int(np.log(n_clusters))
    draws = torch.from_numpy(generator.random_sample((n_clusters, n_starts, n_trials)))
    norms = rows.square().sum(dim=1)
    starts = torch.arange(n_starts, device=rows.device)
    closest = torch.ones((n_starts, len(rows)), device=rows.device)
    chosen = []
    for number, draw in enumerate(draws.to(rows.device)):
        cumulative = (closest * weights).double().cumsum(dim=1)
        trials = torch.searchsorted(cumulative, draw * cumulative[:, -1:])
        trials = trials.clamp_(max=len(rows) - 1)
        products = torch.addmm(norms, rows[trials.flatten()], rows.T, alpha=-2)
        distances = products.view(n_starts, n_trials, -1)
        distances = distances.add_(norms[trials][..., None]).clamp_(min=0)
        # The first is any row: starts differ most by it.
        best = torch.zeros_like(starts)
        if number > 0:
            distances = torch.minimum(distances, closest[:, None])
            best = (distances @ weights).argmin(dim=1)
        closest = distances[starts, best]
        chosen.append(trials[starts, best])
    return rows[torch.stack(chosen, dim=1)]


def _nearest(rows: Tensor, centres: Tensor) -> Tensor:
    """Number of the nearest centre of every start, of shape (n_rows, n_starts)."""
    n_starts, n_clusters, _ = centres.shape
    flat = centres.flatten(end_dim=1)
    # Squared distances but for the norms of the rows.
    norms = flat.square().sum(dim=1)
    labels = torch.empty((len(rows), n_starts), dtype=torch.int64, device=rows.device)
    n_rows = max(TILE // len(flat), 1)
    parts = zip(torch.split(rows, n_rows), torch.split(labels, n_rows), strict=True)
    for part, own in parts:
        distances = torch.addmm(norms, part, flat.T, alpha=-2)
        own.copy_(distances.view(-1, n_starts, n_clusters).min(dim=2).indices)
    return labels


def _means(rows: Tensor, weights: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
    """Weighted means of the rows of every label; centres without rows stay."""
    n_starts, n_clusters, n_features = centres.shape
    weighted = torch.cat([rows * weights[:, None], weights[:, None]], dim=1)
    sums = torch.zeros(
        (n_starts * n_clusters, n_features + 1), dtype=rows.dtype, device=rows.device
    )
    for start in range(n_starts):
        sums.index_add_(0, labels[:, start] + start * n_clusters, weighted)
    sums = sums.view(n_starts, n_clusters, -1)
    total = sums[..., -1:]
    return torch.where(total > 0, sums[..., :-1] / total, centres)
