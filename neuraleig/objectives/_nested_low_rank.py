"""Nested low-rank approximation: ordered functions without whitening."""

from __future__ import annotations

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs
from neuraleig.objectives._rayleigh import centred, dirichlet_energy


def nested_low_rank_loss(functions: Tensor, affinity: Edges) -> Tensor:
    r"""Mean over prefixes of the error of the low-rank approximation they span.

    For the first :math:`l` functions the error of approximating the kernel is
    :math:`-2 \mathrm{tr}(R_l) + \|C_l\|_F^2` up to a constant, with :math:`R` the
    affinity and :math:`C` the covariance of the functions, both under the degrees.
    It is computed as :math:`E|f(x) - f(x^+)|^2 + \|C_l - I\|_F^2 - l`, whose noise
    vanishes where functions are flat. The minimiser is
    :math:`f_j = \sqrt{\lambda_j} v_j`, in order.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Outputs; the constant function is projected out.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    loss : Tensor
        Scalar.

    References
    ----------
    .. [1] J. J. Ryu et al., "Operator SVD with neural networks via nested low-rank
       approximation", ICML 2024.
    """
    n_functions = functions.shape[1]
    flat, shares = centred(functions, affinity)
    covariance = flat.T @ (shares[:, None] * flat)
    # Function j is part of the prefixes of length j + 1 and more.
    position = torch.arange(n_functions, device=functions.device)
    prefixes = ((n_functions - position) / n_functions).to(functions.dtype)
    pair_prefixes = torch.minimum(prefixes[:, None], prefixes[None, :])
    eye = torch.eye(n_functions, dtype=functions.dtype, device=functions.device)
    misfit = (pair_prefixes * (covariance - eye).square()).sum()
    energy = 2 * dirichlet_energy(flat, affinity)
    return (prefixes * energy).sum() + misfit - prefixes.sum()


class NestedLowRank:
    """Nested low-rank approximation, see :func:`nested_low_rank_loss`."""

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the functions of a batch."""
        return nested_low_rank_loss(outputs.functions, batch.affinity)
