"""What sparse matrices lack."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def clear_diagonal(matrix: sp.csr_array) -> None:
    """Take the diagonal out of a square matrix, in place, and explicit zeros with it.

    ``setdiag(0)`` of some versions of scipy stores the whole diagonal first, slowly
    and with a warning.
    """
    counts = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0], dtype=matrix.indices.dtype), counts)
    matrix.data[rows == matrix.indices] = 0
    matrix.eliminate_zeros()
