"""Graphs of the tokens of windows of images: by features, and by places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from neuraleig._batch import Edges
from neuraleig._typing import FloatArray, IntArray
from neuraleig.affinity._tokens import (
    coalesced,
    cosine_neighbor_edges,
    normalized_edges,
    sum_edges,
)

# Neighbours, and the weight of their place beside their colour.
Neighborhoods = Sequence[tuple[int, float]]
NEIGHBORHOODS: tuple[tuple[int, float], ...] = ((10, 2.0), (5, 0.1))


def pixel_grid_edges(
    colors: Tensor, *, neighborhoods: Neighborhoods = NEIGHBORHOODS
) -> Edges:
    r"""Graph of the places of one image by colour and position.

    Place :math:`i` is joined to its nearest neighbours in
    :math:`(r, g, b, w x, w y)`, for every number of neighbours and weight
    :math:`w`. With :math:`N_{ij} = 1` for whatever any of them joins, the graph is
    :math:`(N + N^\top) / 2`, not normalised.

    Parameters
    ----------
    colors : Tensor of shape (height, width, 3)
        True red, green and blue in [0, 1]. A place may be a pixel or a token, which
        has the mean colour of its patch.
    neighborhoods : sequence of (int, float), default=((10, 2.0), (5, 0.1))
        Numbers of neighbours, the place itself not counted, and weights of the
        position: the published ones.

    Returns
    -------
    edges : Edges
        Over height * width nodes in row-major order, on the device of ``colors``;
        weights of 1 (neighbours of each other) or 1/2.

    Notes
    -----
    Positions run from 0 in the first row or column to 1 in the last: of the window
    that is given, not of the image that it was cut from, so that the graph of a
    window does not depend on what is around it.

    Exact, by k-d trees on the CPU: about 10 ms per 1,000 places.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.affinity import pixel_grid_edges
    >>> edges = pixel_grid_edges(torch.zeros(1, 3, 3), neighborhoods=[(1, 1.0)])
    >>> edges.degrees().sum().item()
    3.0
    """
    height, width = colors.shape[:2]
    n_nodes = height * width
    rgb = colors.detach().reshape(n_nodes, -1).double().numpy(force=True)
    y, x = np.meshgrid(
        np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij"
    )
    keys = []
    for n_neighbors, weight in neighborhoods:
        points = np.column_stack([rgb, weight * x.ravel(), weight * y.ravel()])
        found = _neighbors(points, min(n_neighbors, n_nodes - 1))
        source = np.repeat(np.arange(n_nodes), found.shape[1])
        keys.append(source * n_nodes + found.ravel())
    union = torch.from_numpy(np.unique(np.concatenate(keys))).to(colors.device)
    weights = torch.full(union.shape, 0.5, device=colors.device)
    return coalesced(union // n_nodes, union % n_nodes, weights, n_nodes)


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
    n_neighbors, max_candidates, seed
        As in :func:`cosine_neighbor_edges`.
    pixel_weight : float, default=0.3
        Weight of the graph of pixels; 0: none.
    neighborhoods : sequence of (int, float)
        As in :func:`pixel_grid_edges`.

    Returns
    -------
    edges : Edges
        Over the tokens of all windows, row-major.

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
        rows, n_neighbors, max_candidates=max_candidates, seed=seed
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


def _neighbors(points: FloatArray, n_neighbors: int) -> IntArray:
    """Nearest neighbours of every point, itself left out."""
    n_points = points.shape[0]
    _, found = cKDTree(points).query(points, np.arange(1, n_neighbors + 2))
    # Where a point has duplicates, it need not be the first that is found.
    own = found == np.arange(n_points)[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(found[~own].reshape(n_points, n_neighbors), dtype=np.int64)
