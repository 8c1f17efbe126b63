"""NeuralEF, as published."""

from __future__ import annotations

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs


def neuralef_loss(functions: Tensor, affinity: Edges, penalty: float) -> Tensor:
    r"""Negative trace of the normalised affinity, with an off-diagonal penalty.

    .. math::

        -\tfrac1k \mathrm{tr}(R) + \tfrac{\alpha}{k} \sum_{i<j} \hat R_{ij}^2,
        \quad R = \Psi^\top A \Psi,
        \quad \hat R = \mathrm{sg}(\Psi)^\top A \Psi

    where the columns of :math:`\Psi` have unit norm over the batch and sg is the
    stop-gradient. The penalty changes only the later function of a pair, which orders
    the functions.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Outputs :math:`\Psi` of the network, before normalisation.
    affinity : Edges
        Affinity among the rows, from which :math:`A` is computed.
    penalty : float
        Weight :math:`\alpha` of the penalty.

    Returns
    -------
    loss : Tensor of shape ()
        Loss.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV 2023.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Edges, neuralef_loss
    >>> pair = Edges(torch.tensor([0]), torch.tensor([1]), torch.ones(1), n_nodes=2)
    >>> neuralef_loss(torch.ones(2, 1), pair, penalty=0.08).round(decimals=4)
    tensor(-1.)
    """
    degrees = affinity.degrees().to(functions.dtype)
    # A row without edges is zero in the normalised affinity.
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
    """NeuralEF, see :func:`neuralef_loss`.

    Parameters
    ----------
    penalty : float, default=0.08
        Weight of the off-diagonal penalty; 20.48 divided by the number of functions in
        the published recipe.
    discrete : bool, default=False
        Apply the loss to the soft assignments instead of the functions (the published
        discrete variant, in which clusters are eigenfunctions).

    Examples
    --------
    >>> from neuraleig.objectives import NeuralEF
    >>> objective = NeuralEF(penalty=20.48 / 10, discrete=True)
    """

    def __init__(self, penalty: float = 0.08, *, discrete: bool = False) -> None:
        self.penalty = penalty
        self.discrete = discrete

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the functions (or assignments) of a batch."""
        scored = outputs.assignments if self.discrete else outputs.functions
        return neuralef_loss(scored, batch.affinity, self.penalty)
