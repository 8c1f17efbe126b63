"""Standardisation of rows with any offset and unit to float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import Array, BoolArray, FloatArray

# Elements that are standardised at once: 32 MiB in float64.
SLICE_ELEMENTS = 2**22
# Elements that fit into the CPU cache during several operations.
CACHED_ELEMENTS = 2**15
# Largest absolute value of a standardised feature. A network may multiply it by 10,000
# before its square overflows float32, after which infinities become NaN.
FARTHEST = 1e15
# A row is far beyond so many median distances from the centre.
# Not tuned: data with a single row just below have a unit larger by half where there
# are 300 rows. Of the sets with published figures hardly any has such rows.
FAR = 20.0
# No row is far where fewer are near: about one half, the sample would decide which.
# Not tuned: mistakes and marks of missing values are rarer.
LEAST_NEAR = 0.6
# Rows by which the centre and the median distance are estimated, drawn at random: every
# so many of rows that alternate would all be of one kind.
SAMPLE_ROWS = 1024
# Values stay as they are up to so many times the largest deviation of rows that are not
# far: new rows may lie somewhat outside, and clusters far apart must not become thin.
# From the second number of bounds on the logarithm is compressed itself.
# Chosen on moons, circles and digits with far rows, and on blobs 300 deviations apart:
# margins of 2 and 5 lose 0.005 on one or the other, and 20 up to half.
MARGIN = 4.0
LOGARITHMIC = 100.0


class Standardization(NamedTuple):
    """Shift, scale and bound of rows before the network.

    All features have the same scale, so that ratios of distances are kept. Values
    beyond the bound grow by their logarithm, so that a far row neither decides the
    scale nor dominates a fit, as ``bounded`` in this module says.

    Parameters
    ----------
    shift : ndarray of shape (n_features,)
        Mean of the rows that are not far.
    scale : float
        Their root mean square deviation from the mean, over all features.
    bound : float, default=1e15
        Absolute value of a standardised feature from which on it grows by its
        logarithm.

    Notes
    -----
    Rows are far at more than 20 times the median distance of rows from the
    coordinate-wise median.
    """

    shift: FloatArray
    scale: float
    bound: float = FARTHEST

    @classmethod
    def of(cls, X: Array) -> Standardization:
        """Compute the standardisation of some rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Finite rows, in any unit.

        Returns
        -------
        standardization : Standardization
            Of scale 1 where all rows are equal.

        Notes
        -----
        Memory beyond the rows: some slices of them, and a sample of 1,024.
        """
        moments = _Moments.of(X)
        near = _near_rows(X, moments)
        if near is not None:
            moments = _Moments.of(X, near)
        if moments.reach == 0.0:
            return cls(moments.shift, 1.0)
        # In float32, as the values that are compared with it.
        bound = float(np.float32(MARGIN * moments.reach / moments.scale))
        return cls(moments.shift, moments.scale, bound)

    def unbounded(self) -> Standardization:
        """Leave the bound out, where distances are compared.

        Returns
        -------
        standardization : Standardization
            Of the same shift and scale.
        """
        return self._replace(bound=FARTHEST)

    def apply(self, X: Array) -> Tensor:
        """Standardise rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows, in the units of the data.

        Returns
        -------
        rows : Tensor of shape (n_samples, n_features), float32
            On the CPU, with values beyond the bound compressed.
        """
        rows = np.empty(X.shape, dtype=np.float32)
        step = max(1, CACHED_ELEMENTS // X.shape[1])
        # Clipped before the division, which may overflow even float64.
        reach = FARTHEST * self.scale
        for start in range(0, X.shape[0], step):
            part = slice(start, start + step)
            moved, found = X[part] - self.shift, rows[part]
            np.clip(moved, -reach, reach, out=moved)
            np.divide(moved, self.scale, out=found, casting="same_kind")
            if max(found.max(), -found.min()) > self.bound:
                found[:] = bounded(torch.from_numpy(found), self.bound).numpy()
        return torch.from_numpy(rows)


def bounded(rows: Tensor, bound: float | Tensor) -> Tensor:
    """Let values beyond a bound grow by their logarithm.

    Parameters
    ----------
    rows : Tensor of float32
        Standardised rows.
    bound : float or Tensor
        Absolute value up to which nothing changes.

    Returns
    -------
    rows : Tensor of float32
        With ``t = |x| / bound``: ``bound * (1 + log(t))`` with the sign of ``x`` beyond
        the bound, to which ``bound * log(1 + log(t / 100))`` is added in place of
        further growth beyond 100 bounds. Other values are returned as they are. Each
        depends on itself alone.
    """
    # Clamped from below, so that gradients of what is not selected are finite.
    beyond = rows.double().abs().clamp_min(bound) / bound
    grown = 1 + beyond.clamp_max(LOGARITHMIC).log()
    grown = grown + (1 + (beyond / LOGARITHMIC).clamp_min(1).log()).log()
    compressed = rows.sign() * (bound * grown).float()
    return torch.where(rows.abs() > bound, compressed, rows)


class _Moments(NamedTuple):
    """Mean, root mean square deviation, and extent of rows about their mean."""

    shift: FloatArray
    scale: float
    # Largest deviation of a feature, and of a row.
    reach: float
    radius: float

    @classmethod
    def of(cls, X: Array, near: BoolArray | None = None) -> _Moments:
        """Of all rows, or of those that are near."""
        if near is None:
            n_rows, shift = X.shape[0], X.mean(axis=0, dtype=np.float64)
        else:
            n_rows = int(near.sum())
            sums = [rows.sum(axis=0, dtype=np.float64) for rows in _slices(X, near)]
            shift = np.sum(sums, axis=0) / n_rows
        # Relative to the largest deviation: squares of large values overflow.
        reach = max(
            float(np.abs(rows - shift).max(initial=0.0)) for rows in _slices(X, near)
        )
        if reach == 0.0:
            return cls(shift, 0.0, 0.0, 0.0)
        totals, longest = [], 0.0
        for rows in _slices(X, near):
            squares = np.square((rows - shift) / reach)
            totals.append(squares.sum())
            longest = max(longest, float(squares.sum(axis=1).max(initial=0.0)))
        scale = reach * float(np.sqrt(np.sum(totals) / (n_rows * X.shape[1])))
        return cls(shift, scale, reach, reach * longest**0.5)


def _slices(X: Array, near: BoolArray | None = None) -> Iterator[Array]:
    """Rows, or those that are near, in slices."""
    step = max(1, SLICE_ELEMENTS // X.shape[1])
    for start in range(0, X.shape[0], step):
        rows = X[start : start + step]
        yield rows if near is None else rows[near[start : start + step]]


def near_rows(X: Array) -> BoolArray | None:
    """Which rows are not far; ``None`` if no row is far.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite rows, in any unit.

    Returns
    -------
    near : ndarray of shape (n_samples,), bool, or None
        True within 20 median distances of the coordinate-wise median, both of a random
        sample of 1,024 rows and without distances of 0.
    """
    return _near_rows(X, _Moments.of(X))


def _near_rows(X: Array, moments: _Moments) -> BoolArray | None:
    """Which rows are not far, or ``None`` if no row is far."""
    n_rows = X.shape[0]
    drawn = np.arange(n_rows)
    if n_rows > SAMPLE_ROWS:
        generator = np.random.default_rng(0)
        drawn = np.sort(generator.choice(n_rows, SAMPLE_ROWS, replace=False))
    sample = X[drawn].astype(np.float64)
    centre = np.median(sample, axis=0)
    # By hypot, as squares of far rows overflow.
    distances = np.hypot.reduce(sample - centre, axis=1)
    # Copies of one row have no extent.
    distances = distances[distances > 0]
    if distances.size == 0:
        return None
    reach = FAR * float(np.median(distances))
    # Most data have no far row, and are not read again.
    if moments.radius + float(np.hypot.reduce(centre - moments.shift)) <= reach:
        return None
    with np.errstate(over="ignore"):
        near = [
            np.square((rows - centre) / reach).sum(axis=1) <= 1.0 for rows in _slices(X)
        ]
    found: BoolArray = np.concatenate(near)
    return None if found.all() or found.mean() < LEAST_NEAR else found
