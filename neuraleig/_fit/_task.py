"""What an estimator asks of a fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neuraleig._fit._problem import Problem
from neuraleig._fit._settings import Settings
from neuraleig.networks import EigenNetwork
from neuraleig.reading._cluster_curve import n_looked_at

MakeNetwork = Callable[[Problem, int, int], EigenNetwork]
"""Takes the problem, and the numbers of functions and of clusters."""


@dataclass(frozen=True)
class Task:
    """What an estimator asks of a fit.

    Parameters
    ----------
    n_clusters : int or None
        Clusters of the label head; ``None``: the best number of the curve.
    n_components : int or None
        Eigenfunctions, the constant one included; ``None``: ``per_cluster`` of them
        per cluster, and two at least.
    n_read : int
        Exact eigenfunctions from which labels are read, at most; the curve may look
        at more.
    settings : Settings
        Of training.
    make_network : callable
        See ``MakeNetwork``.
    per_cluster : int, default=1
        Eigenfunctions per cluster where ``n_components`` is open.
    max_clusters : int or None, default=None
        Largest number of the curve; ``None``: no curve.
    by_head : bool, default=True
        Whether labels are those of the label head, so that every number of the curve
        needs one.
    hidden_centres : bool, default=False
        Whether clusters are those of k-means on the hidden features.
    """

    n_clusters: int | None
    n_components: int | None
    n_read: int
    settings: Settings
    make_network: MakeNetwork
    per_cluster: int = 1
    max_clusters: int | None = None
    by_head: bool = True
    hidden_centres: bool = False

    def n_learned(self, n_clusters: int) -> int:
        """Eigenfunctions to learn for so many clusters, the constant one included."""
        # One besides the constant is the least that can be learned.
        return self.n_components or max(self.per_cluster * n_clusters, 2)

    @property
    def most_clusters(self) -> int:
        """Largest number of clusters that any part looks at."""
        return max(self.n_clusters or 1, self.max_clusters or 1)

    @property
    def n_solved(self) -> int:
        """Exact eigenfunctions that any part looks at."""
        curve = 0 if self.max_clusters is None else n_looked_at(self.max_clusters)
        return max(self.n_read, self.n_precise, curve)

    @property
    def n_precise(self) -> int:
        """Exact eigenfunctions that must be precise: those that may be learned."""
        if self.n_clusters is not None or self.n_components is not None:
            return max(self.n_learned(self.n_clusters or 1), 2)
        return n_looked_at(self.most_clusters)

    @property
    def n_least(self) -> int:
        """Exact eigenfunctions of which none may be left out."""
        # Of an open number of clusters few are large: half of what it may need.
        is_open = self.n_clusters is None and self.n_components is None
        return self.n_precise // 2 if is_open else self.n_precise
