"""Fitted estimators in files: safetensors and JSON, never pickle."""

from neuraleig.persistence._model_file import ModelFileError
from neuraleig.persistence._registry import load, save

__all__ = ["ModelFileError", "load", "save"]
