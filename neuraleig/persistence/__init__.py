"""Fitted estimators in files: safetensors and JSON, never pickle."""

from neuraleig.persistence._description import ModelDescription, describe
from neuraleig.persistence._model_file import ModelFileError
from neuraleig.persistence._registry import load, save

__all__ = ["ModelDescription", "ModelFileError", "describe", "load", "save"]
