"""Training on tokens: the warm start on a sample, fine-tuning on all windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from neuraleig._batch import Objective
from neuraleig._random import Seeds
from neuraleig.fit import Progress
from neuraleig.fit._targets import Targets
from neuraleig.networks import Assignment, EigenNetwork, Head
from neuraleig.objectives import OutputMemory, SumObjective
from neuraleig.objectives._named import function_objective, label_objective
from neuraleig.sampling import Windows, WindowSampler
from neuraleig.segmentation._token_sample import TokenSample
from neuraleig.training import (
    Callback,
    EarlyStopping,
    OptimizerName,
    Schedule,
    TemperatureSchedule,
    TrainingState,
    make_optimizers,
    train,
)

# Passes over the sample in the warm start, and the fewest steps of it.
# Not tuned to labels: what counts is whether the network knows its targets.
WARM_PASSES = 20
WARM_STEPS = 100
WARM_LR = 3e-3
# Share of a training in which the learning rate rises: attention diverges without.
WARMUP = 0.05
# Tokens of a batch, where its size is left open: enough for graphs among them.
BATCH_TOKENS = 6_400
# Steps of an epoch, and the most windows on which training is judged.
EPOCH_STEPS = 25
VALIDATION_WINDOWS = 16
# Share of the windows that is held out, and the fewest windows of which any is.
# Not tuned: a tenth, as for rows, and of fewer windows it would be less than four.
HELD_OUT = 0.1
MIN_WINDOWS = 40


@dataclass(frozen=True)
class TokenSettings:
    """Parameters of DenseSegmenter that training needs, under the same names."""

    init: str
    learns_functions: bool
    objective: str
    label_objective: str
    n_neighbors: int
    pixel_weight: float
    queue_size: int
    hidden_size: int | None
    n_blocks: int
    n_heads: int
    mlp_size: int | None
    head: Head
    assignment: Assignment
    temperature: tuple[float, float]
    batch_size: int | None
    max_iter: int
    lr: float
    optimizer: OptimizerName
    early_stopping: bool


@dataclass(frozen=True)
class TokenContext:
    """By which rules the steps of a fit go.

    Parameters
    ----------
    settings : TokenSettings
        Parameters of training.
    n_graph_channels : int
        Last channels, by which tokens are compared.
    seeds : Seeds
        One seed per part.
    device : torch.device
        Where the network is.
    progress : Progress
        Tells of the stages.
    callbacks : tuple of Callback
        Those of the user.
    """

    settings: TokenSettings
    n_graph_channels: int
    seeds: Seeds
    device: torch.device
    progress: Progress
    callbacks: tuple[Callback, ...] = ()


def warm_start(
    network: EigenNetwork, sample: TokenSample, targets: Targets, context: TokenContext
) -> int:
    """Teach the network the exact eigenfunctions and labels of the sample.

    Parameters
    ----------
    network : EigenNetwork
        Trained in place.
    sample : TokenSample
        Tokens.
    targets : Targets
        Eigenfunctions and labels of its nodes.
    context : TokenContext
        Settings, seeds and device.

    Returns
    -------
    n_steps : int
        Steps taken.
    """
    settings = context.settings
    # Tokens are looked at one by one: no graph is built.
    sampler = WindowSampler(
        sample.windows,
        batch_windows(sample.windows.sizes, None),
        seed=context.seeds.sampling,
        n_neighbors=0,
        pixel_weight=0.0,
    )
    one_pass = len(sample.windows.sizes) // sampler.batch_size
    n_steps = max(WARM_PASSES * one_pass, WARM_STEPS)
    with context.progress.stage(
        "warm start", math.ceil(n_steps / EPOCH_STEPS)
    ) as stage:
        state = train(
            network,
            sampler,
            targets.regression(context.device),
            Schedule(n_steps, WARM_LR, warmup=WARMUP),
            device=context.device,
            optimizers=make_optimizers(
                settings.optimizer, network, network.hidden_matrices, WARM_LR
            ),
            callbacks=[stage, *context.callbacks],
            phase="warm_start",
            epoch_steps=EPOCH_STEPS,
        )
    return state.step


def fine_tune(
    network: EigenNetwork,
    windows: Windows,
    context: TokenContext,
) -> TrainingState:
    """Train the network on the graphs of batches of windows, from where it stands."""
    settings = context.settings
    objective = token_objective(network, settings)
    sampler = _sampler(windows, context)
    judges = []
    if sampler.n_held_out > 0:
        batch = sampler.validation_batch(VALIDATION_WINDOWS).to(context.device)
        judges.append(EarlyStopping(objective, batch))
    if settings.queue_size > 0:
        objective = OutputMemory(objective, sampler.queue_reach)
    temperature = TemperatureSchedule(network.assignment, *settings.temperature)
    n_epochs = math.ceil(settings.max_iter / EPOCH_STEPS)
    with context.progress.stage("fine-tuning", n_epochs) as stage:
        return train(
            network,
            sampler,
            objective,
            Schedule(settings.max_iter, settings.lr, warmup=WARMUP),
            device=context.device,
            optimizers=make_optimizers(
                settings.optimizer, network, network.hidden_matrices, settings.lr
            ),
            callbacks=[temperature, *judges, stage, *context.callbacks],
            phase="fine_tuning",
            epoch_steps=EPOCH_STEPS,
        )


def batch_windows(sizes: Sequence[tuple[int, int]], batch_size: int | None) -> int:
    """Windows of a batch: as asked for, or as many as have some thousand tokens."""
    if batch_size is not None:
        return batch_size
    mean = sum(h * w for h, w in sizes) / len(sizes)
    return max(1, round(BATCH_TOKENS / mean))


def token_objective(network: EigenNetwork, settings: TokenSettings) -> Objective:
    """Sum of the objectives of eigenfunctions, if any are wanted, and of clusters."""
    labels = label_objective(settings.label_objective, network.n_clusters)
    if not settings.learns_functions:
        return labels
    functions = function_objective(settings.objective, network.n_functions)
    return SumObjective((1.0, functions), (1.0, labels))


def _sampler(windows: Windows, context: TokenContext) -> WindowSampler:
    """Batches of windows with their graphs, some held out where there are many."""
    settings = context.settings
    trains = settings.early_stopping and settings.max_iter > 0
    judged = trains and len(windows.sizes) >= MIN_WINDOWS
    return WindowSampler(
        windows,
        batch_windows(windows.sizes, settings.batch_size),
        seed=context.seeds.sampling,
        n_graph_channels=context.n_graph_channels,
        n_neighbors=settings.n_neighbors,
        pixel_weight=settings.pixel_weight,
        queue_size=settings.queue_size,
        held_out=HELD_OUT if judged else 0.0,
        device=context.device,
    )
