"""Affinity of the tokens of images: by features, and by neighbouring pixels."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from neuraleig._batch import Edges
from neuraleig._sklearn import Interval
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity._base import Affinity, Graph
from neuraleig.affinity._neighbor_affinity import NeighborAffinity
from neuraleig.affinity._neighbor_edges import upper_edges
from neuraleig.affinity._tokens import normalized_edges, sum_edges

# Neighbours of a token. With few of them all are tokens of the same part of the same
# image, and such parts become clusters rather than classes: chosen on synthetic
# scenes, of 10 and 64.
TOKEN_NEIGHBORS = 64
# Weight of the graph of pixels where it is open.
# Chosen on CamVid and IDD-lite by tokens of a DINOv2, by hand: 0.3 costs 1 to 4 points
# of mean IoU, and 0.05 is level.
PIXEL_WEIGHT = 0.1


class TokenAffinity(Affinity):
    r"""Graph of tokens by their features, plus a given graph of their pixels.

    .. math::

        W = D_F^{-1/2} W_F D_F^{-1/2} + w \, D_P^{-1/2} W_P D_P^{-1/2}

    with the graph :math:`W_F` of the features and the ``affinity_matrix``
    :math:`W_P` that is passed to ``fit``; without one, :math:`W = W_F`. Every row is
    a node, also where rows are identical.
    :class:`~neuraleig.DenseSegmenter` makes it, and passes the graphs
    of pixels within the windows.

    Parameters
    ----------
    affinity : Affinity or None, default=None
        Affinity of the features, not a precomputed one; ``None``:
        ``NeighborAffinity()``. Neighbours whose number is open are 64, or all if there
        are fewer.
    n_channels : int or None, default=None
        Number of last columns that are compared; ``None``: all.
    pixel_weight : float or None, default=None
        Weight :math:`w` of the graph of pixels; ``None``: 0.1, or in a
        :class:`~neuraleig.DenseSegmenter` what suits its backbone.

    Examples
    --------
    Tokens of which neighbours in the image are joined as well:

    >>> import numpy as np
    >>> from neuraleig.affinity import NeighborAffinity, TokenAffinity
    >>> tokens = np.random.default_rng(0).normal(size=(40, 5))
    >>> pixels = np.diag(np.ones(39), 1) + np.diag(np.ones(39), -1)
    >>> affinity = TokenAffinity(NeighborAffinity(6), n_channels=3)
    >>> matrix = affinity.check_matrix(pixels, 40)
    >>> affinity.build(tokens, matrix=matrix).n_nodes
    40
    """

    takes_matrix = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "affinity": [Affinity, None],
        "n_channels": [Interval(Integral, 1, None, closed="left"), None],
        "pixel_weight": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        affinity: Affinity | None = None,
        *,
        n_channels: int | None = None,
        pixel_weight: float | None = None,
    ) -> None:
        self.affinity = affinity
        self.n_channels = n_channels
        self.pixel_weight = pixel_weight

    def _component(self, name: str, value: object) -> object:
        """Affinity of the features that ``None`` stands for."""
        if name == "affinity" and value is None:
            return NeighborAffinity()
        return value

    def as_fitted(self) -> Self:
        """Copy with what the inner affinity learned; see :meth:`Affinity.as_fitted`."""
        copied = super().as_fitted()
        if self.affinity is not None:
            copied.affinity = self.affinity.as_fitted()
        return copied

    def check(self, path: str, owner: str) -> None:
        """Check the parameters; see :meth:`Affinity.check`."""
        super().check(path, owner)
        if self.affinity is None:
            return
        self.affinity.check(f"{path}__affinity", owner)
        if self.affinity.needs_matrix:
            raise ValueError(
                f"{path}__affinity={self.affinity!r} needs a matrix of its own, and "
                "the affinity_matrix of a TokenAffinity is the graph of pixels; pass "
                "an affinity of the features, such as NeighborAffinity()."
            )

    @property
    def samples_edges(self) -> bool:  # type: ignore[override]
        """Whether the stored graph covers all tokens."""
        return self.affinity is None or self.affinity.samples_edges

    @property
    def takes_groups(self) -> bool:
        """Whether :meth:`build` takes ``groups``."""
        return self.affinity is not None and self.affinity.takes_groups

    @property
    def regularization(self) -> float:  # type: ignore[override]
        """Share of random pairs."""
        return 0.0 if self.affinity is None else self.affinity.regularization

    def build(
        self,
        X: Array,
        *,
        matrix: sp.csr_array | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Graph:
        """Build the graph of the tokens; see :meth:`Affinity.build`."""
        if len(X) == 1:
            return Graph(sp.csr_array((1, 1), dtype=np.float64), np.arange(1))
        rows, inner = self._compared(X), self.inner(len(X))
        if isinstance(inner, NeighborAffinity):
            graph = inner.graph_of(rows, np.arange(len(X)), **given)
        else:
            graph = inner.build(rows, **given)
        # Thinned graphs were measured on rows with few neighbours alone.
        graph = replace(graph, one_sided=None)
        weight = self.weight_of_pixels
        if matrix is None or weight == 0:
            return graph
        pixels = matrix if graph.n_nodes == len(X) else among(matrix, graph.index)
        total = normalized(graph.weights) + weight * normalized(pixels)
        whole = replace(graph, weights=sp.csr_array(total), uniform=0.0)
        return whole.regularized(self.regularization)

    def among(
        self,
        rows: Array,
        index: IntArray,
        *,
        matrix: sp.csr_array | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Edges:
        """Affinity among the tokens of a batch; see :meth:`Affinity.among`."""
        if len(rows) == 1:
            return upper_edges(sp.csr_array((1, 1)))
        edges = self.inner(len(rows)).among(self._compared(rows), index, **given)
        weight = self.weight_of_pixels
        if matrix is None or weight == 0:
            return edges
        pixels = upper_edges(among(matrix, index))
        return sum_edges(
            (1.0, normalized_edges(edges)),
            (weight, normalized_edges(pixels)),
        )

    @property
    def weight_of_pixels(self) -> float:
        """Weight of the graph of pixels, also where it was left open."""
        return PIXEL_WEIGHT if self.pixel_weight is None else self.pixel_weight

    def _compared(self, rows: Array) -> Array:
        """Columns by which tokens are compared."""
        return rows if self.n_channels is None else rows[:, -self.n_channels :]

    def inner(self, n_tokens: int | None = None) -> Affinity:
        """Affinity of the features, with the number of neighbours that it has here.

        Parameters
        ----------
        n_tokens : int or None, default=None
            Tokens among which neighbours are searched; ``None``: more than 64.

        Returns
        -------
        affinity : Affinity
            The given one, unless its number of neighbours is open.
        """
        inner = NeighborAffinity() if self.affinity is None else self.affinity
        if isinstance(inner, NeighborAffinity) and inner.n_neighbors is None:
            most = TOKEN_NEIGHBORS if n_tokens is None else n_tokens - 1
            inner = clone(inner)
            inner.set_params(n_neighbors=min(TOKEN_NEIGHBORS, most))
        return inner


def among(matrix: sp.csr_array, index: IntArray) -> sp.csr_array:
    """Rows and columns of a matrix."""
    return sp.csr_array(matrix[index][:, index])


def normalized(weights: sp.csr_array) -> sp.csr_array:
    """Symmetrically normalised affinity; rows without edges stay as they are."""
    degrees: FloatArray = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
    inverse_root = 1.0 / np.sqrt(np.where(degrees > 0, degrees, 1.0))
    scaling = sp.dia_array((inverse_root[None], [0]), shape=weights.shape)
    return sp.csr_array(scaling @ weights @ scaling)


def matrix_of(edges: Edges) -> sp.csr_array:
    """Symmetric matrix of a graph whose pairs are listed once."""
    source, target, weight = (
        part.cpu().numpy() for part in (edges.source, edges.target, edges.weight)
    )
    shape = (edges.n_nodes, edges.n_nodes)
    upper = sp.coo_array((weight.astype(np.float64), (source, target)), shape=shape)
    return sp.csr_array(upper + upper.T)
