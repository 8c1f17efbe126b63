"""Rows that come but once, kept on disk."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuraleig._tables._table import Table


def spooled(table: Table) -> NDArray[Any]:
    """Rows of a table in a temporary file, as an array.

    Parameters
    ----------
    table : Table
        Read once.

    Returns
    -------
    rows : memmap of shape (n_rows, n_features), float64
        The file has no name, and is gone with the array.
    """
    with tempfile.TemporaryFile() as file:
        for part in table:
            file.write(np.ascontiguousarray(part, dtype=np.float64).data)
        file.flush()
        return np.memmap(file, np.float64, mode="r").reshape(-1, table.n_features)
