r"""Exact eigenvectors of a stored graph, and Rayleigh-Ritz for learned functions.

With :math:`W` the affinity and :math:`D` its degrees, the normalised affinity is
:math:`A = D^{-1/2} W D^{-1/2}`. Its eigenvectors :math:`U` and those of the random
walk, :math:`V = D^{-1/2} U`, share their eigenvalues; :math:`V` is what a smooth
function of the features can follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator, SuperLU, eigsh, splu

from neuraleig._typing import FloatArray, IntArray

__all__ = [
    "RitzPairs",
    "Spectrum",
    "graph_spectrum",
    "rayleigh_ritz",
    "suggest_n_clusters",
]

# Up to here LAPACK is faster than Lanczos iterations, and never fails to converge.
DENSE_NODES = 400
# Residual at which the iterations stop. Multiple eigenvalues would need a tighter one,
# but those of components are known and never iterated for.
TOLERANCE = 1e-6
# A large Krylov space pays where gaps are tiny, as on long thin clusters.
MIN_KRYLOV = 64
# Shift-invert is chosen where its triangular factors are predicted to have at most
# this many entries: 240 MB, a few seconds. Graphs of few dimensions have cheap
# factors and tiny gaps, those of many dimensions the opposite.
MAX_FACTOR_ENTRIES = 15_000_000
# The shift, just above the largest eigenvalue.
SHIFT = 1.0 + 1e-5
# Sizes of the neighbourhoods from which the growth of the factors is measured.
PROBE_NODES = (1_000, 4_000)
# Decay rates of learned functions that float32 cannot tell from 0.
RATE_TOLERANCE = 1e-6
MIN_EIGENVALUE = 1e-3
# Directions of the learned functions whose variance is below this share of the
# largest are noise of float32.
RANK_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Spectrum:
    r"""Leading eigenpairs of the normalised affinity of a graph.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_components,)
        Descending, the first being 1.
    eigenvectors : ndarray of shape (n_nodes, n_components)
        Orthonormal columns :math:`U`; the first is :math:`\sqrt{d} / \|\sqrt{d}\|`.
    degrees : ndarray of shape (n_nodes,)
        Degrees :math:`d`.
    """

    eigenvalues: FloatArray
    eigenvectors: FloatArray
    degrees: FloatArray

    @property
    def functions(self) -> FloatArray:
        r"""Random-walk eigenvectors :math:`V`, of unit mean square under :math:`d`."""
        # Isolated nodes have no degree; without any edge all nodes count alike.
        volume = self.degrees.sum() or self.degrees.size
        shares = np.where(self.degrees > 0, self.degrees, 1.0) / volume
        return np.asarray(self.eigenvectors / np.sqrt(shares)[:, None])


def graph_spectrum(
    weights: sp.csr_array,
    n_components: int,
    *,
    uniform: float = 0.0,
    component_labels: IntArray | None = None,
    seed: int = 0,
) -> Spectrum:
    """Leading eigenpairs of the normalised affinity.

    Connected components are solved one by one: the eigenvalue 1, as often as there
    are components, is then exact, where an iterative solver would return a mixture.

    Parameters
    ----------
    weights : csr_array of shape (n_nodes, n_nodes)
        Symmetric non-negative affinity with an empty diagonal.
    n_components : int
        How many eigenpairs, at most ``n_nodes``.
    uniform : float, default=0.0
        Weight that every pair of nodes has in addition. The graph is then connected.
    component_labels : ndarray of shape (n_nodes,) or None
        Connected component of every node; found where it is not given.
    seed : int, default=0
        Seed of the start vectors.

    Returns
    -------
    spectrum : Spectrum
        Eigenpairs, ordered and with fixed signs.

    Notes
    -----
    Memory O(n_nodes (n_components + 64) + edges); never n_nodes x n_nodes beyond 400
    nodes.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from neuraleig.spectrum import graph_spectrum
    >>> two_pairs = sp.csr_array(np.kron(np.eye(2), [[0.0, 1.0], [1.0, 0.0]]))
    >>> graph_spectrum(two_pairs, 3).eigenvalues
    array([ 1.,  1., -1.])
    """
    n_nodes = weights.shape[0]
    stored = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
    degrees = stored + uniform * n_nodes
    inverse_root = 1.0 / np.sqrt(np.where(degrees > 0, degrees, 1.0))
    scaling = sp.dia_array((inverse_root[None], [0]), shape=(n_nodes, n_nodes))
    normalized = sp.csr_array(scaling @ weights @ scaling)
    if uniform > 0:
        component_labels = np.zeros(n_nodes, dtype=np.int64)
    elif component_labels is None:
        component_labels = _components(weights)
    generator = np.random.default_rng(seed)
    null_vectors = _indicators(degrees, component_labels, n_components)
    values = [np.ones(null_vectors.shape[1])]
    vectors = [null_vectors]
    n_blocks = int(component_labels.max()) + 1
    if null_vectors.shape[1] < n_components:
        order = np.argsort(component_labels, kind="stable")
        starts = np.searchsorted(component_labels[order], np.arange(n_blocks + 1))
        for block in range(n_blocks):
            nodes = np.sort(order[starts[block] : starts[block + 1]])
            rank_one = np.sqrt(uniform) * inverse_root[nodes]
            found = _block_eigenpairs(
                normalized[nodes][:, nodes],
                rank_one,
                np.sqrt(degrees[nodes]),
                min(n_components - 1, nodes.size - 1),
                generator,
            )
            spread = np.zeros((n_nodes, found[0].size))
            spread[nodes] = found[1]
            values.append(found[0])
            vectors.append(spread)
    return _leading(
        np.concatenate(values), np.hstack(vectors), degrees, n_components, n_blocks
    )


def _leading(
    values: FloatArray,
    vectors: FloatArray,
    degrees: FloatArray,
    n_components: int,
    n_null: int,
) -> Spectrum:
    """Keep the largest, ordered, signed, those of the components in front."""
    n_null = min(n_null, n_components)
    rest = n_null + np.argsort(-values[n_null:], kind="stable")
    order = np.concatenate([np.arange(n_null), rest])[:n_components]
    vectors = vectors[:, order]
    values = np.minimum(values[order], 1.0)
    return Spectrum(values, vectors * _signs(vectors), degrees)


def _components(weights: sp.csr_array) -> IntArray:
    _, labels = sp.csgraph.connected_components(weights, directed=False)
    return np.asarray(labels, dtype=np.int64)


def _indicators(
    degrees: FloatArray, component_labels: IntArray, n_components: int
) -> FloatArray:
    """Eigenvectors of eigenvalue 1: the constant, then the largest components."""
    n_nodes = degrees.size
    root = np.sqrt(degrees) if np.any(degrees > 0) else np.ones(n_nodes)
    volumes = np.bincount(component_labels, weights=root**2)
    # The smallest one with a volume is the constant less all others.
    largest = np.argsort(-volumes, kind="stable")
    largest = np.delete(largest, np.count_nonzero(volumes) - 1)
    wanted = min(volumes.size, n_components)
    basis = np.empty((n_nodes, wanted))
    basis[:, 0] = root
    # An isolated node has no volume; it still is a component.
    values = np.where(root > 0, root, 1.0)
    for column, component in enumerate(largest[: wanted - 1], start=1):
        basis[:, column] = np.where(component_labels == component, values, 0.0)
    orthonormal, _ = np.linalg.qr(basis)
    return np.asarray(orthonormal)


def _block_eigenpairs(
    normalized: sp.csr_array,
    rank_one: FloatArray,
    null_vector: FloatArray,
    n_wanted: int,
    generator: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Largest eigenpairs of one connected block below its eigenvalue 1.

    The block is ``normalized + outer(rank_one, rank_one)``. Its known leading
    eigenvector is shifted out of the way: to -1, or below it where all are wanted.
    """
    n_nodes = null_vector.size
    if n_wanted < 1:
        return np.empty(0), np.empty((n_nodes, 0))
    known = null_vector / np.linalg.norm(null_vector)
    if n_nodes <= max(DENSE_NODES, 2 * n_wanted):
        dense = normalized.toarray() + np.outer(rank_one, rank_one)
        dense -= 3.0 * np.outer(known, known)
        subset = (n_nodes - n_wanted, n_nodes - 1)
        values, vectors = scipy.linalg.eigh(dense, subset_by_index=subset)
        return values, vectors

    options = {
        "which": "LA",
        "tol": TOLERANCE,
        "ncv": min(n_nodes - 1, max(2 * n_wanted + 1, MIN_KRYLOV)),
        "v0": generator.standard_normal(n_nodes),
    }
    if predicted_factor_entries(normalized) <= MAX_FACTOR_ENTRIES:
        inverse = _shifted_inverse(normalized, rank_one, known)
        values, vectors = eigsh(inverse, n_wanted, **options)
        return SHIFT - 1.0 / values, vectors
    operator = _deflated(normalized, rank_one, known)
    values, vectors = eigsh(operator, n_wanted, **options)
    return values, vectors


def _deflated(
    normalized: sp.csr_array, rank_one: FloatArray, known: FloatArray
) -> LinearOperator:
    """The block with its known eigenvector moved to eigenvalue -1."""

    def product(vector: FloatArray) -> FloatArray:
        result = normalized @ vector + rank_one * (rank_one @ vector)
        return np.asarray(result - 2.0 * known * (known @ vector))

    return LinearOperator(normalized.shape, matvec=product, dtype=np.float64)


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
    component_labels = _components(normalized)
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


def _signs(vectors: FloatArray) -> FloatArray:
    """Sign per column that makes its largest entry positive."""
    largest = np.abs(vectors).argmax(axis=0)[None]
    return np.where(np.take_along_axis(vectors, largest, axis=0)[0] < 0, -1.0, 1.0)


@dataclass(frozen=True)
class RitzPairs:
    """Eigenvalues, and the rotation that makes functions eigenfunctions.

    Parameters
    ----------
    eigenvalues : ndarray of shape (rank,)
        Ritz values, descending.
    rotation : ndarray of shape (n_functions, rank)
        ``functions @ rotation`` are ordered, and orthonormal under the degrees.
    """

    eigenvalues: FloatArray
    rotation: FloatArray


def rayleigh_ritz(mass: FloatArray, energy: FloatArray) -> RitzPairs:
    r"""Best eigenfunctions in the span of given functions.

    Solves :math:`N c = \lambda M c` for :math:`M = F^\top D F / \mathrm{vol}` and
    :math:`N = F^\top W F / \mathrm{vol}`, in float64, leaving out directions in
    which the functions do not vary.

    Parameters
    ----------
    mass, energy : ndarray of shape (n_functions, n_functions)
        ``M`` and ``N``, symmetric.

    Returns
    -------
    pairs : RitzPairs
        At most ``n_functions`` pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.spectrum import rayleigh_ritz
    >>> rayleigh_ritz(np.diag([4.0, 1.0]), np.diag([2.0, 0.9])).eigenvalues
    array([0.9, 0.5])
    """
    scale = np.sqrt(np.maximum(np.diag(mass), np.finfo(np.float64).tiny))
    mass = (mass + mass.T) / 2 / np.outer(scale, scale)
    energy = (energy + energy.T) / 2 / np.outer(scale, scale)
    variances, axes = scipy.linalg.eigh(mass)
    kept = variances > RANK_TOLERANCE * variances[-1]
    if variances[-1] <= np.finfo(np.float64).tiny:
        return RitzPairs(np.empty(0), np.empty((mass.shape[0], 0)))
    whitening = axes[:, kept] / np.sqrt(variances[kept])
    values, vectors = scipy.linalg.eigh(whitening.T @ energy @ whitening)
    rotation = (whitening @ vectors[:, ::-1]) / scale[:, None]
    return RitzPairs(np.minimum(values[::-1], 1.0), rotation * _signs(rotation))


def suggest_n_clusters(eigenvalues: ArrayLike) -> int:
    r"""Number of clusters at which eigenvalues have their largest gap at any scale.

    The gap is looked for among :math:`\lambda^t` at every time :math:`t`: its largest
    value after the k-th eigenvalue grows with
    :math:`\log \lambda_{k+1} / \log \lambda_k` alone.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_components,)
        Descending eigenvalues of the normalised affinity, the first being 1.

    Returns
    -------
    n_clusters : int
        At least 2 and below ``n_components``; 1 where that leaves no choice. A single
        cluster cannot be told from the eigenvalues.

    References
    ----------
    .. [1] A. Azran and Z. Ghahramani, "Spectral methods for automatic multiscale data
       clustering", CVPR 2006.

    Examples
    --------
    >>> from neuraleig.spectrum import suggest_n_clusters
    >>> suggest_n_clusters([1.0, 0.99, 0.98, 0.7, 0.6])
    3
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.size < 3:
        return 1
    # Rates below this are those of separate components; negative values forget at once.
    rates = -np.log(np.clip(values[1:], MIN_EIGENVALUE, 1.0))
    rates = np.maximum(rates, RATE_TOLERANCE)
    return int(np.argmax(rates[1:] / rates[:-1])) + 2
