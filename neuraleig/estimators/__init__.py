"""Estimators: scikit-learn's interface to the parts."""

from neuraleig.estimators._clustering import NeuralEigenSpectralClustering
from neuraleig.estimators._embedding import NeuralSpectralEmbedding
from neuraleig.estimators._scales import ScaleWarning as ScaleWarning

__all__ = ["NeuralEigenSpectralClustering", "NeuralSpectralEmbedding"]
