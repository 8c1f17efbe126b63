"""Whitened difference form of the Rayleigh quotient."""

from __future__ import annotations

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs

# Share of the mean variance added to the covariance of a batch: its Cholesky factor
# then exists for collapsed functions, too.
RIDGE = 1e-6
# Sums of weights are divided by at least this.
MIN_WEIGHT = 1e-30


def centred(functions: Tensor, affinity: Edges) -> tuple[Tensor, Tensor]:
    """Functions less their mean, and the share of the volume of every row.

    The mean is weighted by degrees: it is the component along the constant
    eigenfunction, which is known and must not be learned again.
    """
    shares = affinity.degrees().to(functions.dtype)
    # A batch of rows that happen to share no edge has no volume, and costs nothing.
    shares = shares / shares.sum().clamp_min(MIN_WEIGHT)
    return functions - shares @ functions, shares


def whitened(functions: Tensor, shares: Tensor) -> Tensor:
    """Functions with unit covariance under the shares, by Cholesky in float64.

    Functions that are not finite give NaN, which the loop reports.
    """
    exact = functions.double()
    covariance = exact.T @ (shares.double()[:, None] * exact)
    ridge = RIDGE * covariance.diagonal().mean() + torch.finfo(torch.float32).tiny
    eye = torch.eye(covariance.shape[0], dtype=torch.float64, device=functions.device)
    factor, failed = torch.linalg.cholesky_ex(covariance + ridge * eye)
    factor = factor.masked_fill(failed > 0, torch.nan)
    solved = torch.linalg.solve_triangular(factor, exact.T, upper=False)
    white: Tensor = solved.T.to(functions.dtype)
    return white


def dirichlet_energy(functions: Tensor, affinity: Edges) -> Tensor:
    r"""Mean squared difference along edges, per function.

    .. math:: \sum_e w_e (f(s_e) - f(t_e))^2 / \sum_e 2 w_e

    For functions of unit mean square under the degrees this is one minus their
    Rayleigh quotient. Its noise vanishes where a function is flat, unlike that of
    the product form.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Values.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    energy : Tensor of shape (n_functions,)
        Energies.
    """
    weight = affinity.weight.sum().to(functions.dtype)
    return affinity.squared_differences(functions) / (2 * weight).clamp_min(MIN_WEIGHT)


def rayleigh_loss(functions: Tensor, affinity: Edges) -> Tensor:
    r"""Sum of :math:`1 - \lambda` over the best functions in the span of the outputs.

    Minimising it over functions finds the leading non-constant eigenfunctions of the
    random walk, up to a rotation that :func:`neuraleig.spectrum.rayleigh_ritz`
    resolves.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Outputs; the constant function is projected out.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    loss : Tensor
        Scalar, at least 0.
    """
    flat, shares = centred(functions, affinity)
    return dirichlet_energy(whitened(flat, shares), affinity).sum()


class Rayleigh:
    """Whitened difference form, see :func:`rayleigh_loss`."""

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the functions of a batch."""
        return rayleigh_loss(outputs.functions, batch.affinity)
