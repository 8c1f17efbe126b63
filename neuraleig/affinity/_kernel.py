"""Affinities that are kernels of the features: rbf, cosine, or a user's callable."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import ArrayLike

from neuraleig._batch import Edges
from neuraleig._sklearn import Interval
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity._base import Affinity, Graph, symmetrized
from neuraleig.affinity._units import of_common_size, unit_rows

KernelFunction = Callable[[FloatArray, FloatArray], ArrayLike]

# Landmarks whose dense kernel the warm start solves: 32 MB in float64.
N_LANDMARKS = 2_000
# The default width of the rbf kernel is the distance to this neighbour.
# Not tuned: as many as the graph of neighbours has by default.
SCALE_NEIGHBOR = 10


class KernelAffinity(Affinity):
    """Base class of kernels, which are never stored for more than the landmarks.

    Attributes
    ----------
    regularization : float, default=0.0
        Share of random pairs, see :meth:`Graph.regularized`.
    n_landmarks : int
        Most rows on which the dense kernel is evaluated at once, 2,000 by default.
        Data of up to this size are their own landmarks, and the warm start is exact.
    """

    samples_edges = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Affinity._parameter_constraints,
        "n_landmarks": [Interval(Integral, 2, None, closed="left")],
    }

    n_landmarks: int
    regularization: float

    @abstractmethod
    def kernel(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Evaluate the kernel between two sets of rows.

        Parameters
        ----------
        left : ndarray of shape (n_left, n_features), float64
            Rows, in the units of the data.
        right : ndarray of shape (n_right, n_features), float64
            Rows as well.

        Returns
        -------
        weights : ndarray of shape (n_left, n_right), float64
            Finite and non-negative.
        """

    def prepare(self, landmarks: FloatArray) -> None:
        """Resolve parameters that depend on the data; by default there are none.

        Parameters
        ----------
        landmarks : ndarray of shape (n_landmarks, n_features), float64
            Rows on which the kernel is about to be evaluated.
        """

    def build(self, X: Array, *, seed: int = 0, **given: Any) -> Graph:  # noqa: ANN401
        """Kernel graph of randomly drawn landmarks, by every process for itself.

        Time O(p^2 d) and memory O(p^2) for p = min(n_samples, n_landmarks).

        See :meth:`Affinity.build`.
        """
        n_samples = X.shape[0]
        index = np.arange(n_samples, dtype=np.int64)
        if n_samples > self.n_landmarks:
            generator = np.random.default_rng(seed)
            drawn = generator.choice(n_samples, self.n_landmarks, replace=False)
            index = np.sort(drawn).astype(np.int64)
        landmarks = X[index].astype(np.float64)
        self.prepare(landmarks)
        weights = symmetrized(sp.csr_array(self.kernel(landmarks, landmarks)))
        return Graph(weights, index).regularized(self.regularization)

    def among(self, rows: Array, index: IntArray, **given: Any) -> Edges:  # noqa: ANN401
        """Kernel among the rows of the batch; see :meth:`Affinity.among`."""
        exact = rows.astype(np.float64)
        matrix = of_common_size(self.kernel(exact, exact))
        mean = ((matrix + matrix.T) / 2).astype(np.float32)
        return Edges.from_dense(torch.from_numpy(mean))


class RBFAffinity(KernelAffinity):
    r"""Gaussian kernel :math:`\exp(-\gamma \|x - y\|^2)`.

    Parameters
    ----------
    gamma : float or None, default=None
        Inverse squared width. ``None``: the inverse of the median squared distance
        from a landmark to its 10th neighbour among the landmarks.
    regularization, n_landmarks
        See :class:`KernelAffinity`.

    Attributes
    ----------
    gamma_ : float
        Inverse squared width in use, after :meth:`build`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **KernelAffinity._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        gamma: float | None = None,
        *,
        regularization: float = 0.0,
        n_landmarks: int = N_LANDMARKS,
    ) -> None:
        self.gamma = gamma
        self.regularization = regularization
        self.n_landmarks = n_landmarks

    def prepare(self, landmarks: FloatArray) -> None:
        """Choose an open width; see :meth:`KernelAffinity.prepare`."""
        if self.gamma is not None:
            self.gamma_ = float(self.gamma)
            return
        squared = np.sort(squared_distances(landmarks, landmarks), axis=1)
        neighbor = squared[:, min(SCALE_NEIGHBOR, squared.shape[1] - 1)]
        positive = neighbor[neighbor > 0]
        self.gamma_ = float(1.0 / np.median(positive)) if positive.size else 1.0

    def as_fitted(self) -> Self:
        """Copy of the width in use; see :meth:`Affinity.as_fitted`."""
        copied = super().as_fitted()
        copied.gamma = self.gamma_
        return copied

    def kernel(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Gaussian kernel; see :meth:`KernelAffinity.kernel`."""
        return np.asarray(np.exp(-self.gamma_ * squared_distances(left, right)))


class CosineAffinity(KernelAffinity):
    """Cosine of the angle between rows, 0 where it is negative.

    Parameters
    ----------
    regularization, n_landmarks
        See :class:`KernelAffinity`.
    """

    def __init__(
        self, *, regularization: float = 0.0, n_landmarks: int = N_LANDMARKS
    ) -> None:
        self.regularization = regularization
        self.n_landmarks = n_landmarks

    def kernel(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Clamped cosine; see :meth:`KernelAffinity.kernel`."""
        return np.asarray(np.maximum(unit_rows(left) @ unit_rows(right).T, 0.0))


class CallableAffinity(KernelAffinity):
    """A user's kernel ``function(left, right)``.

    Parameters
    ----------
    function : callable
        Takes two arrays of shape (n_left, n_features) and (n_right, n_features) and
        returns non-negative, finite weights of shape (n_left, n_right); symmetric in
        its arguments.
    regularization, n_landmarks
        See :class:`KernelAffinity`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **KernelAffinity._parameter_constraints,
        "function": [callable],
    }

    def __init__(
        self,
        function: KernelFunction,
        *,
        regularization: float = 0.0,
        n_landmarks: int = N_LANDMARKS,
    ) -> None:
        self.function = function
        self.regularization = regularization
        self.n_landmarks = n_landmarks

    def __sklearn_clone__(self) -> CallableAffinity:
        """Share the function: it may hold what cannot be copied, and is not changed."""
        return type(self)(**self.get_params(deep=False))

    def kernel(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Evaluate the user's function; see :meth:`KernelAffinity.kernel`.

        Raises
        ------
        TypeError
            If the function returns values that are not real numbers.
        ValueError
            If it returns another shape, or negative or non-finite weights.
        """
        matrix = np.asarray(self.function(left, right))
        if matrix.dtype.kind not in "biuf":
            raise TypeError(
                f"affinity returned {matrix.dtype} values; it must return real numbers."
            )
        matrix = matrix.astype(np.float64)
        expected = (left.shape[0], right.shape[0])
        if matrix.shape != expected:
            raise ValueError(
                f"affinity returned an array of shape {matrix.shape} for rows of shape "
                f"{left.shape} and {right.shape}; it must return one of shape "
                f"{expected}."
            )
        if not np.all(np.isfinite(matrix)) or matrix.min() < 0:
            raise ValueError(
                "affinity returned negative or non-finite weights (minimum "
                f"{matrix.min()}); it must return finite weights of at least 0."
            )
        return np.asarray(matrix)


def squared_distances(left: FloatArray, right: FloatArray) -> FloatArray:
    """Squared Euclidean distances of shape (n_left, n_right), never negative."""
    centre = right.mean(axis=0)
    left, right = left - centre, right - centre
    squares = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * left @ right.T, 0.0))
