"""Affinities: how alike rows are."""

from neuraleig.affinity._base import Affinity, Graph, GraphWarning
from neuraleig.affinity._build import AFFINITIES, make_affinity
from neuraleig.affinity._graph import (
    EDGE_WEIGHTS,
    EdgeWeights,
    NeighborAffinity,
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
    nearest_neighbors,
)
from neuraleig.affinity._neighbors_exact import Neighbors
from neuraleig.affinity._precomputed import (
    PrecomputedAffinity,
    PrecomputedNeighborAffinity,
)
from neuraleig.affinity._token_affinity import TokenAffinity
from neuraleig.affinity._token_graph import (
    NEIGHBORHOODS,
    Neighborhoods,
    batch_edges,
    pixel_grid_edges,
    token_graph,
)
from neuraleig.affinity._tokens import (
    cosine_neighbor_edges,
    normalized_edges,
    sum_edges,
)

__all__ = [
    "AFFINITIES",
    "EDGE_WEIGHTS",
    "NEIGHBORHOODS",
    "NEIGHBOR_BACKENDS",
    "Affinity",
    "CallableAffinity",
    "CosineAffinity",
    "EdgeWeights",
    "Graph",
    "GraphWarning",
    "KernelAffinity",
    "NeighborAffinity",
    "NeighborBackend",
    "Neighborhoods",
    "Neighbors",
    "PrecomputedAffinity",
    "PrecomputedNeighborAffinity",
    "RBFAffinity",
    "TokenAffinity",
    "batch_edges",
    "cosine_neighbor_edges",
    "edge_weights",
    "make_affinity",
    "nearest_neighbors",
    "neighbor_graph",
    "normalized_edges",
    "pixel_grid_edges",
    "sum_edges",
    "token_graph",
]
