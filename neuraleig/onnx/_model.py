"""Module to export, with its input and its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn


@dataclass(frozen=True)
class Axis:
    """Axis of any size that is a multiple of ``step``."""

    name: str
    step: int = 1


Axes: TypeAlias = tuple[Axis | None, ...]
"""Axes of an input or output; ``None`` is an axis of one size."""


@dataclass(frozen=True)
class Model:
    """Module to export.

    Parameters
    ----------
    module : nn.Module
        Maps one tensor to a tuple of tensors; on the CPU, in evaluation mode.
    input_name : str
        Name of the input.
    input_axes : tuple of Axis or None
        Axes of the input.
    examples : tuple of two Tensors
        Inputs whose open axes differ in size.
    outputs : mapping of str to tuple of Axis or None
        Axes of each output by name, in their order.
    subject : str
        Name of the module in error messages.
    remedy : str
        Advice in error messages if torch cannot export the module.
    metadata : mapping of str to str
        Properties of the model.
    """

    module: nn.Module
    input_name: str
    input_axes: Axes
    examples: tuple[Tensor, Tensor]
    outputs: Mapping[str, Axes]
    subject: str
    remedy: str
    metadata: Mapping[str, str]
