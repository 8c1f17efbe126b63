"""Log density of rows: a mixture of Gaussians on principal components."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from neuraleig._typing import Array, FloatArray
from neuraleig._validation import check_share

# Shares of new rows like the training rows for which a model keeps a threshold; between
# them it is interpolated.
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
LEAST_SHARE, MOST_SHARE = SHARES[0], SHARES[-1]
# Rows at once: what is computed of them stays in the cache.
SLICE_ROWS = 512
# Slices are filled up to a multiple of it: sums over coordinates, with rows side by
# side, round what is left of a vector of the processor in another order.
ROW_MULTIPLE = 32


class RowDensity(nn.Module):
    r"""Log density of standardised rows.

    A row is described by its leading principal components and, if there are more
    features than these, by two logarithms: of its distance from their subspace, and of
    its distance from the centre within. The density of these numbers is a mixture of
    Gaussians.

    Parameters
    ----------
    centre : ndarray of shape (n_features,), float32
        Mean of the rows.
    components : ndarray of shape (n_directions, n_features), float32
        Orthonormal directions.
    floor : float
        Distances from the subspace below this count as this; 0 where the directions
        span all features, and there are no such distances.
    log_weights : ndarray of shape (n_gaussians,), float32
        Logarithms of the weights of the mixture.
    means : ndarray of shape (n_gaussians, n_coordinates), float32
        Means of the Gaussians.
    factors : ndarray of shape (n_gaussians, n_entries), float32
        Upper triangles :math:`U`, row by row, of the factors :math:`U U^T` of the
        inverse covariances: ``n_coordinates * (n_coordinates + 1) / 2`` entries.
    quantiles : ndarray of shape (9,), float64
        Scores that shares 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2 and 0.5 of
        the rows of the fit that the mixture has not seen are below.
    """

    centre: Tensor
    components: Tensor
    log_weights: Tensor
    means: Tensor
    factors: Tensor
    quantiles: Tensor

    def __init__(
        self,
        centre: Array,
        components: Array,
        floor: float,
        log_weights: Array,
        means: Array,
        factors: Array,
        quantiles: FloatArray,
    ) -> None:
        super().__init__()
        given = {
            "centre": centre,
            "components": components,
            "log_weights": log_weights,
            "means": means,
            "factors": factors,
        }
        # What a file holds, so that scores are the same after it was loaded.
        for name, values in given.items():
            single = np.ascontiguousarray(values, dtype=np.float32)
            self.register_buffer(name, torch.from_numpy(single))
        self.floor = float(floor)
        self.register_buffer("quantiles", torch.tensor(quantiles, dtype=torch.float64))

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians of the mixture."""
        return len(self.log_weights)

    def forward(self, rows: Tensor) -> Tensor:
        """Log density of rows.

        Parameters
        ----------
        rows : Tensor of shape (n_samples, n_features)
            Standardised rows, unbounded.

        Returns
        -------
        scores : Tensor of shape (n_samples,), float64
            Natural logarithms; each depends on its row alone.
        """
        whitening = unpacked(self.factors.double(), self.means.shape[1])
        return torch.cat(
            [
                self._scores(rows[start : start + SLICE_ROWS].double(), whitening)
                for start in range(0, len(rows), SLICE_ROWS)
            ]
            or [rows.new_zeros(0, dtype=torch.float64)]
        )

    def _scores(self, rows: Tensor, whitening: Tensor) -> Tensor:
        """Scores of one slice."""
        count = len(rows)
        filled = torch.cat([rows, rows[-1:].expand(-count % ROW_MULTIPLE, -1)])
        moved = filled - self.centre.double()
        directions = self.components.double()
        coordinates = principal_coordinates(moved, directions, self.floor)
        return mixture_log_density(
            coordinates, self.log_weights.double(), self.means.double(), whitening
        )[:count]

    def threshold(self, share: float) -> float:
        """Score below which so many rows like the training rows are expected.

        Parameters
        ----------
        share : float
            From 0.001 to 0.5.

        Returns
        -------
        threshold : float
            Interpolated in the logarithm of the share.
        """
        check_share("share", share, LEAST_SHARE, MOST_SHARE)
        found = np.interp(math.log(share), np.log(SHARES), self.quantiles.numpy())
        return float(found)


def principal_coordinates(moved: Tensor, components: Tensor, floor: float) -> Tensor:
    """Principal components of rows, and the logarithms of what they leave and take.

    In many dimensions hardly any row is near the centre: noise in all features is near
    it within the subspace, and would look more likely than any row by that.

    Parameters
    ----------
    moved : Tensor of shape (n_samples, n_features), float64
        Rows less their centre.
    components : Tensor of shape (n_directions, n_features), float64
        Orthonormal directions.
    floor : float
        Least distance that counts; 0 for no logarithms.

    Returns
    -------
    coordinates : Tensor of shape (n_coordinates, n_samples), float64
        One row per coordinate.
    """
    # Sums within rows: products of matrices round a row by its company.
    inside = torch.stack([(moved * direction).sum(dim=1) for direction in components])
    return with_distances(inside, moved, floor)


def with_distances(inside: Tensor, moved: Tensor, floor: float) -> Tensor:
    """Complete the principal components of rows, see :func:`principal_coordinates`.

    Parameters
    ----------
    inside : Tensor of shape (n_directions, n_samples), float64
        Principal components.
    moved : Tensor of shape (n_samples, n_features), float64
        Rows less their centre.
    floor : float
        Least distance that counts; 0 for no logarithms.

    Returns
    -------
    coordinates : Tensor of shape (n_coordinates, n_samples), float64
        One row per coordinate.
    """
    if floor == 0.0:
        return inside
    taken = inside.square().sum(dim=0)
    left = moved.square().sum(dim=1) - taken
    logarithms = [left.clamp_min(floor**2).log() / 2, (taken + floor**2).log() / 2]
    return torch.cat([inside, torch.stack(logarithms)])


def mixture_log_density(
    coordinates: Tensor, log_weights: Tensor, means: Tensor, whitening: Tensor
) -> Tensor:
    """Log density of a mixture of Gaussians.

    Parameters
    ----------
    coordinates : Tensor of shape (n_coordinates, n_samples), float64
        Points, one per column.
    log_weights : Tensor of shape (n_gaussians,), float64
        Logarithms of the weights.
    means : Tensor of shape (n_gaussians, n_coordinates), float64
        Means.
    whitening : Tensor of shape (n_gaussians, n_coordinates, n_coordinates), float64
        Lower triangular; their products ``W.T @ W`` are the inverse covariances.

    Returns
    -------
    scores : Tensor of shape (n_samples,), float64
        Natural logarithms of the density.
    """
    n_coordinates = means.shape[1]
    moved = coordinates - means[:, :, None]
    white = torch.zeros_like(moved)
    # Coordinate by coordinate: products of matrices round a row by its company.
    for j in range(n_coordinates):
        white[:, j:] += whitening[:, j:, j, None] * moved[:, j, None]
    squared = white.square().sum(dim=1)
    log_volumes = whitening.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    constant = log_weights + log_volumes - n_coordinates / 2 * math.log(2 * math.pi)
    return torch.logsumexp(constant[:, None] - squared / 2, dim=0)


def packed(triangles: FloatArray) -> FloatArray:
    """Entries of upper triangles (n, d, d), row by row."""
    rows, columns = np.triu_indices(triangles.shape[1])
    return np.asarray(triangles[:, rows, columns])


def unpacked(entries: Tensor, size: int) -> Tensor:
    """Transposes of the upper triangles that :func:`packed` has taken apart."""
    rows, columns = torch.triu_indices(size, size)
    found = entries.new_zeros(len(entries), size, size)
    found[:, columns, rows] = entries
    return found
