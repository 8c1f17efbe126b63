"""Parts of exported models: inputs and eigenfunctions."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig._standardize import FARTHEST, bounded
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork, OrthogonalLinear

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
