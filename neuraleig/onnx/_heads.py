"""Copies of fitted networks for the export, and the head of the functions."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork, OrthogonalLinear

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def frozen_copy(module: ModuleT) -> ModuleT:
    """Copy of a module on the CPU, in evaluation mode and without gradients."""
    return copy.deepcopy(module).cpu().eval().requires_grad_(False)


def frozen_network(eigenfunctions: Eigenfunctions) -> EigenNetwork:
    """Copy of a fitted network with heads that are linear maps and nothing else."""
    network = frozen_copy(cast(EigenNetwork, eigenfunctions.network))
    network.function_head = _linear(network.function_head)
    network.label_head = _linear(network.label_head)
    return network


def _linear(head: nn.Module) -> nn.Module:
    """Head whose weight is at hand: ONNX knows no QR factorisation."""
    if not isinstance(head, OrthogonalLinear):
        return head
    weight = head.weight.detach()
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    return linear


class FunctionHead(nn.Module):
    """Eigenfunctions of hidden features.

    Parameters
    ----------
    head : nn.Module
        Maps (n_rows, n_hidden) to (n_rows, n_functions).
    eigenfunctions : Eigenfunctions
        Whose mean and rotation are applied.
    constant : bool, default=True
        Whether the constant function comes first.
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
            getattr(eigenfunctions, name).detach().cpu().clone()
            for name in ("mean", "rotation")
        )
        offset = torch.zeros(rotation.shape[1])
        if constant:
            # Nothing times the functions, and 1: no node need know how many rows.
            rotation = F.pad(rotation, (1, 0))
            offset = F.pad(offset, (1, 0), value=1.0)
        self.register_buffer("mean", mean)
        self.register_buffer("rotation", rotation)
        self.register_buffer("offset", offset)

    def forward(self, hidden: Tensor) -> Tensor:
        """Functions of shape (n_rows, n_components), or one less."""
        functions: Tensor = (self.head(hidden) - self.mean) @ self.rotation
        return functions + self.offset
