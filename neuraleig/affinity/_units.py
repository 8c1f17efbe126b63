"""Units in which squares and small floors are harmless.

All of them are powers of two, by which values of common size are scaled without any
rounding.
"""

from __future__ import annotations

import numpy as np

from neuraleig._typing import Array, FloatArray

# The largest value is of common size up to this power of two, and down to its inverse.
COMMON = 10


def of_common_size(values: FloatArray) -> FloatArray:
    """Non-negative values; of uncommon size, they are scaled to about 1."""
    exponent = np.frexp(values.max(initial=0.0))[1]
    return values if abs(exponent) <= COMMON else np.ldexp(values, -exponent)


def unit_rows(X: Array) -> Array:
    """Rows of norm 1, of whatever length they were; those of zeros stay."""
    longest = np.maximum(X.max(axis=1), -X.min(axis=1))
    # Squares of the values as they are may overflow, or vanish.
    unit: Array = np.ldexp(X, -np.frexp(longest)[1][:, None])
    norms = np.linalg.norm(unit, axis=1, keepdims=True)
    # In place: one copy of the rows is enough.
    unit /= np.where(norms > 0, norms, 1.0)
    return unit
