"""Objectives: functions of outputs and batches that return a scalar loss."""

from neuraleig._batch import Batch, Edges, Objective, Outputs
from neuraleig.objectives._base import SumObjective
from neuraleig.objectives._nested_low_rank import NestedLowRank, nested_low_rank_loss
from neuraleig.objectives._neuralef import NeuralEF, neuralef_loss
from neuraleig.objectives._normalized_cut import NormalizedCut, normalized_cut_loss
from neuraleig.objectives._rayleigh import Rayleigh, dirichlet_energy, rayleigh_loss
from neuraleig.objectives._regression import SpectralRegression, regression_loss

__all__ = [
    "Batch",
    "Edges",
    "NestedLowRank",
    "NeuralEF",
    "NormalizedCut",
    "Objective",
    "Outputs",
    "Rayleigh",
    "SpectralRegression",
    "SumObjective",
    "dirichlet_energy",
    "nested_low_rank_loss",
    "neuralef_loss",
    "normalized_cut_loss",
    "rayleigh_loss",
    "regression_loss",
]
