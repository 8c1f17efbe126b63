"""The steps of a fit, one function each, in the order in which they run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuraleig._batch import Objective
from neuraleig._random import Seeds
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Affinity, Graph, GraphWarning, NeighborAffinity
from neuraleig.discretize import Judgement, read_clusters
from neuraleig.metrics import (
    cluster_transitions,
    cut_of_transitions,
    modularity_of_transitions,
)
from neuraleig.networks import EigenNetwork
from neuraleig.objectives import (
    NestedLowRank,
    NeuralEF,
    NormalizedCut,
    Rayleigh,
    SpectralRegression,
    SumObjective,
)
from neuraleig.sampling import EdgeSampler, NodeSampler
from neuraleig.spectrum import graph_spectrum
from neuraleig.training import (
    Callback,
    EarlyStopping,
    Schedule,
    TemperatureSchedule,
    TrainingState,
    train,
)

# A component below this share of the mean cluster size is an outlier where there are
# more components than clusters: it would take an eigenvector of its own.
OUTLIER_SHARE = 0.1
# Graphs of up to this many nodes are solved whole for the warm start, larger ones by
# a graph of landmarks.
MAX_SOLVED_NODES = 200_000
N_LANDMARKS = 50_000
# The warm start goes by rounds of this many steps until the network agrees with so
# many of the labels, and its functions (of unit mean square) err by so little, on some
# rows; at most for two rounds, or for so many passes over large data.
ROUND_STEPS = 200
WARM_LR = 1e-2
ROUNDS_ALLOWED = 2
WARM_PASSES = 8
LEARNED_AGREEMENT = 0.99
LEARNED_ERROR = 0.1
CHECK_ROWS = 4_096
# Share of the warm start's loss that goes on in fine-tuning: the cut alone would
# trade the clusters for smaller ones.
ANCHOR = 0.3
# Held-out edges (or rows) on which training is judged, and the fewest that can.
VALIDATION_SIZE = 2_048
MIN_VALIDATION = 256
# The published weight of NeuralEF's penalty, times the number of functions.
NEURALEF_PENALTY = 20.48


@dataclass(frozen=True)
class Settings:
    """Parameters of an estimator that training needs, under the same names."""

    objective: str
    label_objective: str
    sampling: str
    walk_length: int
    max_iter: int
    batch_size: int
    lr: float
    temperature: tuple[float, float]
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float


@dataclass(frozen=True)
class Problem:
    """Data of a fit, ready for training.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows in their own units.
    affinity : Affinity
        Built.
    graph : Graph
        Stored graph, without outliers.
    standardization : Standardization
        Centre and unit of the nodes.
    nodes : Tensor of shape (n_nodes, n_features)
        Standardised row of every node.
    """

    X: Array
    affinity: Affinity
    graph: Graph
    standardization: Standardization
    nodes: Tensor

    @property
    def has_edges(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(self.graph.weights.nnz > 0)


@dataclass(frozen=True)
class Targets:
    """What the warm start teaches.

    Parameters
    ----------
    index : ndarray of shape (n_targets,), int64
        Nodes that have a target.
    functions : Tensor of shape (n_targets, n_functions)
        Exact eigenfunctions without the constant one.
    labels : Tensor of shape (n_targets,), int64
        Labels read off them.
    eigenvalues : ndarray of shape (n_read,)
        Exact eigenvalues, that of the constant first.
    """

    index: IntArray
    functions: Tensor
    labels: Tensor
    eigenvalues: FloatArray


def build_problem(
    X: Array, affinity: Affinity, n_clusters: int, seeds: Seeds
) -> Problem:
    """Build the graph of the rows, and standardise them."""
    graph = affinity.build(X, seed=seeds.graph)
    graph = without_outliers(graph, n_clusters)
    rows = X if graph.n_nodes == X.shape[0] else X[graph.index]
    # Outliers are not in the graph, and must not squeeze the other rows together.
    standardization = Standardization.of(rows)
    return Problem(X, affinity, graph, standardization, standardization.apply(rows))


def without_outliers(graph: Graph, n_clusters: int) -> Graph:
    """Leave out components too small to be clusters, if there are too many.

    The network labels their rows afterwards, like any row that is not in the graph.
    A graph that consists of such components is returned as it is.
    """
    n_components = graph.n_connected_components
    if n_components <= n_clusters:
        return graph
    sizes = np.bincount(graph.component_labels)
    large = sizes[graph.component_labels] >= (
        OUTLIER_SHARE * graph.n_nodes / n_clusters
    )
    if large.sum() > graph.n_nodes / 2 and not large.all():
        graph = graph.subgraph(np.flatnonzero(large))
    # Uniform weight connects what the stored edges do not.
    if graph.n_connected_components > n_clusters and graph.uniform == 0.0:
        warnings.warn(
            f"The graph of X has {graph.n_connected_components} connected components"
            + _consequence(n_clusters),
            GraphWarning,
            stacklevel=5,
        )
    return graph


def _consequence(n_clusters: int) -> str:
    """What more components than clusters lead to, and what to do."""
    if n_clusters == 1:
        return (
            ": the leading eigenfunctions tell nothing but them apart. Raise "
            "n_neighbors or regularization to connect them."
        )
    return (
        f" for {n_clusters} clusters: some clusters will be unions of components. "
        "Raise n_neighbors to connect them, or n_clusters to tell them apart."
    )


def solve_targets(
    problem: Problem,
    n_components: int,
    n_read: int,
    n_clusters: int,
    diffusion_time: float,
    seeds: Seeds,
) -> Targets:
    """Exact eigenvectors of the graph (or of landmarks), and labels read off them.

    Labels are read from up to ``n_read`` eigenvectors, of which the network is to
    learn the first ``n_components``.
    """
    index, graph = _solved_graph(problem, n_clusters, seeds)
    spectrum = graph_spectrum(
        graph.weights,
        min(max(n_read, n_components), graph.n_nodes),
        uniform=graph.uniform,
        component_labels=graph.component_labels,
        seed=seeds.spectrum,
    )
    reading = read_clusters(
        spectrum.functions,
        spectrum.eigenvalues,
        n_clusters,
        lambda labels: judge_labels(graph, labels),
        diffusion_time=diffusion_time,
        seed=seeds.labels,
    )
    functions = spectrum.functions[:, 1:n_components].astype(np.float32)
    return Targets(
        index,
        torch.from_numpy(functions),
        torch.from_numpy(reading.labels),
        spectrum.eigenvalues,
    )


def _solved_graph(
    problem: Problem, n_clusters: int, seeds: Seeds
) -> tuple[IntArray, Graph]:
    """Graph to solve, and which nodes are in it: all, or landmarks of a large graph."""
    graph = problem.graph
    if graph.n_nodes <= MAX_SOLVED_NODES or not isinstance(
        problem.affinity, NeighborAffinity
    ):
        return np.arange(graph.n_nodes, dtype=np.int64), graph
    generator = np.random.default_rng(seeds.spectrum)
    drawn = np.sort(generator.choice(graph.n_nodes, N_LANDMARKS, replace=False))
    rows = problem.X[graph.index[drawn]]
    landmarks = problem.affinity.build(rows, seed=seeds.graph)
    landmarks = without_outliers(landmarks, n_clusters)
    return drawn[landmarks.index], landmarks


def judge_labels(graph: Graph, labels: IntArray) -> Judgement:
    """What labels of the nodes are worth on the graph."""
    transitions = cluster_transitions(graph.weights, labels, uniform=graph.uniform)
    return Judgement(
        cut_of_transitions(transitions), modularity_of_transitions(transitions)
    )


def warm_start(
    network: EigenNetwork,
    problem: Problem,
    targets: Targets,
    batch_size: int,
    seeds: Seeds,
    device: torch.device,
) -> None:
    """Teach the network the exact eigenfunctions and the labels.

    Rounds of a falling learning rate go on until the labels are learned, or until
    every row was seen often enough.
    """
    rows = problem.nodes
    if targets.index.size < len(rows):
        rows = rows[torch.from_numpy(targets.index)]
    sampler = NodeSampler(rows, batch_size, seed=seeds.sampling)
    objective = _regression(targets, device)
    schedule = Schedule(ROUND_STEPS, lr=WARM_LR, warmup=0.1)
    n_rounds = WARM_PASSES * rows.shape[0] / (ROUND_STEPS * sampler.batch_size)
    order = np.random.default_rng(seeds.check).permutation(rows.shape[0])
    shown = torch.from_numpy(order[:CHECK_ROWS])
    for _ in range(max(ROUNDS_ALLOWED, int(np.ceil(n_rounds)))):
        train(network, sampler, objective, schedule, device=device)
        if _has_learned(network, rows, targets, shown, device):
            break


def _has_learned(
    network: EigenNetwork,
    rows: Tensor,
    targets: Targets,
    shown: Tensor,
    device: torch.device,
) -> bool:
    """Whether labels and functions of some rows are near enough to their targets."""
    with torch.no_grad():
        outputs = network(rows[shown].to(device))
    labels = outputs.logits.argmax(dim=1).cpu()
    agreement = (labels == targets.labels[shown]).double().mean()
    error = (outputs.functions.cpu() - targets.functions[shown]).square().mean()
    return float(agreement) >= LEARNED_AGREEMENT and float(error) <= LEARNED_ERROR


def _regression(targets: Targets, device: torch.device) -> SpectralRegression:
    return SpectralRegression(targets.functions.to(device), targets.labels.to(device))


def fine_tune(
    network: EigenNetwork,
    problem: Problem,
    targets: Targets | None,
    settings: Settings,
    seeds: Seeds,
    device: torch.device,
) -> TrainingState:
    """Train the network on the graph itself, from wherever it stands.

    Where the warm start had a target for every node, its regression stays in the
    objective with a small weight.
    """
    use_edges = settings.sampling == "edges"
    held_out = _held_out_share(problem, settings)
    objective = make_objective(settings, network.n_functions, network.n_clusters)
    if use_edges and targets is not None and targets.index.size == len(problem.nodes):
        objective = SumObjective(
            (1.0, objective), (ANCHOR, _regression(targets, device))
        )
    sampler: EdgeSampler | NodeSampler
    if use_edges:
        sampler = _edge_sampler(problem, settings, held_out, seeds.sampling)
    else:
        sampler = _node_sampler(problem, settings, held_out, seeds.sampling)
    callbacks: list[Callback] = [
        TemperatureSchedule(network.assignment, *settings.temperature)
    ]
    if held_out > 0:
        size = min(VALIDATION_SIZE, sampler.n_held_out)
        judge = EarlyStopping(
            objective,
            sampler.validation_batch(size).to(device),
            patience=settings.n_iter_no_change,
            tol=settings.tol,
        )
        callbacks.append(judge)
    schedule = Schedule(settings.max_iter, settings.lr)
    return train(
        network, sampler, objective, schedule, device=device, callbacks=callbacks
    )


def _held_out_share(problem: Problem, settings: Settings) -> float:
    """Share of the edges or rows that judges training; 0 where it would be too few."""
    by_edges = settings.sampling == "edges"
    available = problem.graph.weights.nnz // 2 if by_edges else problem.X.shape[0]
    share = settings.validation_fraction
    if not settings.early_stopping or share * available < MIN_VALIDATION:
        return 0.0
    return share


def make_objective(settings: Settings, n_functions: int, n_clusters: int) -> Objective:
    """Objective of the eigenfunctions plus that of the labels."""
    functions: Objective = Rayleigh()
    if settings.objective == "neuralef":
        functions = NeuralEF(NEURALEF_PENALTY / n_functions)
    elif settings.objective == "nested_low_rank":
        functions = NestedLowRank()
    labels: Objective = NormalizedCut()
    if settings.label_objective == "neuralef":
        labels = NeuralEF(NEURALEF_PENALTY / n_clusters, discrete=True)
    return SumObjective((1.0, functions), (1.0, labels))


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
    return NodeSampler(
        problem.standardization.apply(X),
        settings.batch_size,
        seed=seed,
        among=lambda index: affinity.among(X[index], index),
        held_out=held_out,
    )
