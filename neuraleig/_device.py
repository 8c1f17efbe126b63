"""Where training and prediction run."""

from __future__ import annotations

import torch

CPU = torch.device("cpu")


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
