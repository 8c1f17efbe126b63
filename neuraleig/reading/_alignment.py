"""Numbers of clusters that follow those of a former model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from neuraleig._typing import IntArray
from neuraleig._warnings import warn_user
from neuraleig._words import share_text

# Two clusters are the same one beyond this Jaccard index of their rows. Above one half
# no cluster is the same as two others, and the best one-to-one map has all such pairs.
SAME = 0.5


class AlignmentWarning(UserWarning):
    """Clusters of a refit are not those of the former model."""


@dataclass(frozen=True)
class Alignment:
    """Clusters of a refit beside those of the former model.

    A cluster is the same as a former one if their Jaccard index, the rows that both
    have among the rows that either has, is above 0.5.

    Parameters
    ----------
    agreement : float
        Share of the rows whose number is the former one.
    former : tuple of int or None
        Former number of every cluster; ``None`` for a new cluster.
    overlap : tuple of float
        Jaccard index of every cluster and its partner under the best one-to-one map,
        also where it is too low for the same cluster; 0 without a partner.
    lost : tuple of int
        Former numbers of the clusters that are gone.
    lost_names : dict of int to str
        Names that these had.

    Examples
    --------
    >>> from neuraleig.reading import Alignment
    >>> alignment = Alignment(0.9, (0, None), (0.95, 0.3), (1,), {1: "gold"})
    >>> alignment.new
    (1,)
    >>> print(alignment)
    agreement 90.0 %; new clusters: 1; lost clusters: 1 (gold)
    """

    agreement: float
    former: tuple[int | None, ...]
    overlap: tuple[float, ...]
    lost: tuple[int, ...] = ()
    lost_names: Mapping[int, str] = field(default_factory=dict)

    @property
    def new(self) -> tuple[int, ...]:
        """Numbers of the clusters that the former model did not have."""
        return tuple(c for c, former in enumerate(self.former) if former is None)

    @property
    def moved(self) -> dict[int, int]:
        """Numbers now, by the former ones, of the same clusters with other numbers."""
        pairs = enumerate(self.former)
        return {f: c for c, f in pairs if f is not None and f != c}

    @property
    def changes(self) -> str:
        """New, lost and moved clusters in words; empty without any."""
        lost = [
            f"{c} ({self.lost_names[c]})" if c in self.lost_names else str(c)
            for c in self.lost
        ]
        moved = [f"{former} is {now} now" for former, now in self.moved.items()]
        parts = {
            "new clusters": map(str, self.new),
            "lost clusters": lost,
            "other numbers": moved,
        }
        texts = {title: ", ".join(words) for title, words in parts.items()}
        return "; ".join(f"{title}: {text}" for title, text in texts.items() if text)

    def __str__(self) -> str:
        """Agreement and changes in one line."""
        agreement = f"agreement {share_text(self.agreement)}"
        return f"{agreement}; {self.changes}" if self.changes else agreement


@dataclass(frozen=True)
class FormerClusters:
    """Clusters of a former model at the rows of a fit.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
        Labels that the former model gives these rows.
    n_clusters : int
        Number of its clusters.
    names : mapping of int to str
        Names of its clusters.
    """

    labels: IntArray
    n_clusters: int
    names: Mapping[int, str] = field(default_factory=dict)

    def followed_by(
        self, labels: IntArray, n_clusters: int
    ) -> tuple[IntArray, Alignment]:
        """Order in which clusters have the numbers of their partners.

        Partners are those of the one-to-one map that shares most rows. Clusters without
        a partner, and those whose partner has a number beyond ``n_clusters``, take the
        numbers that are left, in ascending order; the latter come first.

        Parameters
        ----------
        labels : ndarray of shape (n_samples,), int64
            Labels of the same rows, from 0.
        n_clusters : int
            Number of clusters.

        Returns
        -------
        order : ndarray of shape (n_clusters,), int64
            Cluster that comes first, second, ...
        alignment : Alignment
            Of the clusters in this order.
        """
        pairs = self.labels * n_clusters + labels
        shape = (self.n_clusters, n_clusters)
        shared = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)
        partners = _partners(shared)
        has_place = (partners >= 0) & (partners < n_clusters)
        last = self.n_clusters + np.arange(n_clusters)
        by_partner = np.argsort(np.where(partners >= 0, partners, last))
        numbers = partners.copy()
        left = np.setdiff1d(np.arange(n_clusters), partners)
        numbers[by_partner[~has_place[by_partner]]] = left
        order = np.asarray(np.argsort(numbers), dtype=np.int64)
        return order, self._alignment(shared[:, order], partners[order])

    def _alignment(self, shared: IntArray, partners: IntArray) -> Alignment:
        """Alignment of clusters, by common rows of all pairs, and partners."""
        both = shared[partners, np.arange(partners.size)]
        either = shared.sum(axis=1)[partners] + shared.sum(axis=0) - both
        overlap = np.where(partners >= 0, both / np.maximum(either, 1), 0.0)
        former = tuple(
            int(partner) if jaccard > SAME else None
            for partner, jaccard in zip(partners, overlap, strict=True)
        )
        lost = tuple(sorted(set(range(self.n_clusters)).difference(former)))
        return Alignment(
            float(np.trace(shared) / shared.sum()),
            former,
            tuple(overlap.tolist()),
            lost,
            {c: self.names[c] for c in lost if c in self.names},
        )

    def names_of(self, alignment: Alignment) -> dict[int, str]:
        """Names of the same clusters, by their numbers now."""
        return {
            c: self.names[former]
            for c, former in enumerate(alignment.former)
            if former is not None and former in self.names
        }


def warn_of_changes(alignment: Alignment | None) -> None:
    """Warn where clusters are new or lost."""
    if alignment is None or not (alignment.new or alignment.lost):
        return
    taken = " The number of a lost cluster may stand for another one now."
    warn_user(
        f"Clusters are not those of the former model: {alignment.changes}."
        f"{taken if alignment.lost else ''}",
        AlignmentWarning,
    )


def _partners(shared: IntArray) -> IntArray:
    """Former cluster of every cluster under the best map; -1 without common rows."""
    former, now = linear_sum_assignment(shared, maximize=True)
    partners = np.full(shared.shape[1], -1)
    partners[now] = np.where(shared[former, now] > 0, former, -1)
    return partners
