"""Spectral clustering that predicts, by neural eigenfunctions."""

from importlib import import_module
from typing import TYPE_CHECKING

from neuraleig._version import __version__
from neuraleig.affinity import GraphWarning
from neuraleig.estimators import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    ScaleWarning,
)
from neuraleig.training import Training

__all__ = [
    "DenseSegmenter",
    "GraphWarning",
    "NeuralEigenSpectralClustering",
    "NeuralSpectralEmbedding",
    "ScaleWarning",
    "Training",
    "__version__",
    "export_onnx",
    "load",
    "save",
]

# Whoever clusters rows need not wait for images and files: these are imported when they
# are first used. Type checkers see plain imports, and so still tell of wrong names.
if TYPE_CHECKING:
    from neuraleig.onnx import export_onnx
    from neuraleig.persistence import load, save
    from neuraleig.segmentation import DenseSegmenter
else:
    _PACKAGE_OF = {
        "DenseSegmenter": "neuraleig.segmentation",
        "export_onnx": "neuraleig.onnx",
        "load": "neuraleig.persistence",
        "save": "neuraleig.persistence",
    }

    def __getattr__(name: str) -> object:
        """Public name, or the package that it comes from."""
        if name in _PACKAGE_OF:
            found = getattr(import_module(_PACKAGE_OF[name]), name)
            globals()[name] = found
            return found
        if f"neuraleig.{name}" in _PACKAGE_OF.values():
            return import_module(f"neuraleig.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Names of the package, imported or not yet."""
        return sorted({*globals(), *__all__})
