"""Largest eigenpairs of one connected block: dense, by shift-invert, or filtered."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, SuperLU, eigsh, splu
from sklearn.exceptions import ConvergenceWarning

from neuraleig._typing import FloatArray

# Up to here LAPACK is faster than iterations, and never fails to converge.
DENSE_NODES = 400
# Shift-invert takes over where the filter is slow and the triangular factors are
# predicted to have at most this many entries: 240 MB, a few seconds. Graphs of few
# dimensions have tiny gaps and cheap factors, those of many dimensions the opposite.
MAX_FACTOR_ENTRIES = 15_000_000
# The shift, just above the largest eigenvalue.
SHIFT = 1.0 + 1e-5
# Sizes of the neighbourhoods from which the growth of the factors is measured.
PROBE_NODES = (1_000, 4_000)
# Residual that rounding explains.
MIN_RESIDUAL = 1e-9
# First and highest degree of the Chebyshev filter.
FILTER_DEGREES = (20, 640)
# Products with the matrix after which a factorisation is looked into, and at most.
EASY_PRODUCTS = 300
MAX_PRODUCTS = 6_000


def block_eigenpairs(
    normalized: sp.csr_array,
    rank_one: FloatArray,
    null_vector: FloatArray,
    n_wanted: int,
    tol: float,
    generator: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Largest eigenpairs of one connected block below its eigenvalue 1.

    Parameters
    ----------
    normalized : csr_array of shape (n_nodes, n_nodes)
        Normalised affinity of the block.
    rank_one : ndarray of shape (n_nodes,)
        The block is ``normalized + outer(rank_one, rank_one)``.
    null_vector : ndarray of shape (n_nodes,)
        Its known eigenvector of eigenvalue 1.
    n_wanted : int
        Number of eigenpairs besides the known one.
    tol : float
        Residual relative to one minus the eigenvalue.
    generator : Generator
        Draws the start vectors.

    Returns
    -------
    values : ndarray of shape (n_wanted,)
        Eigenvalues, in no order.
    vectors : ndarray of shape (n_nodes, n_wanted)
        Orthonormal eigenvectors.
    """
    n_nodes = null_vector.size
    if n_wanted < 1:
        return np.empty(0), np.empty((n_nodes, 0))
    known = null_vector / np.linalg.norm(null_vector)
    if n_nodes <= max(DENSE_NODES, 2 * n_wanted):
        # The known eigenvector is shifted below all others.
        dense = normalized.toarray() + np.outer(rank_one, rank_one)
        dense -= 3.0 * np.outer(known, known)
        subset = (n_nodes - n_wanted, n_nodes - 1)
        values, vectors = scipy.linalg.eigh(dense, subset_by_index=subset)
        return values, vectors

    def product(block: FloatArray) -> FloatArray:
        return np.asarray(normalized @ block + np.outer(rank_one, rank_one @ block))

    # Spare vectors speed up the last of those that are wanted.
    width = min(n_wanted + max(8, n_wanted // 4), n_nodes - 1)
    block = generator.standard_normal((n_nodes, width))
    filtered = _filtered_subspace(product, known, block, n_wanted, tol, EASY_PRODUCTS)
    if filtered.excess > 1:
        if predicted_factor_entries(normalized) <= MAX_FACTOR_ENTRIES:
            return _shift_invert(normalized, rank_one, known, n_wanted, tol, generator)
        block = filtered.block
        filtered = _filtered_subspace(
            product, known, block, n_wanted, tol, MAX_PRODUCTS
        )
        _warn_of_residuals(filtered.excess)
    return filtered.values[:n_wanted], filtered.block[:, :n_wanted]


def _warn_of_residuals(excess: float) -> None:
    if excess > 1:
        warnings.warn(
            f"The eigenvectors of the graph have residuals {excess:.1f} times the "
            "tolerance; more neighbours make it easier to solve.",
            ConvergenceWarning,
            stacklevel=4,
        )


class _Filtered(NamedTuple):
    """Ritz pairs of a block, and how far they exceed the tolerance."""

    values: FloatArray
    block: FloatArray
    excess: float


def _filtered_subspace(
    product: Callable[[FloatArray], FloatArray],
    known: FloatArray,
    block: FloatArray,
    n_wanted: int,
    tol: float,
    max_products: int,
) -> _Filtered:
    """Subspace iteration under a Chebyshev filter of what is below the block.

    The filter doubles its degree where a round brings little.

    References
    ----------
    .. [1] Y. Zhou, Y. Saad, M. L. Tiago and J. R. Chelikowsky, "Self-consistent-field
       calculations using Chebyshev-filtered subspace iteration", Journal of
       Computational Physics, 2006.
    """
    degree, n_products, last = FILTER_DEGREES[0], 0, np.inf
    while True:
        block = block - np.outer(known, known @ block)
        block, _ = np.linalg.qr(block)
        image = product(block)
        values, rotation = np.linalg.eigh(block.T @ image)
        values, rotation = values[::-1], rotation[:, ::-1]
        block, image = block @ rotation, image @ rotation
        residual = np.linalg.norm(image - block * values, axis=0)[:n_wanted]
        allowed = tol * (1 - values[:n_wanted]) + MIN_RESIDUAL
        excess = float(np.max(residual / allowed))
        if excess <= 1 or n_products >= max_products:
            return _Filtered(values, block, excess)
        if excess > last / 10:
            degree = min(2 * degree, FILTER_DEGREES[1])
        last = excess
        block = _chebyshev(product, block, image, float(values[-1]), degree)
        n_products += degree


def _chebyshev(
    product: Callable[[FloatArray], FloatArray],
    block: FloatArray,
    image: FloatArray,
    cutoff: float,
    degree: int,
) -> FloatArray:
    """Filter that damps eigenvalues in [-1, cutoff] and leaves 1 as it is."""
    half_width, centre = (cutoff + 1) / 2, (cutoff - 1) / 2
    first = sigma = half_width / (1 - centre)
    previous, current = block, (image - centre * block) * (sigma / half_width)
    for _ in range(degree - 1):
        following = 1 / (2 / first - sigma)
        moved = product(current) - centre * current
        moved *= 2 * following / half_width
        moved -= (sigma * following) * previous
        previous, current, sigma = current, moved, following
    return current


def _shift_invert(
    normalized: sp.csr_array,
    rank_one: FloatArray,
    known: FloatArray,
    n_wanted: int,
    tol: float,
    generator: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Lanczos on the inverse: a handful of steps however small the gaps are."""
    inverse = _shifted_inverse(normalized, rank_one, known)
    values, vectors = eigsh(
        inverse,
        n_wanted,
        which="LA",
        # Relative to 1 / (shift - eigenvalue), which is what tol is relative to.
        tol=min(tol, 1e-3),
        v0=generator.standard_normal(known.size),
    )
    return SHIFT - 1.0 / values, vectors


def _shifted_inverse(
    normalized: sp.csr_array, rank_one: FloatArray, known: FloatArray
) -> LinearOperator:
    """Inverse of ``SHIFT - block`` on the complement of the known eigenvector."""
    n_nodes = known.size
    factors = _factorize(SHIFT * sp.eye_array(n_nodes) - normalized)
    # Sherman and Morrison: the rank-one part never becomes a matrix.
    image = factors.solve(rank_one)
    gain = 1.0 / (1.0 - rank_one @ image)

    def product(vector: FloatArray) -> FloatArray:
        vector = vector - known * (known @ vector)
        result = factors.solve(vector)
        result = result + gain * (image @ vector) * image
        return np.asarray(result - known * (known @ result))

    return LinearOperator((n_nodes, n_nodes), matvec=product, dtype=np.float64)


def _factorize(matrix: sp.sparray) -> SuperLU:
    """Factors of a symmetric positive definite matrix, ordered for little fill."""
    return splu(
        sp.csc_array(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def predicted_factor_entries(normalized: sp.csr_array) -> float:
    """Entries that the factors of the whole graph would have.

    Measured on two neighbourhoods in its largest component and extrapolated by their
    power law: linear in the nodes for planar graphs, quadratic for those of many
    dimensions.

    Parameters
    ----------
    normalized : csr_array of shape (n_nodes, n_nodes)
        Normalised affinity; uniform weight may connect what its entries do not.

    Returns
    -------
    entries : float
        Predicted number of entries of both triangular factors.
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
