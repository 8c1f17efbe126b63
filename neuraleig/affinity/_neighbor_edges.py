"""Weighted edges of a graph of nearest neighbours."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
import torch

from neuraleig._batch import Edges
from neuraleig._typing import FloatArray, IntArray
from neuraleig.affinity._base import symmetrized
from neuraleig.affinity._copies import Slots
from neuraleig.affinity._units import of_common_size

EdgeWeights = Literal["self_tuning", "heat", "binary"]
EDGE_WEIGHTS: tuple[str, ...] = get_args(EdgeWeights)

# The scale of a point is the distance to this neighbour (Zelnik-Manor & Perona).
LOCAL_SCALE_NEIGHBOR = 7
# An edge that exists never weighs less than exp(-10): thinner bridges between groups
# would leave eigenvalues that no solver tells apart from a cut.
# Not tuned: next to nothing in a cut, and far above the tolerance of solvers.
MAX_EXPONENT = 10.0


def edge_weights(
    distances: FloatArray,
    indices: IntArray,
    kind: str,
    scale_ranks: IntArray | None = None,
) -> FloatArray:
    r"""Weights of the edges from every row to its neighbours.

    ``"self_tuning"``: :math:`\exp(-d_{ij}^2 / (s_i s_j))` with :math:`s_i` the
    distance to the 7th neighbour; ``"heat"``: the same with one scale, their median;
    ``"binary"``: 1.

    Parameters
    ----------
    distances, indices : ndarray of shape (n_samples, n_neighbors)
        Neighbours in ascending order of distance.
    kind : {"self_tuning", "heat", "binary"}
        Which weights.
    scale_ranks : ndarray of shape (n_samples,) or None, default=None
        Position of the neighbour whose distance is the scale of a row; ``None``: that
        of the 7th.

    Returns
    -------
    weights : ndarray of shape (n_samples, n_neighbors)
        Between 0 and 1.

    References
    ----------
    .. [1] L. Zelnik-Manor and P. Perona, "Self-tuning spectral clustering", NeurIPS,
       2004.
    """
    if kind == "binary" or distances.shape[1] == 0:
        return np.ones_like(distances)
    # Weights know no unit, but squares have limits.
    distances = of_common_size(distances)
    if scale_ranks is None:
        scale = distances[:, min(LOCAL_SCALE_NEIGHBOR, distances.shape[1]) - 1]
    else:
        scale = np.take_along_axis(distances, scale_ranks[:, None], axis=1)[:, 0]
    if kind == "heat":
        scale = np.full_like(scale, np.median(scale))
    # Rows among their own duplicates have no scale: duplicates are as near as can be,
    # and all others far.
    product = scale[:, None] * scale[indices]
    far = np.where(distances > 0, MAX_EXPONENT, 0.0)
    ratio = np.divide(distances**2, product, out=far, where=product > 0)
    return np.exp(-np.minimum(ratio, MAX_EXPONENT))


def neighbor_graph(
    distances: FloatArray,
    indices: IntArray,
    kind: str,
    counts: IntArray | None = None,
    *,
    meets_copies: bool = True,
) -> sp.csr_array:
    """Symmetric graph of weighted edges to nearest neighbours.

    Parameters
    ----------
    distances, indices : ndarray of shape (n_samples, n_neighbors)
        Neighbours in ascending order of distance.
    kind : {"self_tuning", "heat", "binary"}
        Which weights, see :func:`edge_weights`.
    counts : ndarray of shape (n_samples,) or None, default=None
        Copies of every row, see :class:`Slots`; ``None``: all are alike.
    meets_copies : bool, default=True
        Whether copies of a row are neighbours of each other.

    Returns
    -------
    weights : csr_array of shape (n_samples, n_samples)
        With the edges among the copies of a row on its diagonal.
    """
    if counts is None:
        return symmetrized(_directed(edge_weights(distances, indices, kind), indices))
    slots = Slots.of(counts, indices, meets_copies=meets_copies)
    scale_ranks = slots.ranks_of(LOCAL_SCALE_NEIGHBOR)
    weights = slots.others * edge_weights(distances, indices, kind, scale_ranks)
    # A mass has no slot left for other rows, and is joined to them all the same.
    weights = np.maximum(weights, np.exp(-MAX_EXPONENT)) * counts[:, None]
    loops = sp.diags_array(slots.own * counts, format="csr")
    graph = sp.csr_array(symmetrized(_directed(weights, indices)) + loops)
    graph.eliminate_zeros()
    return graph


def one_sided_edges(weights: sp.csr_array, indices: IntArray) -> sp.csr_array:
    """Edges of a graph of neighbours between rows of which one chose the other.

    Parameters
    ----------
    weights : csr_array of shape (n_samples, n_samples)
        From :func:`neighbor_graph`.
    indices : ndarray of shape (n_samples, n_neighbors)
        Neighbours of every row.

    Returns
    -------
    one_sided : csr_array of shape (n_samples, n_samples)
        Symmetric; the weights of these edges, and no others.
    """
    chosen = _directed(np.ones(indices.shape), indices)
    only = sp.csr_array(chosen - chosen.multiply(chosen.T))
    only.eliminate_zeros()
    return sp.csr_array(weights.multiply(only + only.T))


def _directed(weights: FloatArray, indices: IntArray) -> sp.csr_array:
    """Matrix of the weights to neighbours."""
    n_samples, n_neighbors = indices.shape
    offsets = np.arange(n_samples + 1, dtype=np.int64) * n_neighbors
    parts = (weights.ravel(), indices.ravel(), offsets)
    return sp.csr_array(parts, shape=(n_samples, n_samples))


def upper_edges(weights: sp.csr_array) -> Edges:
    """Each pair of a symmetric matrix once."""
    upper = sp.coo_array(sp.triu(weights, k=1))
    row, column = upper.row, upper.col
    return Edges(
        torch.from_numpy(row.astype(np.int64)),
        torch.from_numpy(column.astype(np.int64)),
        torch.from_numpy(of_common_size(upper.data).astype(np.float32)),
        weights.shape[0],
    )
