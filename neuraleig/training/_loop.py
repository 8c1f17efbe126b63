"""The loop: it moves batches and knows nothing of what it trains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from neuraleig._batch import Batch, Objective
from neuraleig._shard import ALONE, Shard
from neuraleig.training._callbacks import Callback, TrainingState, cosine_schedule


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
        """Learning rate of a step, counted from 0."""
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
    shard: Shard = ALONE,
) -> TrainingState:
    """Minimise an objective over batches.

    Parameters
    ----------
    network : nn.Module
        Maps ``batch.inputs`` to ``Outputs``; trained in place, on ``device``.
    batches : iterable of Batch
        At least ``schedule.n_steps`` of them.
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
        Called between steps.
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
    state = TrainingState(network, schedule.n_steps, shard=shard)
    source = iter(batches)
    network.train()
    while state.step < schedule.n_steps and not state.stop:
        for callback in callbacks:
            callback.on_step_begin(state)
        for group in (g for o in optimizers for g in o.param_groups):
            group["lr"] = schedule.lr_at(state.step)
        batch = next(source).to(device)
        loss = _step(network, batch, objective, optimizers, shard)
        state.losses.append(loss)
        state.step += 1
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {state.step} with lr={schedule.lr}; a "
                "lower lr may help, or features of a smaller range."
            )
        for callback in callbacks:
            callback.on_step_end(state)
    for callback in callbacks:
        callback.on_train_end(state)
    network.eval()
    return state


def _step(
    network: nn.Module,
    batch: Batch,
    objective: Objective,
    optimizers: Sequence[torch.optim.Optimizer],
    shard: Shard,
) -> float:
    loss = objective(shard.forward(network, batch.inputs), batch)
    network.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    shard.reduce_gradients(network.parameters())
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())
