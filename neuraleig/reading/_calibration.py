"""Calibrated probabilities: how often a label is right, estimated without classes."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor, nn

from neuraleig._device import ordinary_torch
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Graph
from neuraleig.reading._agreement import matched_labels, neighbor_agreement
from neuraleig.reading._base import Discretizer, exact, filled

# Nodes to which the calibration is fitted: three numbers need no more.
MAX_NODES = 8_192
# Squared slope that costs as much as this share of the loss: clusters without doubt
# would take any.
# Not tuned: a tenfold of it changes no figure.
RIDGE = 1e-3
# Bounds of slope and intercept: logits beyond are certain in float32.
MOST_SLOPE, MOST_INTERCEPT = 20.0, 9.0
# The label stays the most probable cluster: by this share of its lead among the
# uncalibrated probabilities, and by a relative lead that float32 can tell from none.
# Not tuned: the odds of such rows are about even.
KEPT_LEAD, LEAST_LEAD = 0.1, 1e-6
# Least standard deviation of margins: copies of one row have none.
ROUNDING = 1e-9


class Calibration(nn.Module):
    r"""Probability that a label is right, by the margin of its row.

    The margin is the distance to the nearest centre of another cluster, less that to
    the centre of the own one; it is taken among the eigenfunctions and among the
    scores of the label head, each in its standard deviations. The probability of the
    label is :math:`1 / (1 + \exp(-a - b\,m))` of the sum :math:`m`, and the other
    clusters share the rest as they did. A label never changes.

    Parameters
    ----------
    function_centres : ndarray of shape (n_clusters, n_components)
        Mean eigenfunctions of the clusters.
    score_centres : ndarray of shape (n_clusters, n_scores)
        Mean scores of the clusters.
    slopes : ndarray of shape (2,)
        Slopes of the margin among functions and of that among scores.
    intercept : float
        Log odds at a margin of 0.
    """

    function_centres: Tensor
    score_centres: Tensor
    slopes: Tensor

    def __init__(
        self,
        function_centres: FloatArray,
        score_centres: FloatArray,
        slopes: FloatArray,
        intercept: float,
    ) -> None:
        super().__init__()
        self.register_buffer("function_centres", exact(function_centres))
        self.register_buffer("score_centres", exact(score_centres))
        self.register_buffer("slopes", exact(slopes))
        self.intercept = float(intercept)

    @classmethod
    def fit(
        cls,
        functions: Array,
        scores: Array,
        labels: IntArray,
        n_clusters: int,
        nodes: IntArray,
        agreement: FloatArray,
        counts: IntArray | None,
        seed: int,
    ) -> Calibration:
        """Fit the calibration to the agreement of readings.

        Parameters
        ----------
        functions : ndarray of shape (n_samples, n_components)
            Eigenfunctions at the training rows.
        scores : ndarray of shape (n_samples, n_scores)
            Scores of the label head there.
        labels : ndarray of shape (n_samples,), int64
            Labels of the rows.
        n_clusters : int
            Number of clusters.
        nodes : ndarray of shape (n_nodes,), int64
            Rows whose agreement is known.
        agreement : ndarray of shape (n_nodes,)
            Probability that the label of such a row is right, between 0 and 1.
        counts : ndarray of shape (n_nodes,), int64, or None
            How often each node counts; ``None``: all alike.
        seed : int
            Seed of the draw where there are more than 8,192 nodes.

        Returns
        -------
        calibration : Calibration
            Its slopes are not negative: the probability rises with the margin.
        """
        centres = [_means(part, labels, n_clusters) for part in (functions, scores)]
        if len(nodes) > MAX_NODES:
            generator = np.random.default_rng(seed)
            drawn = np.sort(generator.choice(len(nodes), MAX_NODES, replace=False))
            nodes, agreement = nodes[drawn], agreement[drawn]
            counts = None if counts is None else counts[drawn]
        own = own_clusters(torch.from_numpy(labels[nodes]), n_clusters)
        margins = [
            margin(exact(values[nodes]), exact(means), own).numpy()
            for values, means in zip((functions, scores), centres, strict=True)
        ]
        deviations = np.array([max(float(m.std()), ROUNDING) for m in margins])
        total = sum(m / d for m, d in zip(margins, deviations, strict=True))
        slope, intercept = _logistic(np.asarray(total), agreement, counts)
        return cls(centres[0], centres[1], slope / deviations, intercept)

    def forward(self, functions: Tensor, scores: Tensor, shares: Tensor) -> Tensor:
        """Calibrated probability of every cluster.

        Parameters
        ----------
        functions : Tensor of shape (n_samples, n_components)
            Eigenfunctions, the constant one first.
        scores : Tensor of shape (n_samples, n_scores)
            Scores of the label head.
        shares : Tensor of shape (n_samples, n_clusters), float64
            Probabilities of a discretiser, whose largest entry is the label.

        Returns
        -------
        probabilities : Tensor of shape (n_samples, n_clusters), float64
            Rows sum to 1. The label of a row is that of ``shares``, also where two of
            its entries are equal. Each row depends on itself alone.
        """
        n_clusters = shares.shape[1]
        if n_clusters == 1:
            return torch.ones_like(shares)
        own = own_clusters(shares.argmax(dim=1), n_clusters)
        of_functions = margin(functions.double(), self.function_centres, own)
        of_scores = margin(scores.double(), self.score_centres, own)
        log_odds = (
            self.intercept + self.slopes[0] * of_functions + self.slopes[1] * of_scores
        )
        rest = torch.where(own, 0.0, shares)
        total = rest.sum(dim=1, keepdim=True)
        alike = torch.where(own, 0.0, 1.0 / (n_clusters - 1))
        rest = torch.where(total > 0, rest / torch.where(total > 0, total, 1.0), alike)
        lead = (shares.amax(dim=1) - torch.where(own, 0.0, shares).amax(dim=1))[:, None]
        even = rest.amax(dim=1, keepdim=True)
        even = even / (1 + even)
        least = (1 + LEAST_LEAD) * even + KEPT_LEAD * (1 - even) * lead
        right = torch.sigmoid(log_odds)[:, None].maximum(least)
        return torch.where(own, right, (1 - right) * rest)

    @ordinary_torch()
    def probabilities(
        self, functions: Array, scores: Array, shares: FloatArray
    ) -> FloatArray:
        """Calibrated probability of every cluster.

        Parameters
        ----------
        functions, scores, shares : ndarray
            As for :meth:`forward`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_clusters)
            Rows sum to 1.
        """
        with torch.inference_mode():
            found: Tensor = self(filled(functions), filled(scores), filled(shares))
        return found[: len(shares)].numpy()


def fit_calibration(
    graph: Graph,
    functions: Array,
    scores: Array,
    labels: IntArray,
    discretizer: Discretizer,
    reading: tuple[IntArray, FloatArray] | None,
    seed: int,
) -> tuple[Calibration, float]:
    """Fit the calibration of the labels of a discretiser.

    Parameters
    ----------
    graph : Graph
        Its nodes are some of the rows.
    functions : ndarray of shape (n_samples, n_components)
        Eigenfunctions at the training rows.
    scores : ndarray of shape (n_samples, n_scores)
        Scores of the label head there.
    labels : ndarray of shape (n_samples,), int64
        Labels of the rows.
    discretizer : Discretizer
        Gives these labels.
    reading : tuple of ndarray of shape (n_nodes,), or None
        Labels read off the exact eigenfunctions, and the agreement of other readings
        with them, NaN where it is not known. ``None``: the agreement of neighbours
        takes its place.
    seed : int
        Seed of a draw of nodes.

    Returns
    -------
    calibration : Calibration
        For the clusters of the discretiser.
    confidence : float
        Mean probability of the labels of up to 8,192 rows.
    """
    at_nodes = labels[graph.index]
    if reading is None:
        agreement = neighbor_agreement(graph.weights, at_nodes)
    else:
        read, agreement = reading
        same = matched_labels(at_nodes, read) == at_nodes
        # Those who disagree with another label may mean this one.
        agreement = np.where(same, agreement, 1 - agreement)
    known = np.isfinite(agreement)
    counts = graph.relative_counts
    calibration = Calibration.fit(
        functions,
        scores,
        labels,
        discretizer.n_clusters,
        graph.index[known],
        agreement[known],
        None if counts is None else counts[known],
        seed,
    )
    rows = np.arange(len(labels))
    if len(rows) > MAX_NODES:
        rows = np.random.default_rng(seed).choice(rows, MAX_NODES, replace=False)
    sample = functions[rows], scores[rows]
    shares = discretizer.probabilities(*sample)
    found = calibration.probabilities(*sample, shares)
    return calibration, float(found.max(axis=1).mean())


def own_clusters(labels: Tensor, n_clusters: int) -> Tensor:
    """Which cluster each row belongs to, as booleans (n_samples, n_clusters)."""
    return labels[:, None] == torch.arange(n_clusters, device=labels.device)


def margin(values: Tensor, centres: Tensor, own: Tensor) -> Tensor:
    """Distance to the nearest other centre, less the distance to the own one.

    Parameters
    ----------
    values : Tensor of shape (n_samples, n_values), float64
        Rows.
    centres : Tensor of shape (n_clusters, n_values), float64
        Centres.
    own : Tensor of shape (n_samples, n_clusters), bool
        True at the cluster of each row.

    Returns
    -------
    margin : Tensor of shape (n_samples,)
        Negative where another centre is nearer; 0 of a single cluster.
    """
    if len(centres) == 1:
        return torch.zeros_like(values[:, 0])
    # One centre at a time: no (n_samples, n_clusters, n_values) array, and no product
    # of matrices, which rounds a row by its company.
    distances = torch.stack(
        [(values - centre).square().sum(dim=1).sqrt() for centre in centres], dim=1
    )
    others = torch.where(own, torch.inf, distances).amin(dim=1)
    return others - torch.where(own, distances, 0.0).sum(dim=1)


def _means(values: Array, labels: IntArray, n_clusters: int) -> FloatArray:
    """Mean of every cluster, column by column."""
    # Rounding may leave a cluster without rows: its mean is 0.
    sizes = np.maximum(np.bincount(labels, minlength=n_clusters), 1)
    return np.stack(
        [np.bincount(labels, column, n_clusters) / sizes for column in values.T], 1
    )


def _logistic(
    margins: FloatArray, targets: FloatArray, counts: IntArray | None
) -> tuple[float, float]:
    """Slope and intercept of the most likely log odds."""
    weights = np.ones(len(margins)) if counts is None else counts.astype(np.float64)
    weights = weights / weights.sum()

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        log_odds = x[0] * margins + x[1]
        entropy = weights @ (np.logaddexp(0, log_odds) - targets * log_odds)
        error = weights * (expit(log_odds) - targets)
        slope = error @ margins + 2 * RIDGE * x[0]
        return float(entropy + RIDGE * x[0] ** 2), np.array([slope, error.sum()])

    bounds = [(0.0, MOST_SLOPE), (-MOST_INTERCEPT, MOST_INTERCEPT)]
    found = minimize(loss, [0.1, 0.0], jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1])
