"""The loop: it moves batches and knows nothing of what it trains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, cast, runtime_checkable

import torch
from torch import nn

from neuraleig._batch import Batch, Objective
from neuraleig._shard import ALONE, Shard
from neuraleig.training._callbacks import Callback, TrainingState, cosine_schedule
from neuraleig.training._checkpoint import NOTHING_KEPT
from neuraleig.training._precision import MixedPrecision
from neuraleig.training._resume import SavedTraining

# Steps after which training is judged, reported and may be saved, where nothing else
# is asked for.
EPOCH_STEPS = 50


@runtime_checkable
class NumberedBatches(Protocol):
    """Batches that can be drawn from any number on."""

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches from number ``start`` on."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Parameters
    ----------
    n_steps : int
        Most optimiser steps.
    lr : float
        Learning rate at its highest.
    final_lr : float, default=1e-5
        Learning rate of the last step, reached along a cosine.
    warmup : float, default=0.0
        Share of the steps during which the learning rate rises from 0.
    """

    n_steps: int
    lr: float
    final_lr: float = 1e-5
    warmup: float = 0.0

    def lr_at(self, step: int) -> float:
        """Learning rate of a step.

        Parameters
        ----------
        step : int
            Number of the step, from 0.

        Returns
        -------
        lr : float
            Rises during the warm-up, and falls to ``final_lr`` afterwards.
        """
        n_warmup = int(self.warmup * self.n_steps)
        if step < n_warmup:
            return self.lr * (step + 1) / n_warmup
        progress = (step - n_warmup) / max(self.n_steps - 1 - n_warmup, 1)
        return cosine_schedule(self.lr, min(self.final_lr, self.lr), progress)


def train(
    network: nn.Module,
    batches: Iterable[Batch],
    objective: Objective,
    schedule: Schedule,
    *,
    device: torch.device,
    optimizers: Sequence[torch.optim.Optimizer] | None = None,
    callbacks: Sequence[Callback] = (),
    phase: str = "training",
    epoch_steps: int = EPOCH_STEPS,
    precision: torch.dtype = torch.float32,
    compile: bool = False,
    saved: SavedTraining | None = None,
    shard: Shard = ALONE,
) -> TrainingState:
    """Minimise an objective over batches.

    Parameters
    ----------
    network : nn.Module
        Maps ``batch.inputs`` to ``Outputs``; trained in place, on ``device``.
    batches : iterable of Batch
        At least ``schedule.n_steps`` of them. A training that goes on begins with
        the batch of its step.
    objective : Objective
        Minimised.
    schedule : Schedule
        Steps and learning rates.
    device : torch.device
        Where batches are moved to.
    optimizers : sequence of Optimizer or None, default=None
        Of the parameters of the network; their learning rates are those of the
        schedule. ``None``: Adam.
    callbacks : sequence of Callback
        Called between steps, in this order.
    phase : str, default="training"
        What callbacks are told of which training this is.
    epoch_steps : int, default=50
        Steps of an epoch, after which callbacks judge and report.
    precision : torch.dtype, default=torch.float32
        Type of the products of the forward pass.
    compile : bool, default=False
        Compile the forward passes of the steps; ``network`` itself stays as it is.
    saved : SavedTraining or None, default=None
        Saves at ends of epochs, and goes on from what was saved.
    shard : Shard, default=ALONE
        Rows of every batch that this process puts through the network. All processes
        are given the same batches and start from the same network; their callbacks
        must come to the same decisions.

    Returns
    -------
    state : TrainingState
        Loss of every step.

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    if optimizers is None:
        optimizers = [torch.optim.Adam(network.parameters(), lr=schedule.lr)]
    saved = saved or SavedTraining(NOTHING_KEPT, phase, schedule.n_steps)
    state = TrainingState(network, schedule.n_steps, phase, shard=shard)
    mixed = MixedPrecision(precision, device)
    saved.restore(state, optimizers, mixed.scaler, device)
    forward = cast(nn.Module, torch.compile(network) if compile else network)
    steps = _Steps(state, forward, objective, schedule, optimizers, callbacks, mixed)
    source = _from_number(batches, state.step)
    network.train()
    try:
        _call(callbacks, "on_train_begin", state)
        while not state.is_over:
            _call(callbacks, "on_epoch_begin", state)
            end = min(state.step + epoch_steps, state.n_steps)
            while state.step < end and not state.stop:
                steps.take(next(source).to(device))
            state.epoch += 1
            _call(callbacks, "on_epoch_end", state)
            saved.save(state, optimizers, mixed.scaler, device)
    finally:
        _call(callbacks, "on_train_end", state)
    network.eval()
    return state


def _from_number(batches: Iterable[Batch], start: int) -> Iterator[Batch]:
    """Batches from a number on; those before it are drawn where they must be."""
    if isinstance(batches, NumberedBatches):
        return batches.batches(start)
    return islice(batches, start, None)


def _call(callbacks: Sequence[Callback], hook: str, state: TrainingState) -> None:
    for callback in callbacks:
        getattr(callback, hook)(state)


@dataclass(frozen=True)
class _Steps:
    """Takes the steps of one training."""

    state: TrainingState
    forward: nn.Module
    objective: Objective
    schedule: Schedule
    optimizers: Sequence[torch.optim.Optimizer]
    callbacks: Sequence[Callback]
    mixed: MixedPrecision

    def take(self, batch: Batch) -> None:
        """Take one step, callbacks around it."""
        state = self.state
        _call(self.callbacks, "on_batch_begin", state)
        state.lr = self.schedule.lr_at(state.step)
        for group in (g for o in self.optimizers for g in o.param_groups):
            group["lr"] = state.lr
        loss = self._step(batch)
        state.losses.append(loss)
        state.step += 1
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {state.step} with lr={self.schedule.lr}; "
                "a lower lr may help, or features of a smaller range."
            )
        _call(self.callbacks, "on_batch_end", state)

    def _step(self, batch: Batch) -> float:
        with self.mixed.forward_pass():
            outputs = self.state.shard.forward(
                self.forward, batch.inputs, self.state.step
            )
        loss = self.objective(outputs, batch)
        scaler = self.mixed.scaler
        self.state.network.zero_grad(set_to_none=True)
        torch.autograd.backward(scaler.scale(loss))
        self.state.shard.reduce_gradients(self.state.network.parameters())
        for optimizer in self.optimizers:
            scaler.unscale_(optimizer)
        _call(self.callbacks, "on_grad_computed", self.state)
        for optimizer in self.optimizers:
            scaler.step(optimizer)
        scaler.update()
        return float(loss.detach())
