"""Graph of the tokens of a batch by the cosine of their features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from neuraleig._batch import Edges

# Similarities that are held at once: 16 MiB in float32.
CHUNK_ELEMENTS = 2**22
# A node without edges is divided by the root of this.
MIN_DEGREE = 1e-30


def cosine_neighbor_edges(
    features: Tensor,
    n_neighbors: int = 64,
    *,
    max_candidates: int = 8192,
    seed: int = 0,
) -> Edges:
    r"""Graph of the tokens of largest cosine, of every token.

    .. math:: W = (N + N^\top) / 2, \quad N_{ij} = \max(\cos(x_i, x_j), 0)

    where :math:`j` is among the neighbours of :math:`i`, and 0 elsewhere.

    Parameters
    ----------
    features : Tensor of shape (n_tokens, n_channels)
        Tokens, on any device. One of zeros has no edges.
    n_neighbors : int, default=64
        Neighbours of every token, itself not counted.
    max_candidates : int, default=8192
        Where there are more tokens, only so many of them, drawn at random, may be
        neighbours. The number of neighbours is lowered in proportion, to at least 1,
        so that they are expected as near as among all tokens.
    seed : int, default=0
        Seed of that draw.

    Returns
    -------
    edges : Edges
        Each pair once, without zeros.

    Notes
    -----
    Time O(n_tokens n_candidates n_channels). Memory of a chunk of the similarities, a
    copy of the features, and the edges: at most ``n_neighbors * max_candidates``
    where there are more tokens than candidates, however many.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.affinity import cosine_neighbor_edges
    >>> rows = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    >>> edges = cosine_neighbor_edges(rows, 1)
    >>> edges.source.tolist(), edges.target.tolist(), edges.weight.tolist()
    ([0, 2], [1, 3], [1.0, 1.0])
    """
    n_tokens = features.shape[0]
    nodes = _unit_rows(features)
    drawn = _drawn(n_tokens, max_candidates, seed, nodes.device)
    if drawn is not None:
        n_neighbors = max(1, round(n_neighbors * max_candidates / n_tokens))
    source, target, weight = _directed(nodes, n_neighbors, drawn)
    return coalesced(source, target, weight / 2, n_tokens)


def normalized_edges(edges: Edges) -> Edges:
    """Symmetrically normalised affinity, ``W_ij / sqrt(d_i d_j)``."""
    degrees = edges.degrees()
    scale = torch.where(degrees > 0, degrees.clamp_min(MIN_DEGREE).rsqrt(), 0.0)
    weight = edges.weight * scale[edges.source] * scale[edges.target]
    return Edges(edges.source, edges.target, weight, edges.n_nodes)


def sum_edges(*terms: tuple[float, Edges]) -> Edges:
    """Weighted sum of affinities among the same nodes.

    Parameters
    ----------
    *terms : tuple of (float, Edges)
        Non-negative factors and affinities.

    Returns
    -------
    edges : Edges
        Each pair once.

    Raises
    ------
    ValueError
        If the affinities are among different numbers of nodes.
    """
    sizes = {edges.n_nodes for _, edges in terms}
    if len(sizes) != 1:
        raise ValueError(
            f"terms are affinities among {sorted(sizes)} nodes; they must be one or "
            "more, among the same nodes."
        )
    return coalesced(
        torch.cat([edges.source for _, edges in terms]),
        torch.cat([edges.target for _, edges in terms]),
        torch.cat([factor * edges.weight for factor, edges in terms]),
        sizes.pop(),
    )


def coalesced(source: Tensor, target: Tensor, weight: Tensor, n_nodes: int) -> Edges:
    """Edges of which those with the same ends, in whatever order, are summed.

    Parameters
    ----------
    source, target : Tensor of shape (n_pairs,), int64
        Ends, never equal.
    weight : Tensor of shape (n_pairs,)
        Weights; pairs without weight are left out.
    n_nodes : int
        Number of nodes.

    Returns
    -------
    edges : Edges
        In ascending order of (source, target), where source < target.
    """
    kept = weight > 0
    source, target, weight = source[kept], target[kept], weight[kept]
    key = torch.minimum(source, target) * n_nodes + torch.maximum(source, target)
    key, order = key.sort()
    key, group = torch.unique_consecutive(key, return_inverse=True)
    total = weight.new_zeros(key.shape[0]).index_add_(0, group, weight[order])
    return Edges(key // n_nodes, key % n_nodes, total, n_nodes)


def _unit_rows(features: Tensor) -> Tensor:
    """Rows of unit length, of at least single precision; zeros stay zeros."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    return F.normalize(features.detach().to(dtype), dim=1)


def _drawn(
    n_nodes: int, max_candidates: int, seed: int, device: torch.device
) -> Tensor | None:
    """Nodes that may be neighbours, in ascending order; ``None`` for all."""
    if n_nodes <= max_candidates:
        return None
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(n_nodes, generator=generator)
    return order[:max_candidates].sort().values.to(device)


def _directed(
    nodes: Tensor, n_neighbors: int, drawn: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Edges from every node to its neighbours among the candidates."""
    candidates = nodes if drawn is None else nodes[drawn]
    index = torch.arange(nodes.shape[0], device=nodes.device)
    # Where a node stands among the candidates.
    place = index if drawn is None else torch.full_like(index, -1)
    if drawn is not None:
        place[drawn] = index[: drawn.shape[0]]
    n_candidates = candidates.shape[0]
    n_neighbors = min(n_neighbors, n_candidates)
    found = []
    step = max(1, CHUNK_ELEMENTS // max(1, n_candidates))
    for own in torch.split(index, step):
        cosines = nodes[own] @ candidates.T
        among = (place[own] >= 0).nonzero().squeeze(1)
        cosines[among, place[own[among]]] = -1.0
        weight, column = cosines.topk(n_neighbors, dim=1, sorted=False)
        source = own[:, None].expand_as(column)
        target = column if drawn is None else drawn[column]
        kept = weight > 0
        found.append((source[kept], target[kept], weight[kept]))
    source, target, weight = (torch.cat(part) for part in zip(*found, strict=True))
    return source, target, weight
