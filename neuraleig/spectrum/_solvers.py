"""Largest eigenpairs of a connected block: dense, filtered or by shift-invert."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import LinearOperator, SuperLU, eigsh, splu
from sklearn.exceptions import ConvergenceWarning

from neuraleig._device import CPU
from neuraleig._typing import FloatArray
from neuraleig._warnings import warn_user
from neuraleig.spectrum._coarsen import Block, coarsened
from neuraleig.spectrum._filter import (
    BlockOperator,
    filter_precision,
    filtered_subspace,
)

# For at most so many nodes LAPACK is faster than iterations.
DENSE_NODES = 400
# Shift-invert is used if the filter is slow and the triangular factors are predicted
# to have at most this many entries (240 MB, a few seconds). Graphs of data with few
# dimensions have small gaps and cheap factors; with many dimensions it is the opposite.
MAX_FACTOR_ENTRIES = 15_000_000
# The shift, just above the largest eigenvalue.
SHIFT = 1.0 + 1e-5
# Sizes of the neighbourhoods on which the growth of the factors is measured.
PROBE_NODES = (1_000, 4_000)
# Products with the matrix before a factorisation is considered, and in total.
# Not tuned to data: they bound the time of a solution, whose residuals are checked.
EASY_PRODUCTS = 300
MAX_PRODUCTS = 6_000
# Limit of multiplications for large graphs: some minutes on one core.
MAX_WORK = 5e11
# Larger graphs start from the eigenvectors of a coarse graph, with this tolerance.
COARSEN_NODES = 20_000
# By time: 60 functions of 200,000 nodes took 102 s without a smaller graph, float32 and
# ordered nodes, and 5.5 s with them.
COARSE_TOLERANCE = 0.1
MAX_COARSE_SHARE = 0.5
# Factor of the tolerance of pairs that need not be precise. In the bulk of the
# spectrum, separating the pairs takes far longer than finding their span.
# Not tuned: labels are read off what they span.
ROUGHLY = 10.0


class Eigenpairs(NamedTuple):
    """Largest eigenpairs of a block.

    Parameters
    ----------
    values : ndarray of shape (n_wanted,)
        Eigenvalues, in any order.
    vectors : ndarray of shape (n_nodes, n_wanted)
        Orthonormal eigenvectors.
    excess : float
        Largest residual, divided by the tolerance.
    """

    values: FloatArray
    vectors: FloatArray
    excess: float


def block_eigenpairs(
    block: Block,
    n_wanted: int,
    tol: float,
    generator: np.random.Generator,
    device: torch.device = CPU,
    n_precise: int | None = None,
) -> Eigenpairs:
    """Largest eigenpairs of a connected block, except that of eigenvalue 1.

    Parameters
    ----------
    block : Block
        Normalised affinity.
    n_wanted : int
        Number of eigenpairs.
    tol : float
        Tolerance of the residuals, relative to one minus the eigenvalue.
    generator : Generator
        Generator of the start vectors.
    device : torch.device
        Device of the filter.
    n_precise : int or None
        Number of pairs with this tolerance; the others have ten times this tolerance.
        None: all pairs.

    Returns
    -------
    eigenpairs : Eigenpairs
        Converged if their excess is at most 1.
    """
    normalized, rank_one, null_vector = block
    if n_wanted < 1:
        return Eigenpairs(np.empty(0), np.empty((block.n_nodes, 0)), 0.0)
    known = null_vector / np.linalg.norm(null_vector)
    if block.n_nodes <= max(DENSE_NODES, 2 * n_wanted):
        # The known eigenvector is shifted below all others.
        dense = normalized.toarray() + np.outer(rank_one, rank_one)
        dense -= 3.0 * np.outer(known, known)
        subset = (block.n_nodes - n_wanted, block.n_nodes - 1)
        values, vectors = scipy.linalg.eigh(dense, subset_by_index=subset)
        return Eigenpairs(values, vectors, 0.0)
    precision = filter_precision(block.n_nodes * n_wanted, tol)
    operator = BlockOperator(normalized, rank_one, precision, device)
    start = _start(block, n_wanted, generator, device)
    width = start.shape[1]
    allowed = np.full(n_wanted, tol)
    allowed[n_precise:] *= ROUGHLY if n_precise is not None else 1.0
    filtered = filtered_subspace(
        operator, known, start, n_wanted, allowed, EASY_PRODUCTS
    )
    del start
    if filtered.excess > 1:
        if predicted_factor_entries(normalized) <= MAX_FACTOR_ENTRIES:
            return _shift_invert(block, known, n_wanted, tol, generator)
        affordable = int(MAX_WORK / (normalized.nnz * width)) - EASY_PRODUCTS
        many = min(max(affordable, 0), MAX_PRODUCTS)
        filtered = filtered_subspace(
            operator, known, filtered.block, n_wanted, allowed, many
        )
    values, vectors = filtered.values[:n_wanted], filtered.block[:, :n_wanted]
    return Eigenpairs(values, vectors, filtered.excess)


def _start(
    block: Block, n_wanted: int, generator: np.random.Generator, device: torch.device
) -> FloatArray:
    """First block of the filter: random, or from a coarse graph."""
    # Spare vectors speed up the convergence of the last wanted ones.
    width = min(n_wanted + max(8, n_wanted // 4), block.n_nodes - 1)
    if block.n_nodes <= COARSEN_NODES:
        return generator.standard_normal((block.n_nodes, width))
    coarse, prolongation = coarsened(block, generator)
    if coarse.n_nodes > MAX_COARSE_SHARE * block.n_nodes:
        # Most nodes have no stored edge, by which to group them.
        return generator.standard_normal((block.n_nodes, width))
    found = block_eigenpairs(
        coarse, min(width, coarse.n_nodes - 1), COARSE_TOLERANCE, generator, device
    )
    start = prolongation @ found.vectors
    # A coarse graph with few groups has fewer vectors: the others are random.
    spare = generator.standard_normal((block.n_nodes, width - start.shape[1]))
    return np.concatenate([start, spare / block.n_nodes**0.5], axis=1)


def warn_of_residuals(excess: float) -> None:
    """Warn if eigenvectors have not converged."""
    if excess > 1:
        warn_user(
            f"The eigenvectors of the graph have residuals {excess:.1f} times the "
            "tolerance; use more neighbours, which makes the graph easier to solve.",
            ConvergenceWarning,
        )


def _shift_invert(
    block: Block,
    known: FloatArray,
    n_wanted: int,
    tol: float,
    generator: np.random.Generator,
) -> Eigenpairs:
    """Lanczos iteration on the inverse: few steps even for small gaps."""
    inverse = _shifted_inverse(block.normalized, block.rank_one, known)
    values, vectors = eigsh(
        inverse,
        n_wanted,
        which="LA",
        # Relative to 1 / (shift - eigenvalue), as tol is.
        tol=min(tol, 1e-3),
        v0=generator.standard_normal(known.size),
    )
    # ARPACK raises an error if it does not converge.
    return Eigenpairs(SHIFT - 1.0 / values, vectors, 0.0)


def _shifted_inverse(
    normalized: sp.csr_array, rank_one: FloatArray, known: FloatArray
) -> LinearOperator:
    """Inverse of ``SHIFT - block`` on the complement of the known eigenvector."""
    n_nodes = known.size
    factors = _factorize(SHIFT * sp.eye_array(n_nodes) - normalized)
    # Sherman-Morrison formula: the rank-one part is never a matrix.
    image = factors.solve(rank_one)
    gain = 1.0 / (1.0 - rank_one @ image)

    def product(vector: FloatArray) -> FloatArray:
        vector = vector - known * (known @ vector)
        result = factors.solve(vector)
        result = result + gain * (image @ vector) * image
        return np.asarray(result - known * (known @ result))

    return LinearOperator((n_nodes, n_nodes), matvec=product, dtype=np.float64)


def _factorize(matrix: sp.sparray) -> SuperLU:
    """Triangular factors of a symmetric positive definite matrix, with little fill."""
    return splu(
        sp.csc_array(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def predicted_factor_entries(normalized: sp.csr_array) -> float:
    """Predicted number of entries of the triangular factors of a graph.

    The numbers for two neighbourhoods in the largest component are extrapolated by
    their power law: linear in the number of nodes for planar graphs, and quadratic for
    graphs of data with many dimensions.
    """
    n_nodes = normalized.shape[0]
    _, component_labels = sp.csgraph.connected_components(normalized, directed=False)
    start = int(np.argmax(component_labels == np.bincount(component_labels).argmax()))
    reached = sp.csgraph.breadth_first_order(
        normalized, start, directed=False, return_predecessors=False
    )
    entries = []
    for size in PROBE_NODES:
        nodes = np.sort(reached[:size])
        near = normalized[nodes][:, nodes]
        factors = _factorize(SHIFT * sp.eye_array(nodes.size) - near)
        entries.append(float(factors.L.nnz + factors.U.nnz))
        if nodes.size == reached.size:
            return float(entries[-1] * n_nodes / nodes.size)
    small, large = PROBE_NODES
    growth = np.log(entries[1] / entries[0]) / np.log(large / small)
    return float(entries[1] * (n_nodes / large) ** growth)
