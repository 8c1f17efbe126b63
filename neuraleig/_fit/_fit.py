"""The fit: from a problem to eigenfunctions and a label head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from neuraleig._fit._problem import Problem
from neuraleig._fit._run import Run
from neuraleig._fit._settings import Settings
from neuraleig._fit._targets import Targets, solve_targets
from neuraleig._fit._teach import refit_labels, teach
from neuraleig._fit._tune import tune
from neuraleig._random import seeded_torch
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork, RowLinear
from neuraleig.reading._hidden_centres import nearest_centre_scores

MakeNetwork = Callable[[Problem, int, int], EigenNetwork]
"""Takes the problem, and the numbers of functions and of clusters."""


@dataclass(frozen=True)
class Task:
    """What an estimator asks of a fit.

    Parameters
    ----------
    n_clusters : int
        Clusters of the label head.
    n_components : int
        Eigenfunctions, the constant one included.
    n_read : int
        Exact eigenfunctions from which labels are read, at most.
    settings : Settings
        Of training.
    make_network : callable
        See ``MakeNetwork``.
    diffusion_time : float, default=10.0
        Weight of the exact eigenfunctions from which labels are read.
    hidden_centres : bool, default=False
        Whether clusters are those of k-means on the hidden features.
    """

    n_clusters: int
    n_components: int
    n_read: int
    settings: Settings
    make_network: MakeNetwork
    diffusion_time: float = 10.0
    hidden_centres: bool = False


@dataclass(frozen=True)
class Fitted:
    """Result of a fit.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        On the device of the run; the label head of its network is final.
    targets : Targets or None
        What the warm start taught.
    losses : list of float
        Loss of every step of fine-tuning.
    n_updates : int
        Least squares of the warm start, and steps of training.
    """

    eigenfunctions: Eigenfunctions
    targets: Targets | None
    losses: list[float]
    n_updates: int


def fit(problem: Problem, task: Task, run: Run) -> Fitted:
    """Exact targets, warm start, fine-tuning, labels, eigenfunctions.

    Parameters
    ----------
    problem : Problem
        Nodes, graph, network inputs and batches.
    task : Task
        What is to be learned.
    run : Run
        Circumstances.

    Returns
    -------
    fitted : Fitted
        On the device of the run.
    """
    # A second function comes with the constant one, which leaves nothing to learn.
    n_components = min(max(task.n_components, 2), problem.n_nodes)
    n_clusters = min(task.n_clusters, problem.n_nodes)
    targets = None
    if task.settings.init == "spectral" and n_components > 1:
        targets = _recall_targets(problem, n_components, n_clusters, task, run)
    with seeded_torch(run.seeds.network, run.device):
        network = task.make_network(problem, max(n_components - 1, 1), n_clusters)
        network.to(run.device)
        # A callable may have drawn weights from anywhere.
        run.shard.align(network)
        losses, n_updates = learn(network, problem, targets, task, run)
        if task.hidden_centres:
            set_hidden_centres(network, problem, n_clusters, run)
    run.shard.align(network)
    known = None if targets is None else targets.functions.numpy()
    eigenfunctions = problem.eigenfunctions(
        network, task.n_components, known, run.device, run.shard
    )
    return Fitted(eigenfunctions, targets, losses, n_updates)


def _recall_targets(
    problem: Problem, n_components: int, n_clusters: int, task: Task, run: Run
) -> Targets:
    """Targets of an earlier attempt at the fit, or solve for them now."""

    def solve() -> Targets:
        return solve_targets(
            problem.graph,
            n_components,
            task.n_read,
            n_clusters,
            task.diffusion_time,
            run.seeds,
            device=run.device,
        )

    with run.progress.stage("eigenvectors") as stage:
        # By one process: eigenvectors of close eigenvalues turn with the rounding.
        targets = run.recall("targets", Targets, lambda: run.shard.first(solve))
        stage.result = f"{targets.eigenvalues.size} of {len(targets.labels)} nodes"
        thinned = problem.graph.thinned() if targets.thinned else None
        if thinned is not None:
            problem.graph = thinned
            stage.result += ", one-sided edges thinned"
    return targets


def learn(
    network: EigenNetwork,
    problem: Problem,
    targets: Targets | None,
    task: Task,
    run: Run,
) -> tuple[list[float], int]:
    """Warm start and fine-tuning: losses of the latter, and updates in all."""
    settings = task.settings
    has_learned, n_updates = False, 0
    if targets is not None:
        has_learned, n_updates = teach(network, problem, targets, settings, run)
    is_done = has_learned and not settings.tunes_anyway
    if is_done or settings.max_iter == 0 or not problem.has_edges:
        return [], n_updates
    learns_functions = task.n_components > 1
    state = tune(
        network, problem, targets, settings, run, learns_functions=learns_functions
    )
    refit_labels(network, problem, targets, run)
    return state.losses, n_updates + state.step


@torch.no_grad()
def set_hidden_centres(
    network: EigenNetwork, problem: Problem, n_clusters: int, run: Run
) -> None:
    """Replace the label head by the nearest of the k-means centres of hidden features.

    Parameters
    ----------
    network : EigenNetwork
        Changed in place.
    problem : Problem
        Nodes, and their network inputs.
    n_clusters : int
        Number of centres.
    run : Run
        Circumstances.
    """
    network.eval()
    shard = run.shard
    inputs = problem.inputs(None, run.device)
    mine = inputs.mapped(
        lambda part: network.trunk(part).cpu(), shard.part(len(inputs))
    )
    hidden = shard.gathered(mine).numpy()
    weight, bias = shard.first(
        lambda: nearest_centre_scores(
            hidden, n_clusters, run.seeds.labels, problem.graph.relative_counts
        )
    )
    head = RowLinear(hidden.shape[1], len(bias)).to(run.device)
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(bias))
    network.label_head = head
    network.n_clusters = len(bias)
