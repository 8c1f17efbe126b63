"""Standardisation of rows with any offset and unit to float32."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import Array, FloatArray

# Elements that are standardised at once: 32 MiB in float64.
SLICE_ELEMENTS = 2**22
# Elements that fit into the CPU cache during several operations.
CACHED_ELEMENTS = 2**15
# Largest absolute value of a standardised feature. Data of a fit stay far below it: n
# numbers of unit mean square are at most sqrt(n). A network may multiply it by 10,000
# before its square overflows float32, after which infinities become NaN.
FARTHEST = 1e15


class Standardization(NamedTuple):
    """Shift and scale of rows before the network, applied in float64.

    All features have the same scale, so that ratios of distances are kept.

    Parameters
    ----------
    shift : ndarray of shape (n_features,)
        Mean of the data.
    scale : float
        Root mean square deviation from the mean, over all features.
    """

    shift: FloatArray
    scale: float

    @classmethod
    def of(cls, X: Array) -> Standardization:
        """Compute the standardisation of some rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Finite rows, in any unit.

        Returns
        -------
        standardization : Standardization
            Of scale 1 where all rows are equal.
        """
        shift = X.mean(axis=0, dtype=np.float64)
        step = max(1, SLICE_ELEMENTS // X.shape[1])
        # Relative to the largest deviation: squares of large values overflow.
        starts = range(0, X.shape[0], step)
        reach = max(float(np.abs(X[i : i + step] - shift).max()) for i in starts)
        if reach == 0.0:
            return cls(shift, 1.0)
        squares = [np.square((X[i : i + step] - shift) / reach).sum() for i in starts]
        return cls(shift, reach * float(np.sqrt(np.sum(squares) / X.size)))

    def apply(self, X: Array) -> Tensor:
        """Standardise rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows, in the units of the data.

        Returns
        -------
        rows : Tensor of shape (n_samples, n_features), float32
            On the CPU, clipped to absolute values of 1e15.
        """
        rows = np.empty(X.shape, dtype=np.float32)
        step = max(1, CACHED_ELEMENTS // X.shape[1])
        # Clipped before the division, which may overflow even float64.
        reach = FARTHEST * self.scale
        for start in range(0, X.shape[0], step):
            part = slice(start, start + step)
            moved = X[part] - self.shift
            np.clip(moved, -reach, reach, out=moved)
            np.divide(moved, self.scale, out=rows[part], casting="same_kind")
        return torch.from_numpy(rows)
