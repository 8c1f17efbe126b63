"""From the estimators' parameters to an affinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone

from neuraleig.affinity._base import Affinity
from neuraleig.affinity._graph import NeighborAffinity
from neuraleig.affinity._kernel import CallableAffinity, CosineAffinity, RBFAffinity
from neuraleig.affinity._precomputed import (
    PrecomputedAffinity,
    PrecomputedNeighborAffinity,
)

AFFINITIES = (
    "nearest_neighbors",
    "rbf",
    "cosine",
    "precomputed",
    "precomputed_nearest_neighbors",
)


def make_affinity(
    affinity: str | Callable[..., Any] | Affinity,
    *,
    n_neighbors: int = 10,
    metric: str = "euclidean",
    gamma: float | None = None,
) -> Affinity:
    """Make the affinity that the parameters of an estimator describe.

    Parameters
    ----------
    affinity : str, callable or Affinity
        One of ``AFFINITIES``, a kernel function (see :class:`CallableAffinity`), or
        an affinity, of which a clone is returned.
    n_neighbors : int, default=10
        Of the two graphs of neighbours, by name.
    metric : str, default="euclidean"
        Of ``"nearest_neighbors"``.
    gamma : float or None, default=None
        Of ``"rbf"``.

    Returns
    -------
    affinity : Affinity
        Not yet built.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If ``affinity`` is a class.

    Examples
    --------
    >>> from neuraleig.affinity import make_affinity
    >>> make_affinity("nearest_neighbors", n_neighbors=15)
    NeighborAffinity(n_neighbors=15)
    """
    if isinstance(affinity, Affinity):
        copied: Affinity = clone(affinity)
        return copied
    if isinstance(affinity, type):
        raise TypeError(
            f"affinity={affinity.__name__} is a class; pass an instance, such as "
            f"{affinity.__name__}()."
        )
    if callable(affinity):
        return CallableAffinity(affinity)
    if affinity not in AFFINITIES:
        raise ValueError(
            f"affinity={affinity!r} must be one of {', '.join(AFFINITIES)}, a callable "
            "or an Affinity."
        )
    if affinity == "rbf":
        return RBFAffinity(gamma)
    if affinity == "cosine":
        return CosineAffinity()
    if affinity == "precomputed":
        return PrecomputedAffinity()
    if affinity == "precomputed_nearest_neighbors":
        return PrecomputedNeighborAffinity(n_neighbors)
    return NeighborAffinity(n_neighbors, metric)
