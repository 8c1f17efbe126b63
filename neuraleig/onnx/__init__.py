"""Fitted estimators as ONNX models: prediction without torch and this library."""

from neuraleig.onnx._export import export_onnx

__all__ = ["export_onnx"]
