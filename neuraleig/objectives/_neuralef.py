"""NeuralEF: ordered eigenfunctions by a stop-gradient, as published."""

from __future__ import annotations

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs


def neuralef_loss(functions: Tensor, affinity: Edges, penalty: float) -> Tensor:
    r"""Trace of the normalised affinity, with a one-sided penalty on its off-diagonal.

    .. math::

        -\tfrac1k \mathrm{tr}(R) + \tfrac{\alpha}{k} \sum_{i<j} \hat R_{ij}^2,
        \quad R = \Psi^\top A \Psi,
        \quad \hat R = \mathrm{sg}(\Psi)^\top A \Psi

    with columns of :math:`\Psi` of unit norm over the batch. Only the later function
    of a pair feels the penalty, which orders them.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Outputs :math:`\Psi`.
    affinity : Edges
        Affinity among the rows; normalised here by its degrees.
    penalty : float
        The factor :math:`\alpha`.

    Returns
    -------
    loss : Tensor
        Scalar.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV 2023.
    """
    degrees = affinity.degrees().to(functions.dtype)
    # A row without edges has no place in the normalised affinity.
    positive = degrees > 0
    inverse_root = torch.where(positive, degrees.clamp_min(1e-30).rsqrt(), 0.0)
    norms = functions.norm(dim=0).clamp_min(torch.finfo(functions.dtype).eps)
    columns = functions / norms
    scaled = inverse_root[:, None] * columns
    image = inverse_root[:, None] * affinity.matmul(scaled)
    n_functions = functions.shape[1]
    trace = (columns * image).sum()
    overlaps = columns.detach().T @ image
    loss: Tensor = (penalty * overlaps.triu(1).square().sum() - trace) / n_functions
    return loss


class NeuralEF:
    """The published loss of the eigenfunctions, see :func:`neuralef_loss`.

    Parameters
    ----------
    penalty : float, default=0.08
        Weight of the off-diagonal; the published recipe uses 20.48 / k.
    discrete : bool, default=False
        Score the soft assignments instead of the functions: the published discrete
        variant, in which clusters are the eigenfunctions.
    """

    def __init__(self, penalty: float = 0.08, *, discrete: bool = False) -> None:
        self.penalty = penalty
        self.discrete = discrete

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the functions (or assignments) of a batch."""
        scored = outputs.assignments if self.discrete else outputs.functions
        return neuralef_loss(scored, batch.affinity, self.penalty)
