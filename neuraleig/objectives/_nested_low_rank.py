"""Nested low-rank approximation: ordered functions without whitening."""

from __future__ import annotations

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs
from neuraleig.objectives._rayleigh import centred, dirichlet_energy


def nested_low_rank_loss(functions: Tensor, affinity: Edges) -> Tensor:
    r"""Low-rank approximation error of the affinity, averaged over prefixes.

    The error of the first :math:`l` functions is, up to a constant,
    :math:`-2 \mathrm{tr}(R_l) + \|C_l\|_F^2`, where :math:`R` is the affinity and
    :math:`C` the covariance of the functions, both weighted by degrees. It is computed
    as :math:`E|f(x) - f(x^+)|^2 + \|C_l - I\|_F^2 - l`, whose noise vanishes where
    functions are flat. The minimum is at :math:`f_j = \sqrt{\lambda_j} v_j`, in order.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Outputs of the network, from which the constant function is projected out.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    loss : Tensor of shape ()
        Loss.

    References
    ----------
    .. [1] J. J. Ryu et al., "Operator SVD with neural networks via nested low-rank
       approximation", ICML 2024.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Edges, nested_low_rank_loss
    >>> pair = Edges(torch.tensor([0]), torch.tensor([1]), torch.ones(1), n_nodes=2)
    >>> nested_low_rank_loss(torch.tensor([[1.0], [-1.0]]), pair)
    tensor(3.)
    """
    n_functions = functions.shape[1]
    flat, shares = centred(functions, affinity)
    covariance = flat.T @ (shares[:, None] * flat)
    # Function j is in the prefixes of length j + 1 and more.
    position = torch.arange(n_functions, device=functions.device)
    prefixes = ((n_functions - position) / n_functions).to(functions.dtype)
    pair_prefixes = torch.minimum(prefixes[:, None], prefixes[None, :])
    eye = torch.eye(n_functions, dtype=functions.dtype, device=functions.device)
    misfit = (pair_prefixes * (covariance - eye).square()).sum()
    energy = 2 * dirichlet_energy(flat, affinity)
    return (prefixes * energy).sum() + misfit - prefixes.sum()


class NestedLowRank:
    """Nested low-rank approximation, see :func:`nested_low_rank_loss`.

    Examples
    --------
    >>> from neuraleig.objectives import NestedLowRank
    >>> objective = NestedLowRank()
    """

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the functions of a batch."""
        return nested_low_rank_loss(outputs.functions, batch.affinity)
