"""The steps of a fit before training: the graph, and what it teaches."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from neuraleig._random import Seeds
from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, FloatArray
from neuraleig.affinity import Affinity, Graph, GraphWarning
from neuraleig.discretize import read_clusters
from neuraleig.estimators._checkpoint import recall
from neuraleig.estimators._judge import judge_labels, judged_graph
from neuraleig.estimators._progress import Supervision
from neuraleig.objectives import SpectralRegression
from neuraleig.spectrum import CPU, Spectrum, graph_spectrum
from neuraleig.training import NOTHING_KEPT, Checkpoint, OptimizerName

# A component below this share of the mean cluster size is an outlier where there are
# more components than clusters: it would take an eigenvector of its own.
OUTLIER_SHARE = 0.1
# A function of less support than this share of the mean cluster is one of single
# outliers: no network learns it. Small groups have more.
LOCAL_SHARE = 0.01


@dataclass(frozen=True)
class Settings:
    """Parameters of an estimator that training needs, under the same names.

    Parameters
    ----------
    tunes_anyway : bool
        Whether steps were asked for, even if the warm start has learned its targets.
    max_passes : float
        Most passes over the rows from a warm start on.
    """

    init: str
    objective: str
    label_objective: str
    sampling: str
    walk_length: int
    max_iter: int
    tunes_anyway: bool
    batch_size: int
    lr: float
    optimizer: OptimizerName
    temperature: tuple[float, float]
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    max_passes: float
    precision: torch.dtype = torch.float32
    compile: bool = False
    checkpoint_interval: int = 100


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
    def description(self) -> str:
        """Its size, and how many of the neighbours were found, for progress."""
        graph = self.graph
        words = f"{graph.n_nodes} nodes, {graph.weights.nnz // 2} edges"
        found = graph.neighbor_recall
        return words if found == 1.0 else f"{words}, recall {found:.3f}"

    @property
    def has_edges(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(self.graph.weights.nnz > 0)


@dataclass(frozen=True)
class Targets:
    """What the warm start teaches.

    Parameters
    ----------
    functions : Tensor of shape (n_nodes, n_functions)
        Exact eigenfunctions without the constant one.
    labels : Tensor of shape (n_nodes,), int64
        Labels read off them.
    eigenvalues : ndarray of shape (n_read,)
        Exact eigenvalues, that of the constant first.
    """

    functions: Tensor
    labels: Tensor
    eigenvalues: FloatArray

    def regression(self, device: torch.device) -> SpectralRegression:
        """Objective that teaches them."""
        return SpectralRegression(self.functions.to(device), self.labels.to(device))


@dataclass(frozen=True)
class FitContext:
    """What the steps of training work on, and by which rules.

    Parameters
    ----------
    problem : Problem
        Data.
    targets : Targets or None
        What the warm start teaches; ``None`` without one.
    settings : Settings
        Parameters of training.
    seeds : Seeds
        One seed per part.
    device : torch.device
        Where the network is.
    shard : Shard
        Share of this process.
    supervision : Supervision
        Who looks on, and who keeps what the steps come to.
    """

    problem: Problem
    targets: Targets | None
    settings: Settings
    seeds: Seeds
    device: torch.device
    shard: Shard = ALONE
    supervision: Supervision = field(default_factory=Supervision)


def build_problem(
    X: Array,
    affinity: Affinity,
    n_clusters: int,
    seeds: Seeds,
    checkpoint: Checkpoint = NOTHING_KEPT,
    shard: Shard = ALONE,
) -> Problem:
    """Build the graph of the rows, and standardise them."""
    # Kernels are built in any case: they learn their width by it, and cost little.
    kept = checkpoint if affinity.samples_edges else NOTHING_KEPT
    graph = recall(
        kept,
        "graph",
        Graph,
        lambda: affinity.build(X, seed=seeds.graph, shard=shard),
    )
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
            stacklevel=8,
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
    device: torch.device = CPU,
) -> Targets:
    """Exact eigenvectors of the graph, and labels read off them.

    Labels are read from up to ``n_read`` eigenvectors, of which the network is to
    learn the first ``n_components``.
    """
    graph = problem.graph
    spectrum = graph_spectrum(
        graph.weights,
        min(max(n_read, n_components), graph.n_nodes),
        uniform=graph.uniform,
        component_labels=graph.component_labels,
        seed=seeds.spectrum,
        device=device,
        n_precise=n_components,
    )
    eigenvalues = spectrum.eigenvalues
    spectrum = without_localized(spectrum, n_clusters, n_components)
    judged, nodes = judged_graph(graph, seeds.labels)
    reading = read_clusters(
        spectrum.functions,
        spectrum.eigenvalues,
        n_clusters,
        lambda labels: judge_labels(judged, labels),
        diffusion_time=diffusion_time,
        seed=seeds.labels,
        judged=nodes,
    )
    # In one layout, whether computed or read from a checkpoint: sums round by it.
    functions = spectrum.functions[:, 1:n_components].astype(np.float32, order="C")
    return Targets(
        torch.from_numpy(functions),
        torch.from_numpy(reading.labels),
        eigenvalues,
    )


def without_localized(spectrum: Spectrum, n_clusters: int, n_least: int) -> Spectrum:
    """Leave out functions that tell but a few nodes from the rest.

    Outliers that hang on the graph by a thread have eigenvalues near 1 and functions
    of their own, as small components have. No network can learn those, and no cluster
    is read off them. The support of a function of unit mean square is the inverse of
    its mean fourth power, as a share of the volume.

    Parameters
    ----------
    spectrum : Spectrum
        Leading eigenpairs.
    n_clusters : int
        Clusters to be read.
    n_least : int
        Functions that must remain, or all do.

    Returns
    -------
    spectrum : Spectrum
        Those that more than a few nodes have a part in.
    """
    shares = spectrum.degrees / (spectrum.degrees.sum() or 1.0)
    # Column by column: fourth powers of all would be another block.
    fourth = [shares @ column**4 for column in spectrum.functions.T]
    support = 1.0 / np.maximum(fourth, 1.0)
    # Components that were kept are clusters, however small they are.
    kept = (spectrum.eigenvalues == 1.0) | (support >= LOCAL_SHARE / n_clusters)
    if kept.all() or kept.sum() < n_least:
        return spectrum
    return Spectrum(
        spectrum.eigenvalues[kept], spectrum.eigenvectors[:, kept], spectrum.degrees
    )
