"""Fine-tuning: train the network on the graph itself."""

from __future__ import annotations

import math

import torch

from neuraleig._batch import Edges, Objective
from neuraleig._typing import IntArray
from neuraleig.estimators._steps import FitContext, Problem, Settings
from neuraleig.networks import EigenNetwork
from neuraleig.objectives import (
    SumObjective,
    function_objective,
    label_objective,
)
from neuraleig.sampling import EdgeSampler, NodeSampler
from neuraleig.training import (
    EPOCH_STEPS,
    EarlyStopping,
    SavedTraining,
    Schedule,
    TemperatureSchedule,
    TrainingState,
    make_optimizers,
    train,
)

# Share of the warm start's loss that goes on in fine-tuning: the cut alone would
# trade the clusters for smaller ones.
# Other shares are not on record.
ANCHOR = 0.3
# Held-out edges (or rows) on which training is judged, and the fewest that can.
VALIDATION_SIZE = 2_048
MIN_VALIDATION = 256


def fine_tune(network: EigenNetwork, context: FitContext) -> TrainingState:
    """Train the network on the graph itself, from wherever it stands.

    Where the warm start had a target for every node, its regression stays in the
    objective with a small weight.
    """
    problem, targets, settings = context.problem, context.targets, context.settings
    device = context.device
    functions = function_objective(settings.objective, network.n_functions)
    labels = label_objective(settings.label_objective, network.n_clusters)
    objective = SumObjective((1.0, functions), (1.0, labels))
    # Labels that are fitted anew fall back on known ones: the functions count alone.
    is_solved = targets is not None and network.has_solvable_labels
    judged = functions if is_solved else objective
    use_edges = settings.sampling == "edges"
    if use_edges and targets is not None:
        objective = SumObjective((1.0, objective), (ANCHOR, targets.regression(device)))
    make_sampler = _edge_sampler if use_edges else _node_sampler
    held_out = _held_out_share(problem, settings)
    sampler = make_sampler(problem, settings, held_out, context.seeds.sampling)
    judges = []
    if held_out > 0:
        judges.append(_judge(judged, sampler, settings, device))
    return _train(network, sampler, objective, judges, context)


def _train(
    network: EigenNetwork,
    sampler: EdgeSampler | NodeSampler,
    objective: Objective,
    judges: list[EarlyStopping],
    context: FitContext,
) -> TrainingState:
    """Train as the settings say, under supervision."""
    settings, supervision = context.settings, context.supervision
    schedule = Schedule(settings.max_iter, settings.lr)
    temperature = TemperatureSchedule(network.assignment, *settings.temperature)
    n_epochs = math.ceil(schedule.n_steps / EPOCH_STEPS)
    with supervision.progress.stage("fine-tuning", n_epochs) as stage:
        return train(
            network,
            sampler,
            objective,
            schedule,
            device=context.device,
            optimizers=make_optimizers(
                settings.optimizer, network, network.hidden_matrices, settings.lr
            ),
            callbacks=[temperature, *judges, stage, *supervision.callbacks],
            phase="fine_tuning",
            epoch_steps=EPOCH_STEPS,
            precision=settings.precision,
            compile=settings.compile,
            saved=SavedTraining(
                supervision.checkpoint,
                "fine_tuning",
                settings.checkpoint_interval,
                memories=judges,
            ),
            shard=context.shard,
        )


def _judge(
    objective: Objective,
    sampler: EdgeSampler | NodeSampler,
    settings: Settings,
    device: torch.device,
) -> EarlyStopping:
    """Early stopping by what the sampler holds out."""
    size = min(VALIDATION_SIZE, sampler.n_held_out)
    return EarlyStopping(
        objective,
        sampler.validation_batch(size).to(device),
        patience=settings.n_iter_no_change,
        tol=settings.tol,
    )


def _held_out_share(problem: Problem, settings: Settings) -> float:
    """Share of the edges or rows that judges training; 0 where it would be too few."""
    by_edges = settings.sampling == "edges"
    available = problem.graph.weights.nnz // 2 if by_edges else problem.X.shape[0]
    share = settings.validation_fraction
    if not settings.early_stopping or share * available < MIN_VALIDATION:
        return 0.0
    return share


def _edge_sampler(
    problem: Problem, settings: Settings, held_out: float, seed: int
) -> EdgeSampler:
    """Batches of edges of the stored graph."""
    return EdgeSampler(
        problem.nodes,
        problem.graph,
        settings.batch_size // 2,
        seed=seed,
        n_steps=settings.walk_length,
        held_out=held_out,
    )


def _node_sampler(
    problem: Problem, settings: Settings, held_out: float, seed: int
) -> NodeSampler:
    """Batches of all rows, with the affinity among them."""
    X, affinity = problem.X, problem.affinity

    def among(index: IntArray) -> Edges:
        return affinity.among(X[index], index).regularized(affinity.regularization)

    return NodeSampler(
        problem.standardization.apply(X),
        settings.batch_size,
        seed=seed,
        among=among,
        held_out=held_out,
    )
