"""Files of weights of backbones, as training scripts write them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

# Keys under which training scripts store weights. Averages of the weights, which the
# teachers of self-distillation are, come first: they are what such scripts evaluate.
WRAPPERS = (
    "state_dict",
    "model_ema",
    "ema",
    "teacher",
    "model",
    "model_state_dict",
    "student",
)
# Names of such averages inside of a module.
AVERAGES = ("teacher", "ema", "momentum", "target")
# What every plain transformer has once; the part of its name before it is a prefix.
PATCHES = re.compile(r"(.*?)(patch_embed\.proj\.weight|visual\.conv1\.weight)")
# Prefixes of files whose names are others.
PREFIXES = ("module.", "_orig_mod.", "teacher.", "backbone.")
# Blocks in chunks, as sharded training stores them; the second number is the block's.
CHUNKED = re.compile(r"^blocks\.\d+\.(\d+)\.")


class Inert:
    """Stand-in for objects of other classes in a file; nothing of theirs is run."""

    def __new__(cls, *_: object, **__: object) -> Inert:
        """Take the place of any object, whatever it is made of."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Drop the state."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read weights by name, without running code from the file.

    Raises FileNotFoundError, or ValueError if the file holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"weights={str(path)!r} is not a file.")
    try:
        if path.suffix == ".safetensors":
            return _unwrapped(load_file(path))
        return _unwrapped(_read_checkpoint(path))
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


def _read_checkpoint(path: Path) -> Any:  # noqa: ANN401 - whatever is stored
    """Read a file of torch, in which other objects than tensors become inert.

    Training scripts store their options and optimisers beside the weights.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with torch.serialization.safe_globals([(Inert, name) for name in names]):
            return torch.load(path, map_location="cpu", weights_only=True)


def _unwrapped(content: Any) -> dict[str, Tensor]:  # noqa: ANN401 - whatever is stored
    """Weights of the backbone among all that a training script stored."""
    while isinstance(content, Mapping):
        inner = [content[key] for key in WRAPPERS if key in content]
        held = [value for value in inner if isinstance(value, Mapping) and value]
        if not held:
            break
        content = held[0]
    state = dict(content) if isinstance(content, Mapping) else {}
    state = {k: v for k, v in state.items() if isinstance(v, Tensor)}
    state = _without_prefix(state, _prefix(state))
    while found := [p for p in PREFIXES if any(k.startswith(p) for k in state)]:
        state = _without_prefix(state, found[0])
    return {CHUNKED.sub(r"blocks.\1.", name): v for name, v in state.items()}


def _prefix(state: Mapping[str, Tensor]) -> str:
    """Prefix of a transformer's weights: of an average, or else the shortest."""
    prefixes = [found[1] for name in state if (found := PATCHES.fullmatch(name))]
    averages = [p for p in prefixes if any(word in p for word in AVERAGES)]
    return min(averages or prefixes, key=len, default="")


def _without_prefix(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Weights whose names have a prefix; others are heads, or those of a student."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
