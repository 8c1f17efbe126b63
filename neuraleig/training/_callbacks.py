"""What happens between the steps of training."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from neuraleig._batch import Batch, Objective
from neuraleig._shard import ALONE, Shard


@dataclass
class TrainingState:
    """What callbacks see of a running training.

    Parameters
    ----------
    network : nn.Module
        Being trained.
    n_steps : int
        Steps planned.
    step : int
        Steps done.
    losses : list of float
        Loss of every step done.
    stop : bool
        A callback sets it to end training, on all processes or on none.
    shard : Shard
        Share of this process; callbacks evaluate the network by it.
    """

    network: nn.Module
    n_steps: int
    step: int = 0
    losses: list[float] = field(default_factory=list)
    stop: bool = False
    shard: Shard = ALONE


class Callback(Protocol):
    """Hooks of the training loop."""

    def on_step_begin(self, state: TrainingState) -> None:
        """Before a step."""

    def on_step_end(self, state: TrainingState) -> None:
        """After a step."""

    def on_train_end(self, state: TrainingState) -> None:
        """After the last step."""


class BaseCallback:
    """Hooks that do nothing, to override."""

    def on_step_begin(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_step_end(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_train_end(self, state: TrainingState) -> None:
        """Do nothing."""


def cosine_schedule(start: float, end: float, progress: float) -> float:
    """Value on the half cosine from ``start`` to ``end`` at ``progress`` in [0, 1]."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


class TemperatureSchedule(BaseCallback):
    """Anneal the temperature of the soft assignments along a cosine.

    Parameters
    ----------
    assignment : nn.Module
        Has an attribute ``temperature``.
    start, end : float
        Temperatures of the first and last step.
    """

    def __init__(self, assignment: nn.Module, start: float, end: float) -> None:
        self.assignment = assignment
        self.start = start
        self.end = end

    def on_step_begin(self, state: TrainingState) -> None:
        """Set the temperature of this step."""
        progress = state.step / max(state.n_steps - 1, 1)
        temperature = cosine_schedule(self.start, self.end, progress)
        self.assignment.temperature = temperature  # type: ignore[assignment]


class EarlyStopping(BaseCallback):
    """Stop when a held-out objective no longer falls; keep the best weights.

    Parameters
    ----------
    objective : Objective
        What is scored.
    batch : Batch
        Held-out batch.
    interval : int, default=50
        Steps between evaluations.
    patience : int, default=10
        Evaluations without improvement before training stops.
    tol : float, default=1e-4
        Relative improvement that counts.

    Attributes
    ----------
    scores : list of float
        Held-out objective at every evaluation, the first before training.
    """

    def __init__(
        self,
        objective: Objective,
        batch: Batch,
        *,
        interval: int = 50,
        patience: int = 10,
        tol: float = 1e-4,
    ) -> None:
        self.objective = objective
        self.batch = batch
        self.interval = interval
        self.patience = patience
        self.tol = tol
        self.scores: list[float] = []
        self._best = math.inf
        self._best_weights: dict[str, Tensor] = {}
        self._since_best = 0

    def on_step_begin(self, state: TrainingState) -> None:
        """Score the state that training starts from."""
        if state.step == 0:
            self._evaluate(state)

    def on_step_end(self, state: TrainingState) -> None:
        """Score every ``interval`` steps."""
        if state.step % self.interval == 0 or state.step == state.n_steps:
            self._evaluate(state)
            state.stop = state.stop or self._since_best > self.patience

    def on_train_end(self, state: TrainingState) -> None:
        """Put the best weights back."""
        if self._best_weights:
            state.network.load_state_dict(self._best_weights)

    def _evaluate(self, state: TrainingState) -> None:
        state.network.eval()
        with torch.no_grad():
            outputs = state.shard.forward(state.network, self.batch.inputs)
            # One for all processes: rounding must not make some of them stop.
            score = state.shard.first(
                lambda: float(self.objective(outputs, self.batch))
            )
        state.network.train()
        self.scores.append(score)
        margin = self.tol * abs(self._best) if math.isfinite(self._best) else 0.0
        self._since_best = 0 if score < self._best - margin else self._since_best + 1
        if score < self._best:
            self._best = score
            self._best_weights = copy.deepcopy(state.network.state_dict())
