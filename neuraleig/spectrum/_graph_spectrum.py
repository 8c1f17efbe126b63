"""Leading eigenvectors of a stored graph, component by component."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from neuraleig._device import CPU
from neuraleig._typing import FloatArray, IntArray
from neuraleig.spectrum._coarsen import Block
from neuraleig.spectrum._ritz import column_signs
from neuraleig.spectrum._solvers import block_eigenpairs, warn_of_residuals


@dataclass(frozen=True)
class Spectrum:
    r"""Leading eigenpairs of the normalised affinity of a graph.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_components,)
        Descending eigenvalues; the first is 1.
    eigenvectors : ndarray of shape (n_nodes, n_components)
        Orthonormal columns :math:`U`; the first is :math:`\sqrt{d} / \|\sqrt{d}\|`.
    degrees : ndarray of shape (n_nodes,)
        Degrees :math:`d`.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from neuraleig.spectrum import graph_spectrum
    >>> pair = sp.csr_array([[0.0, 1.0], [1.0, 0.0]])
    >>> graph_spectrum(pair, 2).functions.round(3)
    array([[ 1.,  1.],
           [ 1., -1.]])
    """

    eigenvalues: FloatArray
    eigenvectors: FloatArray
    degrees: FloatArray

    @cached_property
    def functions(self) -> FloatArray:
        r"""Random-walk eigenvectors :math:`V`, of unit mean square under :math:`d`."""
        # Isolated nodes have no degree; without any edge all nodes have equal weight.
        volume = self.degrees.sum() or self.degrees.size
        shares = np.where(self.degrees > 0, self.degrees, 1.0) / volume
        return np.asarray(self.eigenvectors / np.sqrt(shares)[:, None])


def graph_spectrum(
    weights: sp.csr_array,
    n_components: int,
    *,
    uniform: float = 0.0,
    component_labels: IntArray | None = None,
    tol: float = 0.03,
    seed: int = 0,
    device: torch.device = CPU,
    n_precise: int | None = None,
) -> Spectrum:
    """Leading eigenpairs of the normalised affinity.

    Connected components are solved one by one. The eigenvectors of eigenvalue 1, one
    per component, are then exact; an iterative solver would mix them.

    Parameters
    ----------
    weights : csr_array of shape (n_nodes, n_nodes)
        Symmetric non-negative affinity.
    n_components : int
        Number of eigenpairs, at most ``n_nodes``.
    uniform : float, default=0.0
        Weight that is added to every pair of nodes, which makes the graph connected.
    component_labels : ndarray of shape (n_nodes,) or None, default=None
        Connected component of each node, from 0; None: it is computed.
    tol : float, default=0.03
        Tolerance of the residuals, relative to one minus the eigenvalue. Eigenvectors
        near 1, which separate clusters, are precise; in the bulk of the spectrum only
        their span is.
    seed : int, default=0
        Seed of the start vectors.
    device : torch.device, default=CPU
        Device of the products with large graphs.
    n_precise : int or None, default=None
        Number of leading pairs with the tolerance ``tol``; the others have ten times
        this tolerance. None: all pairs.

    Returns
    -------
    spectrum : Spectrum
        Eigenpairs, in descending order and with fixed signs.

    Warns
    -----
    ConvergenceWarning
        If residuals exceed their tolerances.

    Notes
    -----
    Memory: O(n_nodes n_components + edges), and up to 240 MB for a factorisation. A
    dense matrix is made only of components of at most 400 nodes, or of at most twice as
    many nodes as eigenpairs.

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
    null_vectors = _indicators(degrees, component_labels, n_components)
    parts: list[_Part] = []
    if null_vectors.shape[1] < n_components:
        generator = np.random.default_rng(seed)
        for nodes in _members(component_labels):
            block = Block(
                normalized[nodes][:, nodes],
                np.sqrt(uniform) * inverse_root[nodes],
                np.sqrt(degrees[nodes]),
            )
            n_wanted = min(n_components - 1, nodes.size - 1)
            # Without the constant, which is known.
            precise = None if n_precise is None else max(n_precise - 1, 0)
            found = block_eigenpairs(block, n_wanted, tol, generator, device, precise)
            warn_of_residuals(found.excess)
            parts.append(_Part(nodes, found.values, found.vectors))
    return _leading(null_vectors, parts, degrees, n_components)


class _Part(NamedTuple):
    """Eigenpairs of one component, without the constant."""

    nodes: IntArray
    values: FloatArray
    vectors: FloatArray


def _members(component_labels: IntArray) -> list[IntArray]:
    """Nodes of each component."""
    order = np.argsort(component_labels, kind="stable")
    sizes = np.bincount(component_labels)
    return np.split(order, np.cumsum(sizes)[:-1])


def _leading(
    null_vectors: FloatArray,
    parts: list[_Part],
    degrees: FloatArray,
    n_components: int,
) -> Spectrum:
    """Eigenpairs of eigenvalue 1, then the largest of all components."""
    n_null = null_vectors.shape[1]
    pairs = [
        (value, part, column)
        for part in parts
        for column, value in enumerate(part.values)
    ]
    pairs.sort(key=lambda pair: -pair[0])
    pairs = pairs[: n_components - n_null]
    values = np.ones(n_null + len(pairs))
    vectors = np.zeros((degrees.size, values.size))
    vectors[:, :n_null] = null_vectors
    for position, (value, part, column) in enumerate(pairs, start=n_null):
        values[position] = min(value, 1.0)
        vectors[part.nodes, position] = part.vectors[:, column]
    vectors *= column_signs(vectors)
    return Spectrum(values, vectors, degrees)


def _components(weights: sp.csr_array) -> IntArray:
    _, labels = sp.csgraph.connected_components(weights, directed=False)
    return np.asarray(labels, dtype=np.int64)


def _indicators(
    degrees: FloatArray, component_labels: IntArray, n_components: int
) -> FloatArray:
    """Orthonormal eigenvectors of eigenvalue 1: the constant, then components."""
    n_nodes = degrees.size
    root = np.sqrt(degrees) if np.any(degrees > 0) else np.ones(n_nodes)
    volumes = np.bincount(component_labels, weights=root**2)
    # The smallest component with a volume is the constant minus all others.
    largest = np.argsort(-volumes, kind="stable")
    largest = np.delete(largest, np.count_nonzero(volumes) - 1)
    wanted = min(volumes.size, n_components)
    basis = np.empty((n_nodes, wanted))
    basis[:, 0] = root
    # An isolated node is a component, without volume.
    values = np.where(root > 0, root, 1.0)
    for column, component in enumerate(largest[: wanted - 1], start=1):
        basis[:, column] = np.where(component_labels == component, values, 0.0)
    orthonormal, _ = np.linalg.qr(basis)
    return np.asarray(orthonormal)
