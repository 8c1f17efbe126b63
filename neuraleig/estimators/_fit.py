"""The fit that both estimators share: from rows to eigenfunctions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neuraleig._random import Seeds, seeded_torch
from neuraleig._shard import ALONE, Shard
from neuraleig._typing import Array
from neuraleig.affinity import Affinity
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.estimators._fine_tune import fine_tune
from neuraleig.estimators._steps import (
    FitContext,
    Problem,
    Settings,
    Targets,
    build_problem,
    solve_targets,
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
    rows: Array,
    affinity: Affinity,
    task: Task,
    settings: Settings,
    seeds: Seeds,
    device: torch.device,
    make_network: MakeNetwork,
    shard: Shard = ALONE,
) -> FittedFunctions:
    """Graph, exact targets, warm start, fine-tuning, Rayleigh-Ritz."""
    problem = build_problem(rows, affinity, task.n_clusters, seeds, shard)
    # The constant alone leaves nothing to learn: a second function comes with it.
    n_components = min(max(task.n_components, 2), problem.graph.n_nodes)
    n_clusters = min(task.n_clusters, problem.graph.n_nodes)
    targets = None
    if settings.init == "spectral" and n_components > 1:
        size = (n_components, task.n_read, n_clusters)
        # By one process: eigenvectors of close eigenvalues turn with the rounding.
        targets = shard.first(
            lambda: solve_targets(problem, *size, task.diffusion_time, seeds)
        )
    context = FitContext(problem, targets, settings, seeds, device, shard)
    with seeded_torch(seeds.network, device):
        network = make_network(
            problem.nodes, max(n_components - 1, 1), n_clusters, task.assignment
        ).to(device)
        losses, n_updates = learn(network, context)
    graph = problem.graph
    eigenfunctions = Eigenfunctions.from_graph(
        network,
        problem.standardization,
        problem.nodes,
        graph.weights,
        graph.degrees,
        graph.uniform,
        task.n_components,
        shard,
    )
    return FittedFunctions(problem, eigenfunctions, targets, losses, n_updates)


def learn(network: EigenNetwork, context: FitContext) -> tuple[list[float], int]:
    """Warm start and fine-tuning: losses of the latter, and updates in all."""
    settings = context.settings
    # A callable that made the network may have drawn its weights from anywhere.
    context.shard.align(network)
    has_learned, n_updates = warm_start(network, context)
    is_done = has_learned and not settings.tunes_anyway
    if is_done or settings.max_iter == 0 or not context.problem.has_edges:
        return [], n_updates
    state = fine_tune(network, context)
    refit_labels(network, context)
    context.shard.align(network)
    return state.losses, n_updates + state.step
