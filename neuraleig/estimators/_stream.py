"""Clusters of a stream: batches that come one by one and do not return."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from neuraleig._fit import Problem
from neuraleig._random import numbered_generator
from neuraleig._rows import stacked
from neuraleig._typing import AnyRows, FloatArray, Matrix, Rows
from neuraleig.estimators._alignment import FindFormer, clusters_of
from neuraleig.estimators._base import RowFit, unchanged_on_failure
from neuraleig.estimators._evaluation import joined
from neuraleig.estimators._prediction import ClusterPredictor
from neuraleig.reading._alignment import warn_of_changes
from neuraleig.training._checkpoint import clearing_deferred
from neuraleig.training._distributed import current_shard

# Rows of a stream that are kept: a fit of so many takes some seconds.
KEPT_ROWS = 20_000
# The model is made anew when the stream stands for so many times the rows behind it:
# the number of fits grows with the logarithm of the stream alone.
# Not tuned: it trades time for how soon a change is seen.
GROWTH = 1.1


@dataclass(frozen=True)
class StreamSample:
    """Uniform sample of the rows of a stream so far.

    Parameters
    ----------
    rows : ndarray or csr_array of shape (n_kept, n_features)
        Rows that are kept, in the order in which they came.
    numbers : ndarray of shape (n_kept,)
        What they drew: those of the smallest numbers stay.
    n_seen : int
        Rows of the stream so far.
    seed : int
        Seed of the draws.
    """

    rows: AnyRows
    numbers: FloatArray
    n_seen: int
    seed: int

    @classmethod
    def empty(cls, n_features: int, seed: int) -> StreamSample:
        """Sample of a stream that has not begun."""
        return cls(np.empty((0, n_features), np.float32), np.empty(0), 0, seed)

    def extended(self, rows: AnyRows, most: int) -> StreamSample:
        """Sample of the stream after some more rows."""
        n_new: int = rows.shape[0]
        drawn = numbered_generator(self.seed, 0, self.n_seen).random(n_new)
        n_seen = self.n_seen + n_new
        if self.n_seen > len(self.numbers):
            # Rows of larger numbers were left out, whatever ``most`` is now.
            smaller = drawn < self.numbers.max()
            drawn, rows = drawn[smaller], rows[smaller]
        numbers = np.concatenate([self.numbers, drawn])
        # Copies: callers may write the next rows to the same memory.
        is_first = len(self.numbers) == 0
        together: Any = rows.copy() if is_first else stacked([self.rows, rows])
        if len(numbers) > most:
            kept = np.sort(np.argpartition(numbers, most - 1)[:most])
            numbers, together = numbers[kept], together[kept]
        return StreamSample(together, numbers, n_seen, self.seed)


class StreamClusterer(ClusterPredictor):
    """Base of what clusters streams, by fits to a sample of bounded size."""

    _stream: StreamSample | None
    feature_names_in_: object
    n_samples_seen_: int

    @abstractmethod
    def _fit(
        self,
        X: Rows,
        affinity_matrix: Matrix | None,
        groups: ArrayLike | None,
        make_problem: Callable[[RowFit, int], Problem],
        find_former: FindFormer | None = None,
    ) -> Self:
        """Fit to a problem; clusters have the numbers of a former model's."""

    def partial_fit(self, X: Rows, y: None = None) -> Self:
        """Go on with the next rows of a stream.

        A uniform sample of up to 20,000 rows of the stream is kept (fewer, if
        ``max_graph_rows`` is smaller), and no graph. Where ``max_graph_rows`` is raised
        after rows were left out, the sample grows with the stream. The model is fitted
        to it anew whenever a tenth more rows have come than are behind it. Clusters
        keep their numbers and names as in a fit with ``align_to``, and ``alignment_``
        says which are new or lost; where a name is lost, a warning does, too.
        Eigenfunctions may change signs. With a ``checkpoint``, a fit that was
        interrupted goes on only if it is called with the same rows.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows; those of the first call must be at least ``n_clusters``.
        y : None
            Ignored.

        Returns
        -------
        self : estimator
            Fitted; ``labels_`` are those of the rows of this call. After ``fit``,
            whose rows are not kept, the stream counts once it is longer than they were.

        Notes
        -----
        Memory and time of a fit of 20,000 rows, and of the rows of the call. A stream
        of n rows costs O(log n) fits.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> X, _ = make_blobs(900, centers=3, random_state=0)
        >>> model = NeuralEigenSpectralClustering(3, random_state=0)
        >>> for start in range(0, 900, 300):
        ...     model = model.partial_fit(X[start : start + 300])
        >>> model.n_samples_seen_
        900
        """
        with unchanged_on_failure(self), clearing_deferred():
            affinity, _ = self._check_parameters()
            if affinity.needs_matrix or affinity.takes_groups:
                raise ValueError(
                    f"affinity={self.affinity!r} needs more than the rows of a stream; "
                    "choose another affinity, or use fit."
                )
            is_first = not hasattr(self, "eigenfunctions_")
            rows = joined(self._checked_parts(X, reset=is_first, ensure_min_samples=1))
            stream = getattr(self, "_stream", None) or self._new_stream(rows.shape[1])
            stream = stream.extended(rows, min(KEPT_ROWS, self.max_graph_rows))
            if is_first or stream.n_seen >= GROWTH * self.n_samples_seen_:
                self._renew(stream)
            self._stream = stream
            self.labels_ = self._labels_at(rows)
        return self

    def _new_stream(self, n_features: int) -> StreamSample:
        generator = check_random_state(self.random_state)
        seed = current_shard().first(lambda: int(generator.randint(2**31 - 1)))
        return StreamSample.empty(n_features, seed)

    def _renew(self, stream: StreamSample) -> None:
        """Fit to the sample of a stream; clusters keep their numbers and names."""
        is_first = not hasattr(self, "eigenfunctions_")
        # A copy: the fit replaces the attributes of this estimator.
        former = None if is_first else clusters_of(copy.copy(self))
        # The sample has lost the names of its features.
        names = getattr(self, "feature_names_in_", None)
        self._fit(stream.rows, None, None, self._row_problem, former)
        if names is not None:
            self.feature_names_in_ = names
        self.n_samples_seen_ = stream.n_seen
        # Early clusters come and go; names are the user's.
        if self.alignment_ is not None and self.alignment_.lost_names:
            warn_of_changes(self.alignment_)
