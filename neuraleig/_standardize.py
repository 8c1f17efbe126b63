"""Rows of any offset and unit as float32."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import Array, FloatArray

# Elements of the data that are standardised at once: 32 MiB in float64.
SLICE_ELEMENTS = 2**22
# Elements that stay in the cache through several operations.
CACHED_ELEMENTS = 2**15
# Rows reach the network no farther out than this. The data of a fit cannot: n numbers
# of unit mean square stay below sqrt(n). A network may multiply what is farther by
# 10,000 before its square overflows float32, and infinities would become NaN.
FARTHEST = 1e15


class Standardization(NamedTuple):
    """Centre and unit of the data, by which rows reach the network.

    One unit serves all features, so that distances keep their proportions. It is
    applied in float64: float32 then holds data of any offset.

    Parameters
    ----------
    shift : ndarray of shape (n_features,)
        Mean of the data.
    scale : float
        Root mean square distance from it, per feature.
    """

    shift: FloatArray
    scale: float

    @classmethod
    def of(cls, X: Array) -> Standardization:
        """Standardisation of the rows of ``X``."""
        shift = X.mean(axis=0, dtype=np.float64)
        step = max(1, SLICE_ELEMENTS // X.shape[1])
        # The largest deviation comes out first: squares of large units overflow.
        starts = range(0, X.shape[0], step)
        reach = max(float(np.abs(X[i : i + step] - shift).max()) for i in starts)
        if reach == 0.0:
            return cls(shift, 1.0)
        squares = [np.square((X[i : i + step] - shift) / reach).sum() for i in starts]
        return cls(shift, reach * float(np.sqrt(np.sum(squares) / X.size)))

    def apply(self, X: Array) -> Tensor:
        """Rows of ``X`` as the network takes them, in float32, within ``FARTHEST``."""
        rows = np.empty(X.shape, dtype=np.float32)
        step = max(1, CACHED_ELEMENTS // X.shape[1])
        # Before the division, which may overflow even float64.
        reach = FARTHEST * self.scale
        for start in range(0, X.shape[0], step):
            part = slice(start, start + step)
            moved = X[part] - self.shift
            np.clip(moved, -reach, reach, out=moved)
            np.divide(moved, self.scale, out=rows[part], casting="same_kind")
        return torch.from_numpy(rows)
