"""Functions of users, known by what they say of fixed inputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Values that are kept of what such a function says.
PROBE_VALUES = 4096
# Devices and versions round differently, cuDNN to three digits.
PROBE_TOLERANCE = 1e-2


def probed(outputs: Tensor) -> Tensor:
    """Some of the values of outputs, spread over all of them."""
    values = outputs.detach().flatten().cpu().float()
    step = max(1, math.ceil(len(values) / PROBE_VALUES))
    return values[::step].clone()


def is_alike(found: Tensor, kept: Tensor) -> bool:
    """Whether two probes are those of one function, but for rounding."""
    if found.shape != kept.shape:
        return False
    spread = (kept - kept.mean()).norm()
    return bool((found - kept).norm() <= PROBE_TOLERANCE * spread) or torch.equal(
        found, kept
    )
