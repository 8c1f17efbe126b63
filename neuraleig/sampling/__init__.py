"""Samplers: batches of edges or rows."""

from neuraleig.sampling._edges import EdgeSampler
from neuraleig.sampling._nodes import NodeSampler, no_edges

__all__ = ["EdgeSampler", "NodeSampler", "no_edges"]
