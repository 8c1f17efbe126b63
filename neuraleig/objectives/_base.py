"""Sums of objectives."""

from __future__ import annotations

from torch import Tensor

from neuraleig._batch import Batch, Objective, Outputs


class SumObjective:
    """Weighted sum of objectives.

    Parameters
    ----------
    *terms : tuple of (float, Objective)
        Weight and objective of each term.

    Examples
    --------
    >>> from neuraleig.objectives import NormalizedCut, Rayleigh, SumObjective
    >>> objective = SumObjective((1.0, Rayleigh()), (0.5, NormalizedCut()))
    >>> [weight for weight, _ in objective.terms]
    [1.0, 0.5]
    """

    def __init__(self, *terms: tuple[float, Objective]) -> None:
        self.terms = terms

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Sum of the weighted objectives on a batch."""
        total = outputs.functions.new_zeros(())
        for weight, objective in self.terms:
            total = total + weight * objective(outputs, batch)
        return total
