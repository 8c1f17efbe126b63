"""Names of the array types, in one place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[np.floating[Any]]
"""Array of any float type."""

FloatArray = NDArray[np.float64]
"""Array of float64."""

IntArray = NDArray[np.int64]
"""Array of int64."""

BoolArray = NDArray[np.bool_]
"""Array of truth values."""


class SupportsDLPack(Protocol):
    """Array of another library that hands over its memory."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Capsule of the memory."""
        ...

    def __dlpack_device__(self) -> tuple[Any, int]:
        """Kind and number of the device that has it."""
        ...


AnyRows: TypeAlias = Array | sp.csr_array
"""Checked rows, dense or sparse."""

Rows: TypeAlias = (
    ArrayLike | Tensor | SupportsDLPack | sp.sparray | sp.spmatrix | Iterable[Any]
)
"""What estimators take as rows: an array of any kind, or batches of them."""

Matrix: TypeAlias = ArrayLike | Tensor | SupportsDLPack | sp.sparray | sp.spmatrix
"""Dense or sparse matrix that a user passes."""
