"""Samplers: batches of edges, rows or windows of images."""

from neuraleig.sampling._edges import EdgeSampler
from neuraleig.sampling._nodes import NodeSampler
from neuraleig.sampling._windows import (
    TokenWindow,
    Windows,
    WindowSampler,
    padded_inputs,
)

__all__ = [
    "EdgeSampler",
    "NodeSampler",
    "TokenWindow",
    "WindowSampler",
    "Windows",
    "padded_inputs",
]
