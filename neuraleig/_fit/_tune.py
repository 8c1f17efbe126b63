"""Fine-tuning: train the network on the graph itself."""

from __future__ import annotations

import math

from neuraleig._batch import Objective
from neuraleig._fit._problem import Problem, Sampler
from neuraleig._fit._run import Run
from neuraleig._fit._settings import Settings
from neuraleig._fit._targets import Targets
from neuraleig.networks import EigenNetwork
from neuraleig.objectives import SumObjective
from neuraleig.objectives._named import function_objective, label_objective
from neuraleig.training import (
    EarlyStopping,
    Schedule,
    TemperatureSchedule,
    TrainingState,
    train,
)
from neuraleig.training._loop import EPOCH_STEPS
from neuraleig.training._optimizers import make_optimizers
from neuraleig.training._resume import SavedTraining

# Share of the warm start's loss that goes on in fine-tuning: the cut alone would
# trade the clusters for smaller ones.
# Other shares are not on record.
ANCHOR = 0.3


def tune(
    network: EigenNetwork,
    problem: Problem,
    targets: Targets | None,
    settings: Settings,
    run: Run,
    *,
    learns_functions: bool = True,
) -> TrainingState:
    """Train the network on the graph itself, from wherever it stands.

    Where the warm start had a target for every node of a batch, its regression stays
    in the objective with a small weight.

    Parameters
    ----------
    network : EigenNetwork
        Trained in place.
    problem : Problem
        Batches.
    targets : Targets or None
        Of the warm start, if there was one.
    settings : Settings
        Of training.
    run : Run
        Circumstances.
    learns_functions : bool, default=True
        Whether eigenfunctions are wanted besides clusters.

    Returns
    -------
    state : TrainingState
        Loss of every step.
    """
    labels = label_objective(settings.label_objective, network.n_clusters)
    objective: Objective = labels
    judged: Objective = labels
    if learns_functions:
        functions = function_objective(settings.objective, network.n_functions)
        objective = SumObjective((1.0, functions), (1.0, labels))
        # Labels that are fitted anew fall back on known ones: functions count alone.
        is_solved = targets is not None and network.has_solvable_labels
        judged = functions if is_solved else objective
    held_out = _held_out_share(problem, settings)
    sampler, by_nodes = problem.tuning_batches(settings, held_out, run.seeds.sampling)
    if by_nodes and targets is not None:
        anchor = targets.regression(run.device)
        objective = SumObjective((1.0, objective), (ANCHOR, anchor))
    judges = []
    if sampler.n_held_out > 0:
        judges.append(_judge(judged, sampler, problem, settings, run))
    return _train(network, sampler, objective, judges, problem, settings, run)


def _train(
    network: EigenNetwork,
    sampler: Sampler,
    objective: Objective,
    judges: list[EarlyStopping],
    problem: Problem,
    settings: Settings,
    run: Run,
) -> TrainingState:
    """Train by the settings."""
    schedule = Schedule(settings.max_iter, settings.lr, warmup=problem.warmup)
    temperature = TemperatureSchedule(network.assignment, *settings.temperature)
    n_epochs = math.ceil(schedule.n_steps / EPOCH_STEPS)
    with run.progress.stage("fine-tuning", n_epochs) as stage:
        return train(
            network,
            sampler,
            objective,
            schedule,
            device=run.device,
            optimizers=make_optimizers(
                settings.optimizer, network, network.hidden_matrices, settings.lr
            ),
            callbacks=[temperature, *judges, stage, *run.callbacks],
            phase="fine_tuning",
            epoch_steps=EPOCH_STEPS,
            precision=settings.precision,
            compile=settings.compile,
            saved=SavedTraining(
                run.checkpoint,
                "fine_tuning",
                settings.checkpoint_interval,
                memories=judges,
            ),
            shard=run.shard,
        )


def _judge(
    objective: Objective,
    sampler: Sampler,
    problem: Problem,
    settings: Settings,
    run: Run,
) -> EarlyStopping:
    """Early stopping by what the sampler holds out."""
    size = min(problem.validation_size, sampler.n_held_out)
    return EarlyStopping(
        objective,
        sampler.validation_batch(size).to(run.device),
        patience=settings.n_iter_no_change,
        tol=settings.tol,
    )


def _held_out_share(problem: Problem, settings: Settings) -> float:
    """Share that judges training; 0 where it would be too little."""
    share, available = settings.validation_fraction, problem.n_judges(settings)
    enough = share * available >= problem.fewest_validation
    return share if settings.early_stopping and enough else 0.0
