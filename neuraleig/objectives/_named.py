"""Objectives by name."""

from __future__ import annotations

from neuraleig._batch import Objective
from neuraleig.objectives._nested_low_rank import NestedLowRank
from neuraleig.objectives._neuralef import NeuralEF
from neuraleig.objectives._normalized_cut import NormalizedCut
from neuraleig.objectives._rayleigh import Rayleigh

# Published penalty of NeuralEF, times the number of functions.
NEURALEF_PENALTY = 20.48


def function_objective(name: str, n_functions: int) -> Objective:
    """Objective of the eigenfunctions, by the parameter ``objective``."""
    if name == "neuralef":
        return NeuralEF(NEURALEF_PENALTY / n_functions)
    return NestedLowRank() if name == "nested_low_rank" else Rayleigh()


def label_objective(name: str, n_clusters: int) -> Objective:
    """Objective of the labels, by the parameter ``label_objective``."""
    if name == "neuralef":
        return NeuralEF(NEURALEF_PENALTY / n_clusters, discrete=True)
    return NormalizedCut()
