"""Rayleigh quotient of whitened functions, in difference form."""

from __future__ import annotations

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs

# Share of the mean variance that is added to the covariance of a batch, so that its
# Cholesky factor exists for collapsed functions.
RIDGE = 1e-6
# Least divisor, for batches without weight.
MIN_WEIGHT = 1e-30


def centred(functions: Tensor, affinity: Edges) -> tuple[Tensor, Tensor]:
    """Functions minus their mean, and the share of each row in the volume.

    The mean is weighted by degrees: it is the component along the constant
    eigenfunction, which is known.
    """
    shares = affinity.degrees().to(functions.dtype)
    # A batch without edges has no volume, and the loss 0.
    shares = shares / shares.sum().clamp_min(MIN_WEIGHT)
    return functions - shares @ functions, shares


def whitened(functions: Tensor, shares: Tensor) -> Tensor:
    """Functions with unit covariance under the shares, by Cholesky in float64.

    The result of functions that are not finite is NaN, which the loop reports.
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
    r"""Mean squared difference of each function along edges.

    .. math:: \sum_e w_e (f(s_e) - f(t_e))^2 / \sum_e 2 w_e

    For functions of unit mean square under the degrees it is one minus the Rayleigh
    quotient. Its noise vanishes where functions are flat, unlike the noise of the
    product form.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Values of the functions.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    energy : Tensor of shape (n_functions,)
        Energy of each function, at least 0.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Edges, dirichlet_energy
    >>> pair = Edges(torch.tensor([0]), torch.tensor([1]), torch.ones(1), n_nodes=2)
    >>> dirichlet_energy(torch.tensor([[1.0], [-1.0]]), pair)
    tensor([2.])
    """
    weight = affinity.weight.sum().to(functions.dtype)
    return affinity.squared_differences(functions) / (2 * weight).clamp_min(MIN_WEIGHT)


def rayleigh_loss(functions: Tensor, affinity: Edges) -> Tensor:
    r"""Sum of :math:`1 - \lambda` over the Ritz values of the functions.

    Functions that minimise it span the leading non-constant eigenfunctions of the
    random walk; :func:`neuraleig.spectrum.rayleigh_ritz` finds the rotation to these.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Outputs of the network, from which the constant function is projected out.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    loss : Tensor of shape ()
        Loss, at least 0.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Edges, rayleigh_loss
    >>> pair = Edges(torch.tensor([0]), torch.tensor([1]), torch.ones(1), n_nodes=2)
    >>> rayleigh_loss(torch.tensor([[3.0], [-3.0]]), pair).round(decimals=4)
    tensor(2.)
    """
    flat, shares = centred(functions, affinity)
    return dirichlet_energy(whitened(flat, shares), affinity).sum()


class Rayleigh:
    """Rayleigh quotient of whitened functions, see :func:`rayleigh_loss`.

    Examples
    --------
    >>> from neuraleig.objectives import Rayleigh
    >>> objective = Rayleigh()
    """

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the functions of a batch."""
        return rayleigh_loss(outputs.functions, batch.affinity)
