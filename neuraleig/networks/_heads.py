"""Last layers: linear maps, and what turns scores into soft assignments."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig._shard import ALONE, Shard

Head = Literal["linear", "orthogonal"]
Assignment = Literal["softmax", "gumbel_softmax"]
HEADS: tuple[str, ...] = get_args(Head)
ASSIGNMENTS: tuple[str, ...] = get_args(Assignment)

# Shrinkage of least squares, in mean variances of an input.
# Chosen over the sets of the benchmarks, by held-out accuracy among others.
RIDGE = 1e-3


class RowLinear(nn.Linear):
    """Linear map that rounds a row alike wherever in the batch it stands.

    CPU kernels for few outputs do not, unless the weight is the left factor. Outputs
    are stored column by column, as the next such map wants its inputs.

    Parameters
    ----------
    in_features : int
        Width of the inputs.
    out_features : int
        Width of the outputs.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        # With a bias, which the forward pass counts on.
        super().__init__(in_features, out_features)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map rows.

        Parameters
        ----------
        inputs : Tensor of shape (n_rows, in_features)
            Activations of the layer before.

        Returns
        -------
        outputs : Tensor of shape (n_rows, out_features)
            Of the type of ``inputs``.
        """
        return torch.addmm(self.bias[:, None], self.weight, inputs.mT).mT


class OrthogonalLinear(nn.Module):
    """Linear map whose weight has orthonormal rows.

    The published recipe loses ten points of mean IoU without it: free rows soon
    become parallel, and clusters die.

    Parameters
    ----------
    n_inputs : int
        Width of the inputs, at least ``n_outputs``.
    n_outputs : int
        Width of the outputs.
    """

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.randn(n_inputs, n_outputs))

    @property
    def weight(self) -> Tensor:
        """Orthonormal rows, of shape (n_outputs, n_inputs)."""
        basis, triangle = torch.linalg.qr(self.raw)
        # The sign that makes the factorisation unique, hence differentiable.
        signs = torch.where(triangle.diagonal() < 0, -1.0, 1.0)
        weight: Tensor = (basis * signs).T
        return weight

    def forward(self, inputs: Tensor) -> Tensor:
        """Map rows.

        Parameters
        ----------
        inputs : Tensor of shape (n_rows, n_inputs)
            Activations of the layer before.

        Returns
        -------
        outputs : Tensor of shape (n_rows, n_outputs)
            Of the type of ``inputs``.
        """
        # The weight on the left, see RowLinear.
        return (self.weight @ inputs.mT).mT


class SoftAssignment(nn.Module):
    """Softmax of scores, with Gumbel noise in training if asked for.

    Parameters
    ----------
    noise : bool, default=False
        Add Gumbel noise in training mode: the recipe's discrete variant, which
        collapses without it.

    Attributes
    ----------
    temperature : float
        Divides the scores in training mode; a schedule may change it.
    """

    def __init__(self, *, noise: bool = False) -> None:
        super().__init__()
        self.noise = noise
        self.temperature = 1.0

    def forward(self, logits: Tensor) -> Tensor:
        """Turn scores into soft assignments.

        Parameters
        ----------
        logits : Tensor of shape (n_rows, n_clusters)
            Scores.

        Returns
        -------
        assignments : Tensor of shape (n_rows, n_clusters)
            Non-negative; rows sum to 1.
        """
        if not self.training:
            return F.softmax(logits, dim=1)
        if self.noise:
            return F.gumbel_softmax(logits, tau=self.temperature, dim=1)
        return F.softmax(logits / self.temperature, dim=1)


def least_squares(
    inputs: Tensor, targets: Tensor, shard: Shard = ALONE
) -> tuple[Tensor, Tensor]:
    """Linear map of least squared error, a little shrunk.

    Parameters
    ----------
    inputs : Tensor of shape (n_rows, n_inputs)
        What the map is given.
    targets : Tensor of shape (n_rows, n_outputs)
        What it should say.
    shard : Shard, default=ALONE
        Whose rows these are; the map is that of the rows of all processes.

    Returns
    -------
    weight : Tensor of shape (n_outputs, n_inputs), float64
        The map.
    bias : Tensor of shape (n_outputs,), float64
        Not shrunk.
    """
    n_inputs = inputs.shape[1]
    rows = torch.cat([inputs.double(), targets.double()], dim=1)
    sums = shard.total(torch.cat([rows.sum(dim=0), rows.new_tensor([len(rows)])]))
    means, n_rows = sums[:-1] / sums[-1], sums[-1]
    rows -= means
    mean, target_mean = means[:n_inputs], means[n_inputs:]
    products = shard.total(rows[:, :n_inputs].T @ rows) / n_rows
    covariance, moments = products[:, :n_inputs], products[:, n_inputs:]
    shrinkage = RIDGE * covariance.diagonal().mean() + torch.finfo(torch.float32).tiny
    covariance.diagonal().add_(shrinkage)
    weight = torch.linalg.solve(covariance, moments).T
    return weight, target_mean - weight @ mean


def make_head(head: Head, n_inputs: int, n_outputs: int) -> nn.Module:
    """Make the last layer that the estimators' ``head`` names."""
    if head == "orthogonal":
        return OrthogonalLinear(n_inputs, n_outputs)
    return RowLinear(n_inputs, n_outputs)
