"""Subspace iteration under a Chebyshev filter, on the CPU or a GPU."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import reverse_cuthill_mckee
from torch import Tensor

from neuraleig._typing import FloatArray, IntArray

# First and highest degree of the Chebyshev filter.
FILTER_DEGREES = (20, 640)
# Residual due to rounding, by precision.
MIN_RESIDUAL = {torch.float64: 1e-9, torch.float32: 2e-6}
# Blocks with more elements are float32, which takes half of the memory and half to a
# quarter of the time (letter, 20,000 nodes and 78 functions: 4.6 s and 1.2), unless the
# tolerance is below LOOSE_TOLERANCE.
SMALL_ELEMENTS = 2**16
LOOSE_TOLERANCE = 1e-3
# Rows per product in the precision of the block; products are summed in float64.
SUM_ROWS = 2**14
# Passes of orthonormalisation: later ones remove the rounding errors of the first.
MAX_PASSES = 4


class Filtered(NamedTuple):
    """Ritz pairs of a block, and their residual relative to the tolerance.

    Parameters
    ----------
    values : ndarray of shape (width,)
        Ritz values, descending.
    block : ndarray of shape (n_nodes, width)
        Orthonormal Ritz vectors.
    excess : float
        Largest residual of the wanted pairs, divided by the tolerance.
    """

    values: FloatArray
    block: FloatArray
    excess: float


class BlockOperator:
    """Operator on blocks of vectors: a sparse matrix plus a rank-one part.

    Nodes are reordered so that neighbours are close in memory, which is several times
    faster for large graphs.

    Parameters
    ----------
    normalized : csr_array of shape (n_nodes, n_nodes)
        Symmetric matrix.
    rank_one : ndarray of shape (n_nodes,)
        The operator is ``normalized + outer(rank_one, rank_one)``.
    dtype : torch.dtype
        Type of the blocks.
    device : torch.device
        Device of the blocks.
    """

    def __init__(
        self,
        normalized: sp.csr_array,
        rank_one: FloatArray,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.dtype = dtype
        self.device = device
        matrix = _with_short_indices(normalized)
        self.order: IntArray = reverse_cuthill_mckee(matrix, symmetric_mode=True)
        matrix = sp.csr_array(matrix[self.order][:, self.order])
        matrix = matrix.astype(np.float32 if dtype == torch.float32 else np.float64)
        self.rank_one = self.load(rank_one)
        # By scipy on the CPU: not every build of torch has such products.
        self.matrix = matrix if device.type == "cpu" else _to_device(matrix, device)

    def load(self, vectors: FloatArray) -> Tensor:
        """Move vectors to the operator's order, precision and device."""
        ordered = torch.from_numpy(np.ascontiguousarray(vectors[self.order]))
        return ordered.to(self.device, self.dtype)

    def unload(self, block: Tensor) -> FloatArray:
        """Move a block to the order of the nodes, as float64."""
        vectors = np.empty(block.shape)
        vectors[self.order] = block.cpu().numpy()
        return vectors

    def __call__(self, block: Tensor) -> Tensor:
        """Apply the operator to a block of shape (n_nodes, width)."""
        if self.device.type == "cpu":
            image = torch.from_numpy(self.matrix @ block.numpy())
        else:
            image = self.matrix @ block
        if self.rank_one.any():
            image.addr_(self.rank_one, self.rank_one @ block)
        return image


def _with_short_indices(matrix: sp.csr_array) -> sp.csr_array:
    """Matrix with 32-bit indices, if they suffice."""
    if max(matrix.nnz, matrix.shape[0]) >= np.iinfo(np.int32).max:
        return matrix
    parts = (matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype("i4"))
    return sp.csr_array(parts, shape=matrix.shape)


def _to_device(matrix: sp.csr_array, device: torch.device) -> Tensor:
    offsets, indices, data = (
        torch.from_numpy(part).to(device)
        for part in (matrix.indptr, matrix.indices, matrix.data)
    )
    with warnings.catch_warnings():
        # torch warns that sparse matrices are in beta; only products are used.
        warnings.filterwarnings("ignore", message="Sparse CSR")
        return torch.sparse_csr_tensor(
            offsets, indices, data, matrix.shape, check_invariants=False
        )


def filter_precision(n_elements: int, tol: float) -> torch.dtype:
    """Type of blocks with ``n_elements`` elements."""
    is_plain = n_elements <= SMALL_ELEMENTS or tol < LOOSE_TOLERANCE
    return torch.float64 if is_plain else torch.float32


def filtered_subspace(
    operator: BlockOperator,
    known: FloatArray,
    start: FloatArray,
    n_wanted: int,
    tol: FloatArray,
    max_products: int,
) -> Filtered:
    """Leading Ritz pairs by Chebyshev-filtered subspace iteration.

    The degree of the filter is doubled after a round with little progress. Memory: four
    blocks.

    Parameters
    ----------
    operator : BlockOperator
        Operator with its spectrum in [-1, 1].
    known : ndarray of shape (n_nodes,)
        Unit eigenvector to which the result is orthogonal.
    start : ndarray of shape (n_nodes, width)
        First block, wider than ``n_wanted``.
    n_wanted : int
        Number of pairs that must converge.
    tol : ndarray of shape (n_wanted,)
        Tolerances of the residuals, relative to one minus the eigenvalue.
    max_products : int
        Largest number of products of the operator with a block.

    Returns
    -------
    filtered : Filtered
        Converged if its excess is at most 1.

    References
    ----------
    .. [1] Y. Zhou, Y. Saad, M. L. Tiago and J. R. Chelikowsky, "Self-consistent-field
       calculations using Chebyshev-filtered subspace iteration", Journal of
       Computational Physics, 2006.
    """
    constant, block = operator.load(known), operator.load(start)
    relative = torch.from_numpy(tol).to(operator.device)
    degree, n_products, last = FILTER_DEGREES[0], 0, np.inf
    while True:
        # Twice: normalising a nearly lost column magnifies its rest of the constant.
        for _ in range(2):
            block = orthonormalized(block.addr_(constant, constant @ block, alpha=-1))
        values, block, image = _ritz(operator, block)
        residual = _column_norms(image - block * values.to(block.dtype))[:n_wanted]
        allowed = relative * (1 - values[:n_wanted]) + MIN_RESIDUAL[block.dtype]
        excess = float((residual / allowed).max())
        if excess <= 1 or n_products >= max_products:
            found = values.cpu().numpy()
            return Filtered(found, operator.unload(block), excess)
        if excess > last / 10:
            degree = min(2 * degree, FILTER_DEGREES[1])
        last = excess
        cutoff = float(values[-1])
        safe = min(degree, _highest_degree(cutoff, block.dtype))
        block = _chebyshev(operator, block, image, cutoff, safe)
        n_products += safe


def orthonormalized(block: Tensor) -> Tensor:
    """Orthonormal basis of the columns of a tall block, from their Gram matrix.

    Several times faster than a QR factorisation. Directions below rounding errors
    become random.

    References
    ----------
    .. [1] A. Stathopoulos and K. Wu, "A block orthogonalization procedure with
       constant synchronization requirements", SIAM Journal on Scientific Computing,
       2002.
    """
    eps = torch.finfo(block.dtype).eps
    eye = torch.eye(block.shape[1], dtype=torch.float64, device=block.device)
    for _ in range(MAX_PASSES):
        norms = _column_norms(block)
        norms = torch.where(norms > 0, norms, 1.0)
        gram = _products(block, block) / torch.outer(norms, norms)
        values, axes = torch.linalg.eigh(gram)
        scale = values.clamp_min(eps * float(values[-1])).rsqrt()
        block = block @ ((axes * scale) / norms[:, None]).to(block.dtype)
        if float((gram - eye).abs().max()) < eps**0.5:
            break
    return block


def _ritz(operator: BlockOperator, block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Descending Ritz values, Ritz vectors, and their images."""
    image = operator(block)
    values, rotation = torch.linalg.eigh(_products(block, image))
    rotation = rotation.flip(1).to(block.dtype)
    return values.flip(0), block @ rotation, image @ rotation


def _products(left: Tensor, right: Tensor) -> Tensor:
    """Symmetrised products of all columns of two blocks, summed in float64."""
    starts = range(0, left.shape[0], SUM_ROWS)
    total = torch.zeros(
        left.shape[1], right.shape[1], dtype=torch.float64, device=left.device
    )
    for i in starts:
        part = left[i : i + SUM_ROWS].T @ right[i : i + SUM_ROWS]
        total += part
    return (total + total.T) / 2


def _column_norms(block: Tensor) -> Tensor:
    """Norms of the columns, summed in float64."""
    squares = [
        block[i : i + SUM_ROWS].square().sum(dim=0, dtype=torch.float64)
        for i in range(0, block.shape[0], SUM_ROWS)
    ]
    return torch.stack(squares).sum(dim=0).sqrt()


def _highest_degree(cutoff: float, dtype: torch.dtype) -> int:
    """Largest degree of the filter that keeps all columns above rounding errors.

    The filter grows as a Chebyshev polynomial between the cutoff and 1. If it exceeded
    the inverse root of the precision, all columns would be rounding errors of the
    leading ones.
    """
    half_width, centre = (cutoff + 1) / 2, (cutoff - 1) / 2
    growth = math.acosh(max((1 - centre) / half_width, 1 + 1e-12))
    most = math.log(2 / torch.finfo(dtype).eps ** 0.5)
    return max(2, int(most / growth))


def _chebyshev(
    operator: BlockOperator, block: Tensor, image: Tensor, cutoff: float, degree: int
) -> Tensor:
    """Filtered block: eigenvalues in [-1, cutoff] are damped, and 1 is kept."""
    half_width, centre = (cutoff + 1) / 2, (cutoff - 1) / 2
    first = sigma = half_width / (1 - centre)
    previous = block
    current = image.sub_(block, alpha=centre).mul_(sigma / half_width)
    for _ in range(degree - 1):
        following = 1 / (2 / first - sigma)
        moved = operator(current).sub_(current, alpha=centre)
        moved.mul_(2 * following / half_width)
        moved.sub_(previous, alpha=sigma * following)
        previous, current, sigma = current, moved, following
    return current
