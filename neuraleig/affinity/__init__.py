"""Affinities: how alike rows are."""

from neuraleig.affinity._base import Affinity, Graph, GraphWarning
from neuraleig.affinity._build import make_affinity
from neuraleig.affinity._kernel import (
    CallableAffinity,
    CosineAffinity,
    KernelAffinity,
    RBFAffinity,
)
from neuraleig.affinity._neighbor_affinity import NeighborAffinity
from neuraleig.affinity._neighbor_edges import edge_weights
from neuraleig.affinity._neighbors import nearest_neighbors
from neuraleig.affinity._neighbors_exact import Neighbors
from neuraleig.affinity._precomputed import (
    PrecomputedAffinity,
    PrecomputedNeighborAffinity,
)
from neuraleig.affinity._token_affinity import TokenAffinity
from neuraleig.affinity._token_graph import (
    pixel_grid_edges,
    token_graph,
)
from neuraleig.affinity._tokens import cosine_neighbor_edges

__all__ = [
    "Affinity",
    "CallableAffinity",
    "CosineAffinity",
    "Graph",
    "GraphWarning",
    "KernelAffinity",
    "NeighborAffinity",
    "Neighbors",
    "PrecomputedAffinity",
    "PrecomputedNeighborAffinity",
    "RBFAffinity",
    "TokenAffinity",
    "cosine_neighbor_edges",
    "edge_weights",
    "make_affinity",
    "nearest_neighbors",
    "pixel_grid_edges",
    "token_graph",
]
