"""Number formats of the forward passes of training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

Precision = Literal["auto", "float32", "bfloat16", "float16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


def resolve_precision(
    precision: Precision, device: torch.device, name: str = "precision"
) -> torch.dtype:
    """Turn the estimators' ``precision`` into a type that the device can train in.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16", "float16"}
        ``"auto"`` is float32: steps of small networks take as long as their kernels
        take to start, on a GPU as well.
    device : torch.device
        Where the network is trained.
    name : str, default="precision"
        Name of the parameter in messages.

    Returns
    -------
    dtype : torch.dtype
        Type of the products of the trunk.

    Raises
    ------
    ValueError
        If the device cannot train in it.
    """
    if precision in ("auto", "float32"):
        return torch.float32
    if precision == "float16" and device.type != "cuda":
        raise ValueError(
            f"{name}='float16' needs a CUDA device, and device is {device.type!r}; use "
            "'bfloat16' or 'float32'."
        )
    if not torch.amp.is_autocast_available(device.type):
        raise ValueError(
            f"{name}={precision!r} is not available on device {device.type!r}; use "
            "'float32'."
        )
    return torch.bfloat16 if precision == "bfloat16" else torch.float16


class MixedPrecision:
    """Products of the forward pass in one type, all else in float32.

    Parameters
    ----------
    dtype : torch.dtype
        Type of the products. Gradients of float16 are scaled, since small ones
        would vanish.
    device : torch.device
        Where the network is trained.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def forward_pass(self) -> AbstractContextManager[None]:
        """Context of a forward pass."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)
