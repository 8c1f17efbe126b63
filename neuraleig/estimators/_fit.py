"""The fit that both estimators share: from rows to eigenfunctions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from neuraleig._random import seeded_torch
from neuraleig._targets import Targets, solve_targets
from neuraleig._warnings import warn_user
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.estimators._checkpoint import recall
from neuraleig.estimators._fine_tune import fine_tune
from neuraleig.estimators._start import FitStart
from neuraleig.estimators._steps import (
    FitContext,
    Problem,
    Settings,
    build_problem,
)
from neuraleig.estimators._warm_start import refit_labels, warm_start
from neuraleig.networks import Assignment, EigenNetwork

MakeNetwork = Callable[[Tensor, int, int, Assignment], EigenNetwork]
"""Takes the rows, the numbers of functions and of clusters, and the assignment."""


@dataclass(frozen=True)
class Task:
    """What one estimator asks of the shared fit."""

    n_clusters: int
    n_components: int
    n_read: int
    diffusion_time: float = 10.0
    label_objective: str = "normalized_cut"
    assignment: Assignment = "softmax"
    temperature: tuple[float, float] = (1.0, 1.0)
    labels_by_head: bool = False


@dataclass(frozen=True)
class FittedFunctions:
    """What the shared fit returns."""

    problem: Problem
    eigenfunctions: Eigenfunctions
    targets: Targets | None
    losses: list[float]
    n_updates: int


def fit_functions(
    start: FitStart,
    task: Task,
    settings: Settings,
    device: torch.device,
    make_network: MakeNetwork,
) -> FittedFunctions:
    """Graph, exact targets, warm start, fine-tuning, rotation."""
    seeds, shard, supervision = start.seeds, start.shard, start.supervision
    problem = _build(start, task.n_clusters)
    # The constant alone leaves nothing to learn: a second function comes with it.
    n_components = min(max(task.n_components, 2), problem.graph.n_nodes)
    n_clusters = min(task.n_clusters, problem.graph.n_nodes)
    targets = None
    if settings.init == "spectral" and n_components > 1:
        size = (n_components, task.n_read, n_clusters)
        targets = _recall_targets(
            lambda: solve_targets(
                problem.graph, *size, task.diffusion_time, seeds, device=device
            ),
            start,
        )
    context = FitContext(
        problem, targets, settings, seeds, device, shard, supervision=supervision
    )
    with seeded_torch(seeds.network, device):
        network = make_network(
            problem.nodes, max(n_components - 1, 1), n_clusters, task.assignment
        ).to(device)
        # A callable may have drawn weights from anywhere.
        shard.align(network)
        losses, n_updates = learn(network, context)
    shard.align(network)
    eigenfunctions = _rotated(network, context, task.n_components)
    return FittedFunctions(problem, eigenfunctions, targets, losses, n_updates)


def _build(start: FitStart, n_clusters: int) -> Problem:
    """Graph of the rows, and what it looks like."""
    with start.supervision.progress.stage("neighbours") as stage:
        problem = build_problem(
            start.drawn.rows,
            start.affinity,
            n_clusters,
            start.seeds,
            start.supervision.checkpoint,
            start.shard,
        )
        stage.result = problem.description
    return problem


def _rotated(
    network: EigenNetwork, context: FitContext, n_components: int
) -> Eigenfunctions:
    """Eigenfunctions of the graph in the span of the network's functions."""
    problem, targets = context.problem, context.targets
    graph = problem.graph
    return Eigenfunctions.from_graph(
        network,
        problem.standardization,
        problem.nodes,
        graph.weights,
        graph.degrees,
        graph.uniform,
        n_components,
        None if targets is None else targets.functions.numpy(),
        context.shard,
    )


def _recall_targets(solve: Callable[[], Targets], start: FitStart) -> Targets:
    """Targets of an earlier attempt at the fit, or solve for them now."""
    checkpoint = start.supervision.checkpoint
    with start.supervision.progress.stage("eigenvectors") as stage:
        # By one process: eigenvectors of close eigenvalues turn with the rounding.
        targets = recall(
            checkpoint, "targets", Targets, lambda: start.shard.first(solve)
        )
        stage.result = f"{targets.eigenvalues.size} of {len(targets.labels)} nodes"
    return targets


def learn(network: EigenNetwork, context: FitContext) -> tuple[list[float], int]:
    """Warm start and fine-tuning: losses of the latter, and updates in all."""
    settings = context.settings
    has_learned, n_updates = warm_start(network, context)
    is_done = has_learned and not settings.tunes_anyway
    if is_done or settings.max_iter == 0 or not context.problem.has_edges:
        return [], n_updates
    state = fine_tune(network, context)
    refit_labels(network, context)
    return state.losses, n_updates + state.step


def warn_of_fewer_functions(asked: int, found: int, fitted: FittedFunctions) -> None:
    """Say so where there are fewer eigenfunctions than asked for, and why."""
    n_nodes = fitted.problem.graph.n_nodes
    reason = (
        "the network tells no more apart; make its last layers wider (hidden_sizes)"
    )
    # As many as nodes are all there are.
    if fitted.eigenfunctions.n_components >= n_nodes:
        reason = f"the graph has {n_nodes} distinct rows; lower n_components"
    warn_user(
        f"Only {found} of n_components={asked} eigenfunctions were found: {reason}.",
        ConvergenceWarning,
    )
