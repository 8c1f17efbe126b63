"""Spectral clustering that predicts, by neural eigenfunctions."""

from neuraleig._version import __version__
from neuraleig.affinity import GraphWarning
from neuraleig.estimators import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
)
from neuraleig.onnx import export_onnx
from neuraleig.persistence import load, save
from neuraleig.segmentation import DenseSegmenter

__all__ = [
    "DenseSegmenter",
    "GraphWarning",
    "NeuralEigenSpectralClustering",
    "NeuralSpectralEmbedding",
    "__version__",
    "export_onnx",
    "load",
    "save",
]
