"""Normalised cut of soft assignments."""

from __future__ import annotations

from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs

# Least divisor, for clusters without volume in a batch.
MIN_VOLUME = 1e-8


def normalized_cut_loss(assignments: Tensor, affinity: Edges) -> Tensor:
    r"""Normalised cut of soft assignments.

    .. math:: \sum_c \frac{s_c^\top W (1 - s_c)}{s_c^\top d}

    where :math:`s_c` are the probabilities of cluster :math:`c` and :math:`d` the
    degrees. The volume is linear in :math:`s_c`: with the quadratic volume of the
    relaxed problem, equal assignments of all rows would have the loss 0.

    Parameters
    ----------
    assignments : Tensor of shape (n_rows, n_clusters)
        Probabilities, whose rows sum to 1. For one-hot rows the loss is the normalised
        cut.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    loss : Tensor of shape ()
        Loss, from 0 to ``n_clusters``.

    References
    ----------
    .. [1] J. Shi and J. Malik, "Normalized cuts and image segmentation", IEEE
       Transactions on Pattern Analysis and Machine Intelligence, 2000.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Edges, normalized_cut_loss
    >>> pair = Edges(torch.tensor([0]), torch.tensor([1]), torch.ones(1), n_nodes=2)
    >>> normalized_cut_loss(torch.eye(2), pair)
    tensor(2.)
    """
    degrees = affinity.degrees().to(assignments.dtype)
    # s (1 - t) + t (1 - s) = (s - t)^2 + s (1 - s) + t (1 - t): a sum of non-negative
    # terms, without cancellation if the cut is small.
    within = degrees @ (assignments * (1 - assignments))
    cut = affinity.squared_differences(assignments) + within
    return (cut / (degrees @ assignments).clamp_min(MIN_VOLUME)).sum()


class NormalizedCut:
    """Normalised cut of the soft assignments, see :func:`normalized_cut_loss`.

    Examples
    --------
    >>> from neuraleig.objectives import NormalizedCut
    >>> objective = NormalizedCut()
    """

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the assignments of a batch."""
        return normalized_cut_loss(outputs.assignments, batch.affinity)
