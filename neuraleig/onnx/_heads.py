"""Parts of exported models: inputs, eigenfunctions and cluster probabilities.

The only module that reproduces discretisers as torch modules.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig._standardize import FARTHEST, bounded
from neuraleig._typing import Array
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork, OrthogonalLinear
from neuraleig.reading import (
    Argmax,
    ClusterQR,
    Discretizer,
    NearestCentre,
    Renumbered,
    diffusion_weights,
)

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def frozen_copy(module: ModuleT) -> ModuleT:
    """Copy a module to the CPU, in evaluation mode and without gradients."""
    return copy.deepcopy(module).cpu().eval().requires_grad_(False)


def frozen_network(eigenfunctions: Eigenfunctions) -> EigenNetwork:
    """Copy a fitted network; ONNX has no QR, so heads become linear maps."""
    network = frozen_copy(cast(EigenNetwork, eigenfunctions.network))
    network.function_head = _linear(network.function_head)
    network.label_head = _linear(network.label_head)
    return network


def _linear(head: nn.Module) -> nn.Module:
    if not isinstance(head, OrthogonalLinear):
        return head
    weight = head.weight.detach()
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    return linear


class Standardize(nn.Module):
    """Rows as the network takes them, equal to ``Standardization.apply``."""

    shift: Tensor

    def __init__(self, eigenfunctions: Eigenfunctions) -> None:
        super().__init__()
        self.register_buffer("shift", eigenfunctions.shift.cpu().clone())
        self.scale = float(eigenfunctions.scale)
        self.bound = float(eigenfunctions.bound)

    def forward(self, X: Tensor) -> Tensor:
        """Return standardised rows in float32."""
        reach = FARTHEST * self.scale
        moved = (X.double() - self.shift).clamp(-reach, reach)
        return bounded((moved / self.scale).float(), self.bound)


class FunctionHead(nn.Module):
    """Eigenfunctions (n_rows, n_components) of hidden features (n_rows, n_hidden).

    The constant function comes first, unless ``constant`` is False.
    """

    mean: Tensor
    rotation: Tensor
    offset: Tensor

    def __init__(
        self, head: nn.Module, eigenfunctions: Eigenfunctions, constant: bool = True
    ) -> None:
        super().__init__()
        self.head = head
        mean, rotation = (
            tensor.detach().cpu().clone()
            for tensor in (eigenfunctions.mean, eigenfunctions.rotation)
        )
        offset = torch.zeros(rotation.shape[1])
        if constant:
            # 0 times the functions plus 1: no node depends on the number of rows.
            rotation = F.pad(rotation, (1, 0))
            offset = F.pad(offset, (1, 0), value=1.0)
        self.register_buffer("mean", mean)
        self.register_buffer("rotation", rotation)
        self.register_buffer("offset", offset)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the functions."""
        functions: Tensor = (self.head(hidden) - self.mean) @ self.rotation
        return functions + self.offset


class HeadLabels(nn.Module):
    """Probabilities of :class:`~neuraleig.reading.Argmax`."""

    clusters: Tensor

    def __init__(self, discretizer: Argmax) -> None:
        super().__init__()
        self.register_buffer("clusters", torch.from_numpy(discretizer.clusters))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Return float64 probabilities of shape (n_rows, n_clusters)."""
        return _softmax(logits[:, self.clusters])


class CentreLabels(nn.Module):
    """Probabilities of :class:`~neuraleig.reading.NearestCentre`."""

    weights: Tensor
    centres: Tensor

    def __init__(self, discretizer: NearestCentre) -> None:
        super().__init__()
        centres = discretizer.centres
        self.register_buffer("weights", _weights(discretizer, centres.shape[1]))
        self.register_buffer("centres", _constant(centres))
        self.spread = 2 * max(discretizer.spread, float(np.finfo(np.float64).eps))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Return float64 probabilities of shape (n_rows, n_clusters)."""
        rows = _diffused(functions, self.weights)
        squared = (rows[:, None] - self.centres).square().sum(dim=2)
        return _softmax(-squared / self.spread)


class RotatedLabels(nn.Module):
    """Probabilities of :class:`~neuraleig.reading.ClusterQR`."""

    weights: Tensor
    rotation: Tensor

    def __init__(self, discretizer: ClusterQR) -> None:
        super().__init__()
        rotation = discretizer.rotation
        self.register_buffer("weights", _weights(discretizer, rotation.shape[0]))
        self.register_buffer("rotation", _constant(rotation))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Return float64 probabilities of shape (n_rows, n_clusters)."""
        squared = (_diffused(functions, self.weights) @ self.rotation).square()
        total = squared.sum(dim=1, keepdim=True)
        shares = squared / torch.where(total > 0, total, 1.0)
        return torch.where(total > 0, shares, 1.0 / self.rotation.shape[1])


class RenumberedLabels(nn.Module):
    """Probabilities of clusters that a stream has renumbered."""

    order: Tensor

    def __init__(self, discretizer: Renumbered) -> None:
        super().__init__()
        self.probabilities = label_module(discretizer.discretizer)
        self.register_buffer("order", torch.from_numpy(discretizer.order))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Return float64 probabilities of shape (n_rows, n_clusters)."""
        probabilities: Tensor = self.probabilities(functions, logits)
        return probabilities[:, self.order]


LABELS: dict[type, Callable[[Any], nn.Module]] = {
    Argmax: HeadLabels,
    NearestCentre: CentreLabels,
    ClusterQR: RotatedLabels,
    Renumbered: RenumberedLabels,
}


def label_module(discretizer: Discretizer) -> nn.Module:
    """Return the module with the probabilities of a fitted discretiser."""
    return LABELS[type(discretizer)](discretizer)


def _constant(values: Array) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))


def _weights(discretizer: NearestCentre | ClusterQR, n_used: int) -> Tensor:
    eigenvalues = discretizer.eigenvalues[:n_used]
    return _constant(diffusion_weights(eigenvalues, discretizer.diffusion_time))


def _diffused(functions: Tensor, weights: Tensor) -> Tensor:
    """Return weighted rows of unit norm, as ``diffused_rows``."""
    rows = functions[:, : weights.shape[0]].double() * weights
    norms = rows.square().sum(dim=1, keepdim=True).sqrt()
    return rows / torch.where(norms > 0, norms, 1.0)


def _softmax(scores: Tensor) -> Tensor:
    """Return the float64 softmax, rounded as ``neuraleig.reading.softmax``."""
    scores = scores.double()
    exponentials = (scores - scores.amax(dim=1, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=1, keepdim=True)
