"""A smaller graph of groups of nodes, whose eigenvectors are a good start."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from neuraleig._sparse import clear_diagonal
from neuraleig._typing import FloatArray, IntArray

# Rounds in which nodes join groups; what is left then are groups of one.
MAX_ROUNDS = 4


class Block(NamedTuple):
    """Normalised affinity of one connected block of a graph.

    Parameters
    ----------
    normalized : csr_array of shape (n_nodes, n_nodes)
        Its entries.
    rank_one : ndarray of shape (n_nodes,)
        Its further part is ``outer(rank_one, rank_one)``.
    null_vector : ndarray of shape (n_nodes,)
        Eigenvector of eigenvalue 1: the root of the degrees, up to a factor.
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
    """Merge nodes with near neighbours: Galerkin's restriction to flat functions.

    Parameters
    ----------
    block : Block
        What becomes smaller.
    generator : Generator
        Draws which nodes groups form around.

    Returns
    -------
    coarse : Block
        Affinity of groups; its eigenvalues never exceed those of the nodes.
    prolongation : csr_array of shape (n_nodes, n_groups)
        The way back, with orthonormal columns.
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
    """Group of every node, around nodes of which no two are neighbours.

    Centres are nodes that come before all of their neighbours in a random order. The
    others join, round by round, the group of the neighbour to which a walk goes most
    likely among those that have one.

    Parameters
    ----------
    block, generator
        As for :func:`coarsened`.

    Returns
    -------
    group : ndarray of shape (n_nodes,), int64
        Consecutive from 0.
    """
    n_nodes = block.n_nodes
    # Where a walk goes is proportional to entry times root degree.
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
    """Centre of the most likely neighbour that has one; -1 without any."""
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
    """Largest of the values at the entries of every row."""
    maxima = np.full(matrix.shape[0], empty, dtype=values.dtype)
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if filled.size:
        maxima[filled] = np.maximum.reduceat(values, matrix.indptr[filled])
    return maxima
