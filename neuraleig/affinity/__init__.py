"""Affinities: how alike rows are."""

from neuraleig.affinity._base import Affinity, Graph, GraphWarning
from neuraleig.affinity._build import AFFINITIES, PRECOMPUTED, make_affinity
from neuraleig.affinity._graph import (
    EDGE_WEIGHTS,
    EdgeWeights,
    NeighborAffinity,
    PrecomputedAffinity,
    edge_weights,
    neighbor_graph,
)
from neuraleig.affinity._kernel import (
    CallableAffinity,
    CosineAffinity,
    KernelAffinity,
    RBFAffinity,
)
from neuraleig.affinity._neighbors import (
    NEIGHBOR_BACKENDS,
    NeighborBackend,
    Neighbors,
    check_search,
    nearest_neighbors,
)

__all__ = [
    "AFFINITIES",
    "EDGE_WEIGHTS",
    "NEIGHBOR_BACKENDS",
    "PRECOMPUTED",
    "Affinity",
    "CallableAffinity",
    "CosineAffinity",
    "EdgeWeights",
    "Graph",
    "GraphWarning",
    "KernelAffinity",
    "NeighborAffinity",
    "NeighborBackend",
    "Neighbors",
    "PrecomputedAffinity",
    "RBFAffinity",
    "check_search",
    "edge_weights",
    "make_affinity",
    "nearest_neighbors",
    "neighbor_graph",
]
