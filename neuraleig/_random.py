"""One ``random_state`` feeds every generator; the global states stay untouched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state

# Torch has one generator for the process: threads that seed it take turns.
_TORCH_GENERATORS = threading.RLock()

RandomState = int | np.random.RandomState | None


@dataclass(frozen=True)
class Seeds:
    """Independent seeds of the parts of one fit.

    A part that is left out or changed never shifts what another part draws.
    """

    graph: int
    spectrum: int
    network: int
    sampling: int
    check: int
    labels: int
    rows: int

    @classmethod
    def draw(cls, random_state: RandomState) -> Seeds:
        """Draw the seeds from scikit-learn's ``random_state``."""
        generator = check_random_state(random_state)
        return cls(*(int(s) for s in generator.randint(2**31 - 1, size=7)))


def numbered_generator(seed: int, stream: int, number: int = 0) -> np.random.Generator:
    """Generator that is a function of its three numbers.

    Draws that are numbered need no state: whoever knows the number, in whatever
    process, draws the same. Streams of one seed are independent of each other.
    """
    return np.random.default_rng((seed, stream, number))


@contextmanager
def seeded_torch(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators inside the block and restore them after it.

    Layers (initial weights, dropout) of a user's network draw from the global
    generators and accept no other. Those of the CPU and of a CUDA ``device`` are
    seeded; all others stay as they are. Threads take turns.
    """
    devices = [device] if device.type == "cuda" else []
    with _TORCH_GENERATORS, torch.random.fork_rng(devices=devices):
        # torch.manual_seed would seed every accelerator, and fork_rng restores only
        # the devices that it is given.
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
