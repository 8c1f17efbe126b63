"""Arrays of other libraries as arrays of numpy, without a copy where none is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.dlpack import from_dlpack


def has_dlpack(X: object) -> bool:
    """Whether ``X`` is an array in memory of a library other than numpy and torch."""
    if isinstance(X, np.ndarray | torch.Tensor):
        return False
    return hasattr(X, "__dlpack__") and hasattr(X, "__dlpack_device__")


def is_sparse_tensor(X: torch.Tensor) -> bool:
    """Whether a tensor is of one of torch's sparse layouts."""
    return X.layout is not torch.strided and not X.is_nested


def as_numpy(X: Any, name: str = "X") -> Any:  # noqa: ANN401 - whatever a user passes
    """Tensors, and whatever speaks DLPack, as arrays of numpy; anything else as it is.

    Parameters
    ----------
    X : object
        What was passed. Gradients are left behind, other devices are copied from, and
        bfloat16, which numpy lacks, becomes float32.
    name : str, default="X"
        What the parameter is called.

    Returns
    -------
    array : ndarray or object
        On the memory of ``X``, if that is of a CPU and a type that numpy has.

    Raises
    ------
    TypeError
        If a tensor is sparse, quantised or without values, or the exchange fails.
    """
    if has_dlpack(X):
        X = _from_dlpack(X, name)
    return _tensor_as_numpy(X, name) if isinstance(X, torch.Tensor) else X


def _from_dlpack(X: Any, name: str) -> torch.Tensor:  # noqa: ANN401
    try:
        return from_dlpack(X)
    # Every library has errors of its own for what it cannot hand over.
    except Exception as error:
        raise TypeError(
            f"{name} is of type {type(X).__name__}, whose __dlpack__ gives nothing "
            f"that torch takes ({error}); pass an array of numpy."
        ) from error


def _tensor_as_numpy(X: torch.Tensor, name: str) -> NDArray[Any]:
    X = X.detach()
    try:
        if X.dtype == torch.bfloat16:
            X = X.float()
        return X.numpy(force=True)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise TypeError(
            f"{name} is a tensor of {X.dtype} and {X.layout} on {X.device.type}, which "
            "numpy cannot hold; pass a dense tensor of float32 or float64"
            f"{', or a sparse matrix of scipy' if is_sparse_tensor(X) else ''}."
        ) from error
