"""The fit: from a problem to eigenfunctions and a label head."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from neuraleig._fit._label_heads import solve_label_heads
from neuraleig._fit._problem import Problem
from neuraleig._fit._run import Run
from neuraleig._fit._targets import Targets, solve_targets
from neuraleig._fit._task import Task
from neuraleig._fit._teach import refit_labels, teach
from neuraleig._fit._tune import tune
from neuraleig._random import seeded_torch
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork, RowLinear
from neuraleig.networks._label_heads import LabelHeads
from neuraleig.reading import ClusterCurve
from neuraleig.reading._hidden_centres import nearest_centre_scores


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
    n_clusters : int
        Clusters of the label head, unless there are fewer nodes.
    heads : LabelHeads or None
        Label heads for every number of the curve, if there is one and labels are
        those of the head.
    """

    eigenfunctions: Eigenfunctions
    targets: Targets | None
    losses: list[float]
    n_updates: int
    n_clusters: int
    heads: LabelHeads | None


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
    targets = None
    # A second function comes with the constant one, which leaves nothing to learn.
    if task.settings.init == "spectral" and problem.n_nodes > 1:
        targets = _recall_targets(problem, task, run)
    asked = task.n_clusters or (1 if targets is None else targets.n_clusters)
    n_components = min(max(task.n_learned(asked), 2), problem.n_nodes)
    n_clusters = min(asked, problem.n_nodes)
    if targets is not None:
        # No more than were solved for.
        n_components = min(n_components, targets.functions.shape[1] + 1)
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
        network, task.n_learned(asked), known, run.device, run.shard
    )
    heads = None
    if task.by_head and targets is not None and targets.curve is not None:
        heads = solve_label_heads(network, problem, targets, run)
    return Fitted(eigenfunctions, targets, losses, n_updates, asked, heads)


def _recall_targets(problem: Problem, task: Task, run: Run) -> Targets:
    """Targets of an earlier attempt at the fit, or solve for them now."""

    def solve() -> Targets:
        return solve_targets(
            problem.graph, task, run.seeds, run.device, progress=run.progress
        )

    # By one process: eigenvectors of close eigenvalues turn with the rounding.
    targets = run.recall(
        "targets", Targets, lambda: run.shard.first(solve), ClusterCurve
    )
    thinned = problem.graph.thinned() if targets.thinned else None
    if thinned is not None:
        problem.graph = thinned
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
    learns_functions = task.n_components != 1
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
