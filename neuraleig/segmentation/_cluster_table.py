"""Size, pictures and confidence of every cluster, and warnings about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig._warnings import warn_user
from neuraleig._words import count_text, share_text

# Share of the tokens of a cluster in one picture from which the cluster is bound to it,
# and the share of such clusters, and their number, that are a fault of the fit: things
# that one picture alone shows have clusters of their own as well.
BOUND_SHARE, MOST_BOUND, FEWEST_BOUND = 0.9, 0.2, 2
# Pictures of a fit from which on that is told.
FEWEST_PICTURES = 8
# Share of all tokens beyond which a cluster, of more than two, is too large.
MOST_TOKENS = 0.6


class ClusterWarning(UserWarning):
    """Clusters follow single pictures, or one cluster has most of the tokens."""


@dataclass(frozen=True)
class Occurrences:
    """Where the clusters of a fit occur, before any union.

    Parameters
    ----------
    counts : ndarray of shape (n_pictures, n_clusters), int64
        Tokens of the sample.
    probabilities : ndarray of shape (n_clusters, n_clusters) or None
        Sum of the probabilities of all clusters over tokens of each cluster.
        ``None`` where they are not known.
    pictures : ndarray of shape (n_tokens,), int64, or None
        Picture of every token of the sample; ``None`` for a model from a file.
    """

    counts: IntArray
    probabilities: FloatArray | None = None
    pictures: IntArray | None = None

    @classmethod
    def of(
        cls,
        labels: IntArray,
        pictures: IntArray,
        probabilities: FloatArray | None = None,
    ) -> Self:
        """Count the labels of tokens, from 0, by the pictures of the tokens."""
        found, picture = np.unique(pictures, return_inverse=True)
        shape = len(found), int(labels.max()) + 1
        places = picture * shape[1] + labels
        counts = np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)
        return cls(counts, probabilities, pictures)

    def table(self, groups: IntArray) -> dict[str, Array]:
        """Columns of equal length, a row for every union of clusters.

        Parameters
        ----------
        groups : ndarray of shape (n_clusters,), int64
            Union of every cluster, numbered from 0.

        Returns
        -------
        table : dict of str to ndarray
            NaN where a union has no token, or its confidence is not known.
        """
        unions = np.arange(int(groups.max()) + 1)
        belongs = (groups[:, None] == unions).astype(np.int64)
        counts = self.counts @ belongs
        sizes = counts.sum(axis=0)
        return {
            "cluster": unions,
            "share": sizes / sizes.sum(),
            "n_pictures": np.count_nonzero(counts, axis=0),
            "largest_picture_share": _ratio(counts.max(axis=0), sizes),
            "confidence": self._confidence(belongs),
        }

    def _confidence(self, belongs: IntArray) -> FloatArray:
        """Mean probability of the own union over the tokens of every union."""
        if self.probabilities is None:
            return np.full(belongs.shape[1], np.nan)
        sums = belongs.T @ self.probabilities @ belongs
        return _ratio(np.diagonal(sums), sums.sum(axis=1))


def summed_probabilities(probabilities: FloatArray) -> FloatArray:
    """Sum of the rows (n_tokens, n_clusters) whose largest entry is each cluster's."""
    labels = probabilities.argmax(axis=1)
    sums: FloatArray = np.zeros((probabilities.shape[1],) * 2)
    for label in np.unique(labels):
        sums[label] = probabilities[labels == label].sum(axis=0)
    return sums


def warn_of_clusters(occurrences: Occurrences, across: str | None) -> None:
    """Warn of clusters that follow pictures, and of one that has most tokens.

    Parameters
    ----------
    occurrences : Occurrences
        Those of a fit.
    across : str or None
        Parameter that searches neighbours across pictures, where it is off.
    """
    n_pictures, n_clusters = occurrences.counts.shape
    table = occurrences.table(np.arange(n_clusters))
    n_bound = int((table["largest_picture_share"] >= BOUND_SHARE).sum())
    is_fault = n_bound >= FEWEST_BOUND and n_bound > MOST_BOUND * n_clusters
    if n_pictures >= FEWEST_PICTURES and is_fault:
        cure = "Pass more pictures, or lower n_clusters"
        if across is not None:
            cure = f"Set {across}=True to search neighbours across pictures"
        warn_user(
            f"{n_bound} of {count_text(n_clusters, 'cluster')} have nine tenths of "
            f"their tokens in one of {n_pictures:,} pictures each, and may stand for "
            f"pictures instead of things. {cure}; see cluster_table_.",
            ClusterWarning,
        )
    largest = int(table["share"].argmax())
    share = float(table["share"][largest])
    if n_clusters > 2 and share > MOST_TOKENS:
        warn_user(
            f"Cluster {largest} has {share_text(share)} of the tokens. If it holds "
            "several things, raise n_clusters, raise image_size for small things, or "
            "use a backbone, or layers of it, that tell the things apart.",
            ClusterWarning,
        )


def _ratio(part: Array, whole: Array) -> FloatArray:
    """Quotients; NaN where the whole is 0."""
    ratio: FloatArray = np.full(len(whole), np.nan)
    return np.divide(part, whole, out=ratio, where=whole > 0)
