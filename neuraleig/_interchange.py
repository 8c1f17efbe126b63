"""Conversion of tensors and arrays with DLPack, without a copy if possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch.utils.dlpack import from_dlpack


def has_dlpack(X: object) -> bool:
    """Whether ``X`` is an array with DLPack of a library other than numpy and torch."""
    if isinstance(X, np.ndarray | torch.Tensor):
        return False
    return hasattr(X, "__dlpack__") and hasattr(X, "__dlpack_device__")


def data_frame(columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> Any:  # noqa: ANN401
    """Data frame of pandas, or else polars; None is a missing value.

    Raises an ImportError if neither is installed.
    """
    for library in ("pandas", "polars"):
        try:
            frame = import_module(library).DataFrame
        except ImportError:
            continue
        found = frame(columns)
        # As files are read: pandas before version 3 keeps None in columns of text.
        return found.where(found.notna(), np.nan) if library == "pandas" else found
    raise ImportError("columns are taken from data frames; install pandas or polars")


def is_sparse_tensor(X: torch.Tensor) -> bool:
    """Whether a tensor has a sparse layout."""
    return X.layout is not torch.strided and not X.is_nested


def as_numpy(X: Any, name: str = "X") -> Any:  # noqa: ANN401 - whatever a user passes
    """Convert tensors and arrays with DLPack to numpy; return other objects unchanged.

    The result shares the memory of ``X`` if that is on a CPU and of a type that numpy
    has; bfloat16 becomes float32. Sparse tensors become matrices of scipy. Quantised
    tensors, tensors without values and failed exchanges raise a ``TypeError`` that
    names the parameter ``name``, and masked entries a ``ValueError``.
    """
    if isinstance(X, np.ma.MaskedArray):
        return _unmasked(X, name)
    if has_dlpack(X):
        X = _from_dlpack(X, name)
    return _tensor_as_numpy(X, name) if isinstance(X, torch.Tensor) else X


def _from_dlpack(X: Any, name: str) -> torch.Tensor:  # noqa: ANN401
    try:
        return from_dlpack(X)
    # Each library has errors of its own.
    except Exception as error:
        raise TypeError(
            f"{name} is of type {type(X).__name__}, whose __dlpack__ torch cannot "
            f"read ({error}); pass an array of numpy."
        ) from error


def _unmasked(X: np.ma.MaskedArray[Any, Any], name: str) -> NDArray[Any]:
    n_masked = int(np.ma.getmaskarray(X).sum())
    if n_masked:
        raise ValueError(
            f"{name} has masked entries ({n_masked} of {X.size}); leave their rows "
            "out, or impute the values first."
        )
    values: NDArray[Any] = X.data
    return values


def _tensor_as_numpy(X: torch.Tensor, name: str) -> Any:  # noqa: ANN401
    X = X.detach()
    try:
        if X.dtype == torch.bfloat16:
            X = X.float()
        return _as_scipy(X) if is_sparse_tensor(X) else X.numpy(force=True)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise TypeError(
            f"{name} is a tensor of {X.dtype} and {X.layout} on {X.device.type}, which "
            "has no equivalent in numpy; pass a dense tensor of float32 or float64"
            f"{', or a sparse matrix of scipy' if is_sparse_tensor(X) else ''}."
        ) from error


def _as_scipy(X: torch.Tensor) -> sp.coo_array:
    """Sparse tensor of any layout; one whose entries are blocks is refused."""
    found = X.cpu().to_sparse(layout=torch.sparse_coo).coalesce()
    if found.dense_dim():
        raise TypeError("its entries are tensors")
    indices, values = found.indices().numpy(), found.values().numpy()
    return sp.coo_array((values, tuple(indices)), shape=tuple(found.shape))
