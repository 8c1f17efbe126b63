"""Spectral clustering that predicts, by neural eigenfunctions."""

from importlib import import_module
from typing import TYPE_CHECKING

from neuraleig._version import __version__

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

# Each is imported when it is first used: help of the command line needs no torch, and
# rows need no images and files. Type checkers see plain imports, and so report wrong
# names.
if TYPE_CHECKING:
    from neuraleig.affinity import GraphWarning
    from neuraleig.estimators import (
        NeuralEigenSpectralClustering,
        NeuralSpectralEmbedding,
        ScaleWarning,
    )
    from neuraleig.onnx import export_onnx
    from neuraleig.persistence import load, save
    from neuraleig.segmentation import DenseSegmenter
    from neuraleig.training import Training
else:
    _PACKAGE_OF = {
        "DenseSegmenter": "segmentation",
        "GraphWarning": "affinity",
        "NeuralEigenSpectralClustering": "estimators",
        "NeuralSpectralEmbedding": "estimators",
        "ScaleWarning": "estimators",
        "Training": "training",
        "export_onnx": "onnx",
        "load": "persistence",
        "save": "persistence",
    }
    # Packages that are attributes after ``import neuraleig`` alone.
    _PACKAGES = {
        *_PACKAGE_OF.values(),
        "eigenfunctions",
        "metrics",
        "networks",
        "novelty",
        "objectives",
        "reading",
        "sampling",
        "spectrum",
    }

    def __getattr__(name: str) -> object:
        """Public name, or the package that it comes from."""
        if name in _PACKAGE_OF:
            package = import_module(f"neuraleig.{_PACKAGE_OF[name]}")
            found = getattr(package, name)
            globals()[name] = found
            return found
        if name in _PACKAGES:
            return import_module(f"neuraleig.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Names of the package, imported or not yet."""
        return sorted({*globals(), *__all__})
