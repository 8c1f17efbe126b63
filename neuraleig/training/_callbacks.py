"""What happens between the steps of training."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from neuraleig._batch import Batch, Objective
from neuraleig._shard import ALONE, Shard

# Hooks that a callback must have, in the order in which they are first called.
HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
)


@dataclass
class TrainingState:
    """What callbacks see of a running training.

    Parameters
    ----------
    network : nn.Module
        Being trained.
    n_steps : int
        Steps planned.
    phase : str, default="training"
        Which training this is; the estimators have ``"warm_start"`` and
        ``"fine_tuning"``.
    step : int
        Steps done.
    epoch : int
        Epochs done.
    lr : float
        Learning rate of the latest step.
    losses : list of float
        Loss of every step done.
    scores : list of float
        Held-out objective at every evaluation, the first before training; empty
        where nothing is held out.
    stop : bool
        A callback sets it to end this training, on all processes or on none.
    shard : Shard
        Share of this process; callbacks evaluate the network by it.
    """

    network: nn.Module
    n_steps: int
    phase: str = "training"
    step: int = 0
    epoch: int = 0
    lr: float = 0.0
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    stop: bool = False
    shard: Shard = ALONE

    @property
    def is_over(self) -> bool:
        """Whether no step is left, or a callback has ended training."""
        return self.stop or self.step >= self.n_steps


class Callback(Protocol):
    """Hooks of the training loop, under the names that skorch gave them."""

    def on_train_begin(self, state: TrainingState) -> None:
        """Before the first step of a training, or of the rest of a resumed one.

        Parameters
        ----------
        state : TrainingState
            Of the running training.
        """

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Before the first step of an epoch.

        Parameters
        ----------
        state : TrainingState
            Of the running training.
        """

    def on_batch_begin(self, state: TrainingState) -> None:
        """Before a step.

        Parameters
        ----------
        state : TrainingState
            Of the running training.
        """

    def on_grad_computed(self, state: TrainingState) -> None:
        """Between the gradients and the step that follows them.

        Parameters
        ----------
        state : TrainingState
            Of the running training.
        """

    def on_batch_end(self, state: TrainingState) -> None:
        """After a step.

        Parameters
        ----------
        state : TrainingState
            Of the running training.
        """

    def on_epoch_end(self, state: TrainingState) -> None:
        """After the last step of an epoch.

        Parameters
        ----------
        state : TrainingState
            Of the running training.
        """

    def on_train_end(self, state: TrainingState) -> None:
        """After the last epoch, or after an error in training.

        Parameters
        ----------
        state : TrainingState
            Of the running training.
        """


class BaseCallback:
    """Hooks that do nothing, to override; :class:`Callback` describes them."""

    def on_fit_begin(self, fit_id: str) -> None:
        """Do nothing when a fit begins, which may have no training at all.

        Parameters
        ----------
        fit_id : str
            Of that fit alone.
        """

    def on_train_begin(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_batch_begin(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_grad_computed(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_batch_end(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Do nothing."""

    def on_train_end(self, state: TrainingState) -> None:
        """Do nothing."""


def check_callbacks(
    callbacks: Sequence[Any] | None, prefix: str = ""
) -> tuple[Callback, ...]:
    """Refuse what is no callback, before any work.

    Parameters
    ----------
    callbacks : sequence or None
        The estimators' ``callbacks``.
    prefix : str, default=""
        Precedes the name of the parameter in messages.

    Returns
    -------
    callbacks : tuple of Callback
        The very objects that were passed.

    Raises
    ------
    TypeError
        If one of them is a class or lacks a hook.
    """
    for callback in callbacks or ():
        if isinstance(callback, type):
            raise TypeError(
                f"{prefix}callbacks has the class {callback.__name__}; pass an "
                f"instance, {callback.__name__}(...)."
            )
        lacking = [h for h in HOOKS if not callable(getattr(callback, h, None))]
        if lacking:
            raise TypeError(
                f"{prefix}callbacks has a {type(callback).__name__} without "
                f"{', '.join(lacking)}; derive its class from "
                "neuraleig.training.BaseCallback."
            )
    return tuple(callbacks or ())


def cosine_schedule(start: float, end: float, progress: float) -> float:
    """Value on the half cosine between two values.

    Parameters
    ----------
    start, end : float
        Values at the beginning and at the end.
    progress : float
        Share of the way, in [0, 1].

    Returns
    -------
    value : float
        Between ``start`` and ``end``.
    """
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

    def on_batch_begin(self, state: TrainingState) -> None:
        """Set the temperature of this step."""
        progress = state.step / max(state.n_steps - 1, 1)
        temperature = cosine_schedule(self.start, self.end, progress)
        self.assignment.temperature = temperature  # type: ignore[assignment]


class EarlyStopping(BaseCallback):
    """Stop when a held-out objective no longer falls; keep the best weights.

    It is judged before training and at the end of every epoch. What it has seen is
    part of a saved training.

    Parameters
    ----------
    objective : Objective
        What is scored.
    batch : Batch
        Held-out batch.
    patience : int, default=10
        Evaluations without improvement before training stops.
    tol : float, default=1e-4
        Relative improvement that counts.
    """

    def __init__(
        self,
        objective: Objective,
        batch: Batch,
        *,
        patience: int = 10,
        tol: float = 1e-4,
    ) -> None:
        self.objective = objective
        self.batch = batch
        self.patience = patience
        self.tol = tol
        self._best = math.inf
        self._best_weights: dict[str, Tensor] = {}
        self._since_best = 0

    def on_train_begin(self, state: TrainingState) -> None:
        """Score the state that training starts from."""
        if state.step == 0:
            self._evaluate(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Score what the epoch has come to."""
        self._evaluate(state)
        state.stop = state.stop or self._since_best > self.patience

    def on_train_end(self, state: TrainingState) -> None:
        """Put the best weights back."""
        if self._best_weights:
            state.network.load_state_dict(self._best_weights)

    def state_dict(self) -> dict[str, Any]:
        """Evaluations so far, to be saved with a training.

        Returns
        -------
        state : dict
            Best objective, its weights, and the evaluations since then.
        """
        return {
            "best": self._best,
            "best_weights": self._best_weights,
            "since_best": self._since_best,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved training.

        Parameters
        ----------
        state : dict
            As from :meth:`state_dict`.
        """
        self._best = state["best"]
        self._best_weights = state["best_weights"]
        self._since_best = state["since_best"]

    def _evaluate(self, state: TrainingState) -> None:
        state.network.eval()
        with torch.no_grad():
            outputs = state.shard.forward(state.network, self.batch.inputs)
            # One for all processes: rounding must not make some of them stop.
            score = state.shard.first(
                lambda: float(self.objective(outputs, self.batch))
            )
        state.network.train()
        state.scores.append(score)
        margin = self.tol * abs(self._best) if math.isfinite(self._best) else 0.0
        self._since_best = 0 if score < self._best - margin else self._since_best + 1
        if score < self._best:
            self._best = score
            self._best_weights = copy.deepcopy(state.network.state_dict())
