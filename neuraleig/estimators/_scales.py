"""A warning about one feature that rules all distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuraleig._typing import Array
from neuraleig._warnings import warn_user

# Rows that are read, and quantiles between which a feature spreads: far rows are no
# unit. Binary features, which have no such range, count by their deviation.
SAMPLE_ROWS, QUANTILES = 10_000, (0.1, 0.9)
# Ratio of the largest spread to the second from which one feature is all that distances
# see: 99 % of the square of a distance.
RULING_RATIO = 10.0
# Fewer features may be coordinates in one unit, of something long.
LEAST_FEATURES = 4


class ScaleWarning(UserWarning):
    """One feature spreads so much further than the others that it rules distances."""


def warn_of_scales(X: Array, names: Sequence[str] | None = None) -> None:
    """Warn if one feature rules all distances.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite rows.
    names : sequence of str or None, default=None
        Names of the features.
    """
    if X.shape[1] < LEAST_FEATURES:
        return
    rows = X[:: -(-X.shape[0] // SAMPLE_ROWS)].astype(np.float64)
    low, high = np.quantile(rows, QUANTILES, axis=0)
    spread = np.where(high > low, high - low, 2 * rows.std(axis=0))
    second, first = np.argsort(spread)[-2:]
    if not spread[first] > RULING_RATIO * spread[second]:
        return
    called = f"Feature {first}" if names is None else f"Column {str(names[first])!r}"
    others = "the others are constant"
    if spread[second] > 0:
        others = f"no other over more than {spread[second]:.3g}"
    warn_user(
        f"{called} spreads over {spread[first]:.3g}, and {others}: distances, and so "
        "clusters, follow it alone. Scale features of different units (StandardScaler; "
        "--scale on the command line), or leave it out.",
        ScaleWarning,
    )
