"""A training that is saved as it goes, and goes on from what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from neuraleig.training._callbacks import TrainingState
from neuraleig.training._checkpoint import Checkpoint


class Stateful(Protocol):
    """What remembers something that a saved training has to hold."""

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on from it."""


class SavedTraining:
    """The entry of a checkpoint that holds one training.

    Saved are the weights, the states of the optimisers, what has been counted and
    measured, and the state of torch's generators: what follows is what would have
    followed without the interruption, to the bit on a CPU.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where to.
    name : str
        Name of the entry.
    interval : int, default=1
        Steps between two saves at least; they wait for the end of an epoch.
    memories : sequence of Stateful, default=()
        Callbacks that remember something, such as ``EarlyStopping``. Others, those
        of users among them, begin anew.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        name: str,
        interval: int = 1,
        memories: Sequence[Stateful] = (),
    ) -> None:
        self.checkpoint = checkpoint
        self.name = name
        self.interval = interval
        self.memories = memories
        self._saved_at = 0

    def restore(
        self,
        state: TrainingState,
        optimizers: Sequence[torch.optim.Optimizer],
        scaler: torch.amp.GradScaler,
        device: torch.device,
    ) -> None:
        """Put everything where it was, if something was saved."""
        saved = self.checkpoint.load(self.name)
        if saved is None:
            return
        try:
            state.network.load_state_dict(saved["network"])
        except RuntimeError as error:
            # A function of the same name may make another network by now.
            raise self.checkpoint.refusal(
                f"{self.name!r} holds weights of another network ({error})"
            ) from error
        for optimizer, kept in zip(optimizers, saved["optimizers"], strict=True):
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": kept, "param_groups": groups})
        for memory, kept in zip(self.memories, saved["memories"], strict=True):
            memory.load_state_dict(kept)
        scaler.load_state_dict(saved["scaler"])
        state.step, state.epoch = saved["step"], saved["epoch"]
        state.lr, state.stop = saved["lr"], saved["stop"]
        state.losses = saved["losses"].tolist()
        state.scores = saved["scores"].tolist()
        torch.set_rng_state(saved["generator"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(saved["cuda_generator"], device)
        self._saved_at = state.step

    def save(
        self,
        state: TrainingState,
        optimizers: Sequence[torch.optim.Optimizer],
        scaler: torch.amp.GradScaler,
        device: torch.device,
    ) -> None:
        """Save at the end of an epoch, if it is time."""
        if not state.is_over and state.step - self._saved_at < self.interval:
            return
        tree: dict[str, Any] = {
            "network": state.network.state_dict(),
            "optimizers": [o.state_dict()["state"] for o in optimizers],
            "memories": [memory.state_dict() for memory in self.memories],
            "scaler": scaler.state_dict(),
            "step": state.step,
            "epoch": state.epoch,
            "lr": state.lr,
            "stop": state.stop,
            "losses": torch.tensor(state.losses, dtype=torch.float64),
            "scores": torch.tensor(state.scores, dtype=torch.float64),
            "generator": torch.get_rng_state(),
        }
        if device.type == "cuda":
            tree["cuda_generator"] = torch.cuda.get_rng_state(device)
        self.checkpoint.save(self.name, tree)
        self._saved_at = state.step
