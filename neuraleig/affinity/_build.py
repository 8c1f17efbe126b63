"""From the estimators' parameters to an affinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone

from neuraleig.affinity._base import Affinity
from neuraleig.affinity._kernel import CallableAffinity, CosineAffinity, RBFAffinity
from neuraleig.affinity._neighbor_affinity import NeighborAffinity
from neuraleig.affinity._precomputed import (
    PrecomputedAffinity,
    PrecomputedNeighborAffinity,
)

NAMED: dict[str, type[Affinity]] = {
    "nearest_neighbors": NeighborAffinity,
    "rbf": RBFAffinity,
    "cosine": CosineAffinity,
    "precomputed": PrecomputedAffinity,
    "precomputed_nearest_neighbors": PrecomputedNeighborAffinity,
}
AFFINITIES = tuple(NAMED)


def make_affinity(
    affinity: str | Callable[..., Any] | Affinity,
    *,
    n_neighbors: int | None = None,
    metric: str | None = None,
    gamma: float | None = None,
) -> Affinity:
    """Make the affinity that the parameters of an estimator describe.

    Parameters
    ----------
    affinity : str, callable or Affinity
        One of ``AFFINITIES``, a kernel function (see :class:`CallableAffinity`), or
        an affinity, of which a clone is returned.
    n_neighbors, metric, gamma
        Parameters of affinities by name, which the affinity of a name may have or not.
        ``None``: its own default.

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
    if affinity not in NAMED:
        raise ValueError(
            f"affinity={affinity!r} must be one of {', '.join(AFFINITIES)}, a callable "
            "or an Affinity."
        )
    made = NAMED[affinity]()
    beside = {"n_neighbors": n_neighbors, "metric": metric, "gamma": gamma}
    for name in made.get_params(deep=False).keys() & beside.keys():
        if beside[name] is not None:
            made.set_params(**{name: beside[name]})
    return made
