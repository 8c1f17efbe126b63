"""The steps of a fit before training: the graph, and what it teaches."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from neuraleig._progress import Supervision
from neuraleig._random import Seeds
from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import Standardization
from neuraleig._targets import Targets
from neuraleig._typing import Array
from neuraleig._warnings import warn_user
from neuraleig.affinity import Affinity, Graph, GraphWarning
from neuraleig.estimators._checkpoint import recall
from neuraleig.training import NOTHING_KEPT, Checkpoint, OptimizerName

# A component below this share of the mean cluster size is an outlier where there are
# more components than clusters: it would take an eigenvector of its own.
# Not tuned: on the 21 sets of the ablation it makes no difference.
OUTLIER_SHARE = 0.1


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
        warn_user(
            f"The graph of X has {graph.n_connected_components} connected components"
            + _consequence(n_clusters),
            GraphWarning,
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
