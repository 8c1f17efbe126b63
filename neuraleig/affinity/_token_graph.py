"""Graph of the tokens of a batch of windows: by features, and by places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from neuraleig._batch import Edges
from neuraleig.affinity._grid import NEIGHBORHOODS, Neighborhoods, pixel_grid_edges
from neuraleig.affinity._tokens import (
    cosine_neighbor_edges,
    normalized_edges,
    sum_edges,
)


def batch_edges(parts: Sequence[Edges]) -> Edges:
    """One affinity among the nodes of all parts, none between parts."""
    offsets = np.cumsum([0, *(part.n_nodes for part in parts)]).tolist()
    pairs = list(zip(parts, offsets, strict=False))
    return Edges(
        torch.cat([part.source + offset for part, offset in pairs]),
        torch.cat([part.target + offset for part, offset in pairs]),
        torch.cat([part.weight for part in parts]),
        offsets[-1],
    )


def token_graph(
    graph_features: Sequence[Tensor],
    colors: Sequence[Tensor],
    *,
    n_neighbors: int = 64,
    others: Tensor | None = None,
    max_candidates: int = 8192,
    seed: int = 0,
    pixel_weight: float = 0.3,
    neighborhoods: Neighborhoods = NEIGHBORHOODS,
) -> Edges:
    r"""Affinity among the tokens of some windows, as published.

    The normalised graph of features, among all windows, plus the normalised graphs of
    pixels, each within its window, times their weight.

    Parameters
    ----------
    graph_features : sequence of Tensor of shape (height, width, n_channels)
        Features by which tokens are compared, of every window.
    colors : sequence of Tensor of shape (height, width, 3)
        Mean red, green and blue of every token, in [0, 1].
    n_neighbors, others, max_candidates, seed
        As in :func:`cosine_neighbor_edges`.
    pixel_weight : float, default=0.3
        Weight of the graph of pixels; 0: none.
    neighborhoods : sequence of (int, float)
        As in :func:`pixel_grid_edges`.

    Returns
    -------
    edges : Edges
        Over the tokens of all windows, row-major, then those of ``others``.

    Raises
    ------
    ValueError
        If features and colours are not those of the same tokens.

    Notes
    -----
    Time and memory linear in the tokens beyond ``max_candidates``, see
    :func:`cosine_neighbor_edges`.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV 2023.
    """
    sizes = [tuple(f.shape[:2]) for f in graph_features]
    color_sizes = [tuple(c.shape[:2]) for c in colors]
    if sizes != color_sizes:
        raise ValueError(
            f"colors has windows of {color_sizes} tokens but graph_features of {sizes};"
            " token (i, j) of both must be the same."
        )
    rows = torch.cat([features.flatten(0, 1) for features in graph_features])
    edges = cosine_neighbor_edges(
        rows, n_neighbors, others=others, max_candidates=max_candidates, seed=seed
    )
    edges = normalized_edges(edges)
    if pixel_weight == 0:
        return edges
    places = batch_edges(
        [pixel_grid_edges(c, neighborhoods=neighborhoods) for c in colors]
    )
    pixels = normalized_edges(places).to(rows.device)
    weight = pixels.weight.to(edges.weight.dtype)
    pixels = Edges(pixels.source, pixels.target, weight, edges.n_nodes)
    return sum_edges((1.0, edges), (pixel_weight, pixels))
