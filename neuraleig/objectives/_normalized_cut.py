"""Normalised cut of soft assignments."""

from __future__ import annotations

from torch import Tensor

from neuraleig._batch import Batch, Edges, Outputs

# A cluster without volume in a batch divides by this instead.
MIN_VOLUME = 1e-8


def normalized_cut_loss(assignments: Tensor, affinity: Edges) -> Tensor:
    r"""Expected normalised cut of clusters drawn from soft assignments.

    .. math:: \sum_c \frac{s_c^\top W (1 - s_c)}{s_c^\top d}

    The volume is linear in the assignments: with the quadratic volume of the relaxed
    problem, equal assignments everywhere would cost nothing.

    Parameters
    ----------
    assignments : Tensor of shape (n_rows, n_clusters)
        Rows on the simplex. For one-hot rows this is the normalised cut itself.
    affinity : Edges
        Affinity among the rows.

    Returns
    -------
    loss : Tensor
        Scalar between 0 and ``n_clusters``.

    References
    ----------
    .. [1] J. Shi and J. Malik, "Normalized cuts and image segmentation", IEEE
       Transactions on Pattern Analysis and Machine Intelligence, 2000.
    """
    degrees = affinity.degrees().to(assignments.dtype)
    # s (1 - t) + t (1 - s) = (s - t)^2 + s (1 - s) + t (1 - t), of terms that are not
    # negative: nothing cancels where the cut is small.
    within = degrees @ (assignments * (1 - assignments))
    cut = affinity.squared_differences(assignments) + within
    return (cut / (degrees @ assignments).clamp_min(MIN_VOLUME)).sum()


class NormalizedCut:
    """Normalised cut of the soft assignments, see :func:`normalized_cut_loss`."""

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the assignments of a batch."""
        return normalized_cut_loss(outputs.assignments, batch.affinity)
