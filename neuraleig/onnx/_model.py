"""What is to become an ONNX model: a module, its input and its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Axis:
    """Axis whose size is left open.

    Parameters
    ----------
    name : str
        Name in the model.
    step : int, default=1
        Its size is a multiple of this.
    """

    name: str
    step: int = 1


Axes = tuple[Axis | None, ...]
"""Axes of an input or output; ``None`` is one of a fixed size."""


@dataclass(frozen=True)
class Model:
    """Module to be exported, and how it is called.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode, on the CPU; maps one tensor to tensors, and does nothing
        else.
    input_name : str
        Name of its input.
    input_axes : tuple of Axis or None
        Axes of the input.
    examples : tuple of two Tensors
        Two inputs, whose open axes differ in size.
    outputs : mapping of str to tuple of Axis or None
        Axes of the outputs, by their names and in their order.
    subject : str
        What errors call it.
    remedy : str
        What a user can do where torch cannot export it.
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
