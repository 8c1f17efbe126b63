"""Files of weights of backbones, as training scripts write them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

# Keys under which training scripts store the weights, and prefixes of the names.
# Beside weights that have such a prefix, those that have not (heads, the student) are
# left out.
WRAPPERS = ("state_dict", "model", "teacher")
PREFIXES = ("module.", "_orig_mod.", "teacher.", "backbone.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read weights by name, without running code from the file.

    Raises FileNotFoundError, or ValueError if the file holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"weights={str(path)!r} is not a file.")
    try:
        if path.suffix == ".safetensors":
            return _unwrapped(load_file(path))
        return _unwrapped(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"weights={str(path)!r} is no state dict: reading it would run code. "
            "Save model.state_dict() by torch.save or as safetensors."
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ValueError(
            f"weights={str(path)!r} cannot be read ({error}); it must be "
            "safetensors (by its suffix) or a state dict saved by torch."
        ) from error


def _unwrapped(content: Any) -> dict[str, Tensor]:  # noqa: ANN401 - whatever is stored
    """Weights of the backbone among all that a training script stored."""
    while isinstance(content, Mapping):
        inner = [content[key] for key in WRAPPERS if key in content]
        if not inner or not isinstance(inner[0], Mapping):
            break
        content = inner[0]
    state = dict(content) if isinstance(content, Mapping) else {}
    state = {k: v for k, v in state.items() if isinstance(v, Tensor)}
    while found := [p for p in PREFIXES if any(k.startswith(p) for k in state)]:
        prefix = found[0]
        state = {
            k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)
        }
    return state
