"""Clusters of tokens: the final label head, whatever they were found by."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from neuraleig._typing import IntArray
from neuraleig.networks import EigenNetwork, OrthogonalLinear, RowLinear

# Starts of k-means on the hidden units, and tokens that it is fitted to.
N_STARTS = 10
MAX_ROWS = 50_000


@torch.no_grad()
def label_head(
    network: EigenNetwork,
    hidden: Tensor,
    assign_labels: str,
    n_clusters: int,
    seed: int,
) -> tuple[nn.Module, IntArray]:
    """Linear map from hidden units to scores of the clusters, and labels.

    The nearest of some centres is the largest of linear scores as well, so that one
    kind of head serves both assignments. Clusters without tokens are left out.

    Parameters
    ----------
    network : EigenNetwork
        Trained.
    hidden : Tensor of shape (n_tokens, n_hidden)
        What its trunk says of a sample of tokens.
    assign_labels : {"argmax", "kmeans"}
        Clusters of its label head, or of k-means on the hidden units.
    n_clusters : int
        Number of clusters asked for.
    seed : int
        Seed of k-means.

    Returns
    -------
    head : RowLinear
        On the device of ``hidden``.
    labels : ndarray of shape (n_tokens,), int64
        Labels of the sample, each of which some token has.
    """
    if assign_labels == "kmeans":
        weight, bias = _nearest_centre(hidden, n_clusters, seed)
    else:
        weight, bias = _weights_of(network.label_head)
    weight, bias = weight.to(hidden), bias.to(hidden)
    found = (hidden @ weight.T + bias).argmax(dim=1).cpu().numpy()
    alive, labels = np.unique(found, return_inverse=True)
    kept = torch.from_numpy(alive).to(hidden.device)
    head = RowLinear(hidden.shape[1], alive.size).to(hidden.device)
    head.weight.copy_(weight[kept])
    head.bias.copy_(bias[kept])
    return head, labels.astype(np.int64)


def _weights_of(head: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a head."""
    if isinstance(head, OrthogonalLinear):
        return head.weight, head.weight.new_zeros(head.weight.shape[0])
    assert isinstance(head, RowLinear)
    return head.weight, head.bias


def _nearest_centre(
    hidden: Tensor, n_clusters: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Scores that are log posteriors of equal round Gaussians, up to a constant."""
    # Imported late: it brings half of scikit-learn, and prediction needs none of it.
    from sklearn.cluster import KMeans

    rows = hidden.cpu().numpy().astype(np.float64)
    generator = np.random.RandomState(seed)
    drawn = rows
    if len(rows) > MAX_ROWS:
        drawn = rows[np.sort(generator.choice(len(rows), MAX_ROWS, replace=False))]
    kmeans = KMeans(min(n_clusters, len(drawn)), n_init=N_STARTS, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: dead ones are left out, and told of.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans.fit(drawn)
    centres = torch.from_numpy(kmeans.cluster_centers_)
    spread = max(kmeans.inertia_ / drawn.size, float(np.finfo(np.float32).eps))
    return centres / spread, -centres.square().sum(dim=1) / (2 * spread)


def merged_scores(scores: Tensor, groups: IntArray) -> Tensor:
    """Scores of unions of clusters: their probabilities are the sums of the members'.

    Parameters
    ----------
    scores : Tensor of shape (..., n_clusters)
        Scores whose softmax are probabilities.
    groups : ndarray of shape (n_clusters,), int64
        Union that each belongs to; consecutive from 0.

    Returns
    -------
    scores : Tensor of shape (..., n_groups)
        Those of single clusters as they were.
    """
    n_groups = int(groups.max()) + 1
    if n_groups == groups.size:
        return scores[..., torch.from_numpy(np.argsort(groups)).to(scores.device)]
    found = [torch.from_numpy(np.flatnonzero(groups == g)) for g in range(n_groups)]
    members = [own.to(scores.device) for own in found]
    return torch.stack([scores[..., m].logsumexp(dim=-1) for m in members], dim=-1)
