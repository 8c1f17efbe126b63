"""Devices of training and prediction, and the state of torch that they need."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

CPU = torch.device("cpu")
# Kinds of devices for which a program may have switched autocast on.
AUTOCAST = ("cpu", "cuda", "mps", "xpu")

# The process whose threads a block has used: a fork of it has none of them.
_used_by: list[int] = []
# The default type is one of the process: threads that need float32 change it once.
_TYPE_LOCK = threading.Lock()
_former_types: list[torch.dtype] = []


@contextmanager
def ordinary_torch() -> Iterator[None]:
    """Run a block, or a function, in the state that torch has when it is imported.

    Gradients are recorded, there is no inference mode and no autocast, and new tensors
    are float32 on the CPU. Programs change all of these for code of their own. The
    state is put back after the block.

    In a process that was forked after a first block there is one thread: others would
    wait for threads that only the parent has.
    """
    if _is_ordinary():
        yield
        return
    with ExitStack() as states:
        if not _used_by:
            _used_by.append(os.getpid())
        elif os.getpid() not in _used_by:
            states.enter_context(_one_thread())
        states.enter_context(torch.inference_mode(False))
        states.enter_context(torch.enable_grad())
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                states.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device() != CPU:
            states.enter_context(CPU)
        states.enter_context(_float32_by_default())
        yield


def _is_ordinary() -> bool:
    """Whether there is nothing to change, as for most calls and those within others."""
    return (
        _used_by == [os.getpid()]
        and torch.is_grad_enabled()
        and not torch.is_inference_mode_enabled()
        and not any(map(torch.is_autocast_enabled, AUTOCAST))
        and torch.get_default_device() == CPU
        # A type that another thread has changed may change back.
        and not _former_types
        and torch.get_default_dtype() == torch.float32
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run a block by one thread of torch and of every other library."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _thread_pools().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(n_threads)


@cache
def _thread_pools() -> ThreadpoolController:
    """Libraries that have threads; to find them takes milliseconds."""
    return ThreadpoolController()


@contextmanager
def _float32_by_default() -> Iterator[None]:
    """Make new tensors float32; the last thread to leave puts the former type back."""
    with _TYPE_LOCK:
        _former_types.append(torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with _TYPE_LOCK:
            torch.set_default_dtype(_former_types.pop())


def resolve_device(device: str, name: str = "device") -> torch.device:
    """Turn the estimators' ``device`` into one that is there.

    Parameters
    ----------
    device : str
        ``"auto"`` (CUDA where present, else CPU) or a name that torch knows.
    name : str, default="device"
        Name of the parameter in messages.

    Returns
    -------
    device : torch.device
        Usable device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"{name}={device!r} is not known to torch; use 'auto', 'cpu' or 'cuda'."
        ) from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"{name}={device!r} needs a CUDA device and none is available; use "
            "'auto' or 'cpu'."
        )
    try:
        # torch knows the names of devices, but not whether they hold numbers here;
        # those of least squares are of float64, which some kinds do not have.
        torch.zeros(1, dtype=torch.float64, device=resolved).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"{name}={device!r} is not available here; use 'auto' or 'cpu'."
        ) from error
    return resolved
