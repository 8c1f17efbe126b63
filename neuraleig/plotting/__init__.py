"""Displays of fitted eigenfunctions, in the manner of scikit-learn's."""

from neuraleig.plotting._embedding import EmbeddingDisplay
from neuraleig.plotting._spectrum import SpectrumDisplay

__all__ = ["EmbeddingDisplay", "SpectrumDisplay"]
