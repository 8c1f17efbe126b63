"""Coarsening: a smaller graph, whose eigenvectors are a start for the larger one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from neuraleig._sparse import clear_diagonal
from neuraleig._typing import FloatArray, IntArray

# Rounds in which nodes join groups; the remaining nodes are groups of one.
MAX_ROUNDS = 4


class Block(NamedTuple):
    """Normalised affinity of one connected block: a sparse and a rank-one part.

    Parameters
    ----------
    normalized : csr_array of shape (n_nodes, n_nodes)
        Sparse part.
    rank_one : ndarray of shape (n_nodes,)
        The other part is ``outer(rank_one, rank_one)``.
    null_vector : ndarray of shape (n_nodes,)
        Eigenvector of eigenvalue 1: the square root of the degrees, up to a factor.
    """

    normalized: sp.csr_array
    rank_one: FloatArray
    null_vector: FloatArray

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.null_vector.size)


def coarsened(
    block: Block, generator: np.random.Generator
) -> tuple[Block, sp.csr_array]:
    """Merge nodes with their neighbours (Galerkin restriction to constant groups).

    Returns the block of the groups, whose eigenvalues are at most those of ``block``,
    and the prolongation of shape (n_nodes, n_groups), with orthonormal columns, from
    groups to nodes.
    """
    group = aggregates(block, generator)
    n_nodes, n_groups = block.n_nodes, int(group.max()) + 1
    norms = np.sqrt(np.bincount(group, weights=block.null_vector**2))
    offsets = np.arange(n_nodes + 1)
    prolongation = sp.csr_array(
        (block.null_vector / norms[group], group, offsets), shape=(n_nodes, n_groups)
    )
    restriction = sp.csr_array(prolongation.T)
    normalized = sp.csr_array(restriction @ block.normalized @ prolongation)
    coarse = Block(normalized, restriction @ block.rank_one, norms)
    return coarse, prolongation


def aggregates(block: Block, generator: np.random.Generator) -> IntArray:
    """Group of each node, of shape (n_nodes,) and consecutive from 0.

    Centres of groups are the nodes that precede all their neighbours in a random order.
    In each round the other nodes join the group of a neighbour: the most probable step
    of a walk to a node in a group.
    """
    n_nodes = block.n_nodes
    # Probabilities of steps are proportional to entry times root of the degree.
    likely = sp.csr_array(block.normalized * block.null_vector[None])
    clear_diagonal(likely)
    rank = generator.permutation(n_nodes)
    is_first = rank > _row_maxima(likely, rank[likely.indices], -1)
    centre = np.where(is_first, np.arange(n_nodes), -1)
    for _ in range(MAX_ROUNDS):
        free = np.flatnonzero(centre < 0)
        if free.size == 0:
            break
        centre[free] = _joined(sp.csr_array(likely[free]), centre)
    alone = np.flatnonzero(centre < 0)
    centre[alone] = alone
    _, group = np.unique(centre, return_inverse=True)
    return np.asarray(group, dtype=np.int64)


def _joined(likely: sp.csr_array, centre: IntArray) -> IntArray:
    """Centre of the most probable neighbour in a group; -1 if there is none."""
    likelihood = np.where(centre[likely.indices] >= 0, likely.data, 0.0)
    best = _row_maxima(likely, likelihood, 0.0)
    rows = np.repeat(np.arange(likely.shape[0]), np.diff(likely.indptr))
    chosen = np.flatnonzero((likelihood == best[rows]) & (likelihood > 0))
    joined = np.full(likely.shape[0], -1, dtype=np.int64)
    joined[rows[chosen]] = centre[likely.indices[chosen]]
    return joined


def _row_maxima(
    matrix: sp.csr_array, values: NDArray[Any], empty: float
) -> NDArray[Any]:
    """Largest value at the entries of each row; ``empty`` in rows without entries."""
    maxima = np.full(matrix.shape[0], empty, dtype=values.dtype)
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if filled.size:
        maxima[filled] = np.maximum.reduceat(values, matrix.indptr[filled])
    return maxima
