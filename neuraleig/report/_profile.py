"""What tells clusters apart: means of numbers, and shares of categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuraleig._typing import FloatArray, IntArray
from neuraleig._words import share_text
from neuraleig.report._columns import Columns
from neuraleig.report._page import NO_NUMBER, number_text
from neuraleig.report._statistics import FeatureMoments


class CellCounts:
    """Moments of numbers, and counts of categories, by cluster."""

    def __init__(self, columns: Columns, n_clusters: int) -> None:
        self._columns = columns
        self.moments = FeatureMoments(n_clusters)
        self._shape = n_clusters, columns.is_category.size
        # (n_values, n_clusters) of each column of categories.
        self._counts: dict[int, IntArray] = {}

    def add(self, cells: FloatArray, labels: IntArray) -> None:
        """Add cells of shape (n_rows, n_columns) and the labels of their rows."""
        n_clusters, n_columns = self._shape
        if n_columns == 0:
            return
        self.moments.add(cells, labels)
        for column in np.flatnonzero(self._columns.is_category).tolist():
            known = ~np.isnan(cells[:, column])
            n_values = len(self._columns.values(column))
            places = cells[known, column].astype(np.int64) * n_clusters + labels[known]
            found = np.bincount(places, minlength=n_values * n_clusters)
            counts = found.reshape(n_values, n_clusters)
            before = self._counts.get(column)
            if before is not None:
                counts[: len(before)] += before
            self._counts[column] = counts

    def profile(self, sizes: IntArray) -> Profile:
        """Return the features of clusters of these sizes."""
        n_clusters, n_columns = self._shape
        columns, codes = [], []
        means, deviations = [], []
        cluster_means = []
        numbers = np.flatnonzero(~self._columns.is_category)
        if n_columns:
            columns.append(numbers)
            codes.append(np.full(numbers.size, -1))
            means.append(self.moments.means[numbers])
            deviations.append(self.moments.deviations[numbers])
            cluster_means.append(self.moments.cluster_means[:, numbers])
        for column, counts in self._counts.items():
            if not self._columns.is_shown[column]:
                continue
            share = counts.sum(axis=1) / sizes.sum()
            columns.append(np.full(len(counts), column))
            codes.append(np.arange(len(counts)))
            means.append(share)
            deviations.append(np.sqrt(share * (1 - share)))
            shares = counts.T / np.where(sizes > 0, sizes, np.nan)[:, None]
            cluster_means.append(shares)
        empty: FloatArray = np.empty(0)
        return Profile(
            self._columns,
            np.concatenate([empty, *columns]).astype(np.int64),
            np.concatenate([empty, *codes]).astype(np.int64),
            np.concatenate([empty, *means]),
            np.concatenate([empty, *deviations]),
            np.concatenate([np.empty((n_clusters, 0)), *cluster_means], axis=1),
        )


@dataclass(frozen=True)
class Profile:
    """Features: columns of numbers, and the single values of columns of categories.

    ``column`` is the column of each feature, and ``code`` the number of its value, -1
    for numbers. Means and deviations are those of all rows, those of values shares;
    ``cluster_means`` has shape (n_clusters, n_features), NaN where nothing is known.
    """

    columns: Columns
    column: IntArray
    code: IntArray
    means: FloatArray
    deviations: FloatArray
    cluster_means: FloatArray

    def differences(self) -> FloatArray:
        """Return cluster means minus overall means, in standard deviations, or 0."""
        moved = self.cluster_means - self.means
        found = np.zeros_like(moved)
        known = (self.deviations > 0) & np.isfinite(moved)
        return np.divide(moved, self.deviations, out=found, where=known)

    def varying(self, features: IntArray) -> IntArray:
        """Return those of some features that are not constant."""
        return features[self.deviations[features] > 0]

    def name(self, feature: int) -> str:
        """Name of a feature: its column, and its value if it is one of a category."""
        column, code = int(self.column[feature]), int(self.code[feature])
        name = self.columns.names[column]
        if code < 0:
            return name
        return f"{name}: {self.columns.values(column)[code]}"

    def text(self, feature: int, mean: float) -> str:
        """Mean of a feature as text: a number in the unit of its column, or a share."""
        if np.isnan(mean):
            return NO_NUMBER
        if self.code[feature] >= 0:
            return share_text(mean)
        return number_text(mean, self.deviations[feature])

    def scaled(self, cells: FloatArray) -> FloatArray:
        """Return cells in standard deviations of all rows; missing ones are -1."""
        scales: FloatArray = np.ones(cells.shape[1])
        numbers = self.varying(np.flatnonzero(self.code < 0))
        scales[self.column[numbers]] = self.deviations[numbers]
        return np.nan_to_num(cells / scales, nan=-1.0)

    def distances(self, cells: FloatArray, cluster: int) -> FloatArray:
        """Return squared distances of rows from the mean of a cluster.

        In standard deviations of all rows. All values of a category together weigh as
        much as a number on average, and a missing number counts as one deviation.
        """
        total: FloatArray = np.zeros(len(cells))
        varies, means = self.deviations > 0, self.cluster_means[cluster]
        numbers = np.flatnonzero(varies & (self.code < 0))
        moved = cells[:, self.column[numbers]] - means[numbers]
        moved = np.nan_to_num(moved / self.deviations[numbers], nan=1.0)
        total += (moved**2).sum(axis=1)
        for column in np.unique(self.column[self.code >= 0]):
            own = np.flatnonzero((self.column == column) & varies & (self.code >= 0))
            if not own.size:
                continue
            inverse = 1 / self.deviations[own] ** 2
            shares = means[own]
            # Of the value of the row one minus its share, of others their shares.
            distances = (shares**2 * inverse).sum() + (1 - 2 * shares) * inverse
            table = np.zeros(self.code[own].max() + 1)
            table[self.code[own]] = distances / max(own.size - 1, 1)
            total += table[cells[:, column].astype(np.int64)]
        return total
