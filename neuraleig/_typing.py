"""Names of the array types, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Array of any float type."""

FloatArray = NDArray[np.float64]
"""Array of float64."""

IntArray = NDArray[np.int64]
"""Array of int64."""
