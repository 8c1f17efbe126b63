"""Identical rows, and what they weigh in a graph of neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import Array, FloatArray, IntArray


class DistinctRows(NamedTuple):
    """Rows of which no two are identical.

    Parameters
    ----------
    first : ndarray of shape (n_distinct,), int64
        Position of the first of each set of identical rows, ascending.
    counts : ndarray of shape (n_distinct,), int64
        Number of rows of each set.
    """

    first: IntArray
    counts: IntArray


def distinct_rows(X: Array, groups: IntArray | None = None) -> DistinctRows:
    """First of each set of identical rows, and how many there are.

    Rows of different groups are different. Only rows that share a hash are compared,
    so that data without duplicates cost one pass and no copy.
    """
    _, inverse, n_alike = np.unique(
        _row_hashes(X), return_inverse=True, return_counts=True
    )
    doubtful = np.flatnonzero(n_alike[inverse] > 1)
    rows = _without_signed_zeros(X[doubtful])
    if groups is not None:
        rows = np.column_stack([rows, groups[doubtful]])
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))
    _, first, n_copies = np.unique(
        as_bytes.ravel(), return_index=True, return_counts=True
    )
    counts = np.ones(X.shape[0], dtype=np.int64)
    counts[doubtful] = 0
    counts[doubtful[first]] = n_copies
    index = np.flatnonzero(counts).astype(np.int64)
    return DistinctRows(index, counts[index])


def _row_hashes(X: Array) -> NDArray[np.uint64]:
    """One integer per row, equal for equal rows."""
    generator = np.random.default_rng(0)
    multipliers = generator.integers(2**64, size=X.shape[1], dtype=np.uint64)
    hashes = np.empty(X.shape[0], dtype=np.uint64)
    step = max(1, SLICE_ELEMENTS // X.shape[1])
    for start in range(0, X.shape[0], step):
        part = _without_signed_zeros(X[start : start + step])
        bits = part.view(f"u{part.itemsize}").astype(np.uint64)
        # Round numbers end in zeros, which products would keep: fold the rest in.
        bits ^= bits >> np.uint64(32)
        hashes[start : start + step] = bits @ multipliers
    return hashes


def _without_signed_zeros(X: Array) -> Array:
    """Contiguous copy in which equal values have equal bytes."""
    copy: Array = np.ascontiguousarray(X) + 0.0  # -0.0 and 0.0 are the same value
    return copy


def in_lowest_terms(counts: IntArray) -> IntArray | None:
    """Counts divided by their greatest common divisor; ``None`` if all are equal."""
    lowest = counts // np.gcd.reduce(counts)
    return lowest if lowest.max() > 1 else None


class Slots(NamedTuple):
    r"""Edges that a copy of each row has to its nearest neighbours.

    A node of :math:`m_i` copies stands for a graph over all copies, in which each of
    them has :math:`k` edges. The unit of copies is the median :math:`b_i` of the counts
    of the k nearest distinct rows. A copy fills its k slots with
    :math:`\max(m_i / b_i - 1, 0)` edges to its like, then with up to
    :math:`m_j / b_i` edges to each of the nearest distinct rows :math:`j`.

    Counts are relative, for two reasons. Graphs do not change when all rows are
    repeated; and where rows have few distinct values, each with many copies, all slots
    would go to copies, and nothing would join one value to the next. A row is a mass
    where it has more copies than the rows around it. The median was chosen over that of
    all counts, and the geometric mean of both, by rows of few integers and by digits of
    20 binary pixels.

    Parameters
    ----------
    own : ndarray of shape (n_samples,)
        Slots of a copy for its like.
    others : ndarray of shape (n_samples, n_neighbors)
        Slots of a copy for each distinct neighbour.
    filled : ndarray of shape (n_samples, n_neighbors)
        Rows that are as near as this neighbour or nearer, in the unit of the row.
    """

    own: FloatArray
    others: FloatArray
    filled: FloatArray

    @classmethod
    def of(
        cls, counts: IntArray, indices: IntArray, *, meets_copies: bool = True
    ) -> Slots:
        """Fill the slots.

        Parameters
        ----------
        counts : ndarray of shape (n_samples,)
            Copies of every row.
        indices : ndarray of shape (n_samples, n_neighbors)
            Nearest distinct rows, the nearest first.
        meets_copies : bool, default=True
            Whether copies of a row are neighbours of each other; they are not where
            neighbours are in other groups.

        Returns
        -------
        slots : Slots
            At most ``n_neighbors`` for every copy.
        """
        n_neighbors = indices.shape[1]
        capacity = counts[indices].astype(np.float64)
        unit = np.median(capacity, axis=1)
        capacity /= unit[:, None]
        own = np.zeros(unit.size)
        if meets_copies:
            own = np.maximum(counts / unit - 1.0, 0.0)
        filled = own[:, None] + np.cumsum(capacity, axis=1)
        free = n_neighbors - (filled - capacity)
        others = np.clip(free, 0.0, capacity)
        return cls(np.minimum(own, n_neighbors), others, filled)

    def ranks_of(self, neighbor: int) -> IntArray:
        """Position of the distinct row that is a neighbour of some rank by copies.

        A mass has its nearest distinct row at least: the distance to its like is 0,
        which is no scale, and would make the edges to its nearest rows, however near,
        as thin as those to the farthest.

        Parameters
        ----------
        neighbor : int
            Rank, from 1; lowered to the number of neighbours.

        Returns
        -------
        ranks : ndarray of shape (n_samples,), int64
            Below the number of neighbours.
        """
        n_neighbors = self.filled.shape[1]
        nearer = self.filled < min(neighbor, n_neighbors)
        ranks: IntArray = nearer.sum(axis=1, dtype=np.int64)
        return np.asarray(np.minimum(ranks, n_neighbors - 1))
