"""Label heads for every number of clusters of a curve, on one trunk."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig._fit._problem import Problem
from neuraleig._fit._run import Run
from neuraleig._fit._targets import Targets
from neuraleig._fit._teach import sharpness
from neuraleig._typing import Array
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork, RowLinear, least_squares
from neuraleig.networks._label_heads import LabelHeads
from neuraleig.reading._base import softmax

if TYPE_CHECKING:
    from neuraleig._shard import Shard

# Rows by which the scores of a head are scaled. Fewer than those of the head of the
# fit, which is one: here there are dozens.
SCALED_ROWS = 1_024


@torch.no_grad()
def solve_label_heads(
    network: EigenNetwork, problem: Problem, targets: Targets, run: Run
) -> LabelHeads:
    """Fit a linear label head for every number of clusters of the curve.

    Parameters
    ----------
    network : EigenNetwork
        Trained; its own label head, if it is linear, is that of its number.
    problem : Problem
        Nodes, and their network inputs.
    targets : Targets
        With labels for every number.
    run : Run
        Circumstances.

    Returns
    -------
    heads : LabelHeads
        On the CPU.

    Notes
    -----
    One system of least squares on the rows to which the head of the fit is fitted, as
    far as they are judged. Memory O(n_drawn n_scores), where 30 heads have 465 scores.
    """
    assert targets.curve_labels is not None
    network.eval()
    shard = run.shard
    drawn = problem.drawn(targets.labels, run.seeds.check)
    own = shard.part(len(drawn))
    hidden = problem.inputs(drawn, run.device).mapped(network.trunk, own)
    places = _places(drawn, targets)
    known = places >= 0
    # Numbers begin at one cluster.
    labels = torch.from_numpy(
        targets.curve_labels[:, places[known].numpy()].astype(np.int64)
    )
    is_own = torch.zeros(len(drawn), dtype=torch.bool)
    is_own[own] = True
    hidden = hidden[known[own].to(hidden.device)]
    one_hot = _one_hot(labels[:, is_own[known]]).to(hidden.device)
    weight, bias = least_squares(hidden, one_hot, shard)
    found = LabelHeads(*_scaled(weight, bias, hidden, labels, is_own[known], shard))
    return _with_head_of_fit(found, network)


def _with_head_of_fit(heads: LabelHeads, network: EigenNetwork) -> LabelHeads:
    """Heads with that of the fit in its place."""
    head, number = network.label_head, network.n_clusters
    if isinstance(head, RowLinear) and number <= heads.n_heads:
        heads.weight[heads.rows(number)] = head.weight.cpu()
        heads.bias[heads.rows(number)] = head.bias.cpu()
    return heads


def _places(drawn: Tensor, targets: Targets) -> Tensor:
    """Place of drawn nodes among those that the curve has labels of, or -1."""
    if targets.curve_nodes is None:
        return drawn
    places = torch.full((len(targets.labels),), -1, dtype=torch.int64)
    places[targets.curve_nodes] = torch.arange(len(targets.curve_nodes))
    return places[drawn]


def _one_hot(labels: Tensor) -> Tensor:
    """Indicators of the clusters of every number, side by side."""
    numbers = range(1, len(labels) + 1)
    return torch.cat(
        [F.one_hot(own, k) for k, own in zip(numbers, labels, strict=True)], dim=1
    ).float()


def _scaled(
    weight: Tensor,
    bias: Tensor,
    hidden: Tensor,
    labels: Tensor,
    is_own: Tensor,
    shard: Shard,
) -> tuple[Tensor, Tensor]:
    """Weights and biases whose scores suit the softmax, in float32 on the CPU."""
    before = int(is_own.long().argmax()) if bool(is_own.any()) else SCALED_ROWS
    mine = hidden[: max(SCALED_ROWS - before, 0)].double() @ weight.T + bias
    scores = shard.gathered(mine.cpu())
    start = 0
    factors = torch.ones(len(bias), dtype=torch.float64)
    for k, own in enumerate(labels, 1):
        part = slice(start, start + k)
        start += k
        if k > 1:
            factors[part] = sharpness(scores[:, part], own[: len(scores)])
    weight, bias = factors[:, None] * weight.cpu(), factors * bias.cpu()
    return weight.float(), bias.float()


class _LabelsByHeads(nn.Module):
    """Label head whose scores are the labels of all heads."""

    def __init__(self, heads: LabelHeads, device: torch.device) -> None:
        super().__init__()
        numbers = range(1, heads.n_heads + 1)
        self.heads = nn.ModuleList(heads.head(k) for k in numbers).to(device)

    def forward(self, hidden: Tensor) -> Tensor:
        """Label of every row by every head, as floats."""
        # As Argmax does, softmax and all: it may round scores that differ to a tie.
        found = [softmax(head(hidden)).argmax(dim=1) for head in self.heads]
        return torch.stack(found, dim=1).float()


def labels_by_heads(
    heads: LabelHeads, eigenfunctions: Eigenfunctions, problem: Problem, shard: Shard
) -> Array:
    """Labels of all rows of a problem by every head.

    Parameters
    ----------
    heads : LabelHeads
        Heads.
    eigenfunctions : Eigenfunctions
        Those of the fit.
    problem : Problem
        Rows.
    shard : Shard
        Share of this process.

    Returns
    -------
    labels : ndarray of shape (n_heads, n_rows), unsigned integer
        The scores that are largest: clusters without rows are not left out yet.
    """
    module = copy.copy(eigenfunctions)
    # A shallow copy shares its parts, which must stay as they are.
    module._modules = dict(eigenfunctions._modules)
    network = copy.copy(eigenfunctions.network)
    network._modules = dict(network._modules)
    device = eigenfunctions.shift.device
    network.label_head = _LabelsByHeads(heads, device)
    module.network = network
    _, found = problem.evaluate(module, shard)
    kind = np.min_scalar_type(heads.n_heads)
    labels: Array = np.ascontiguousarray(found.T.astype(kind))
    return labels
