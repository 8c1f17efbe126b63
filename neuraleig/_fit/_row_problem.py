"""Problem of a fit to rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from neuraleig._batch import Edges
from neuraleig._fit._problem import Inputs, Problem, Sampler, graph_text
from neuraleig._fit._run import Run
from neuraleig._fit._settings import Settings
from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import Standardization, near_rows
from neuraleig._typing import Array, IntArray
from neuraleig._warnings import warn_user
from neuraleig.affinity import Affinity, Graph, GraphWarning, NeighborAffinity
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.sampling import EdgeSampler, NodeSampler

# A component below this share of the mean cluster size is an outlier where there are
# more components than clusters: it would take an eigenvector of its own.
# Not tuned: on the 21 sets of the ablation it makes no difference.
OUTLIER_SHARE = 0.1
# Rows to which linear heads are fitted. Every cluster has so many of them, if it has
# as many rows.
SOLVE_ROWS = 8_192
ROWS_PER_CLUSTER = 64
# Rows that go through the trunk at once.
SLICE_ROWS = 2_048
# Slices are filled up to a multiple of it, see eigenfunctions.py.
ROW_MULTIPLE = 32


@dataclass(frozen=True)
class RowInputs:
    """Standardised rows of some nodes.

    Parameters
    ----------
    rows : Tensor of shape (n_nodes, n_features)
        Rows, on any device.
    device : torch.device
        Device of the network.
    """

    rows: Tensor
    device: torch.device

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.rows)

    def mapped(self, function: Callable[[Tensor], Tensor], part: slice) -> Tensor:
        """Apply a function in slices; its insides may be many times larger.

        Slices are filled up with zeros: a row then gets the same bits whichever
        process it falls to, and least squares would magnify any difference.
        """
        rows, found = self.rows[part], []
        # No rows at all are a slice as well, for the width of the result.
        for start in range(0, max(len(rows), 1), SLICE_ROWS):
            own = rows[start : start + SLICE_ROWS]
            missing = -len(own) % ROW_MULTIPLE if len(own) else ROW_MULTIPLE
            filled = torch.cat([own, own.new_zeros(missing, own.shape[1])])
            found.append(function(filled.to(self.device))[: len(own)])
        return torch.cat(found)


class RowProblem(Problem):
    """Rows, their graph, and batches of edges or rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows in their own units.
    affinity : Affinity
        Built.
    graph : Graph
        Stored graph, without outliers.
    matrix : csr_array of shape (n_samples, n_samples) or None, default=None
        Given weights of the rows.
    groups : ndarray of shape (n_samples,), int64, or None, default=None
        Given groups of the rows.
    """

    validation_size = 2_048
    fewest_validation = 256
    rows: Tensor

    def __init__(
        self,
        X: Array,
        affinity: Affinity,
        graph: Graph,
        matrix: sp.csr_array | None = None,
        groups: IntArray | None = None,
    ) -> None:
        self.X = X
        self.affinity = affinity
        self.graph = graph
        self.matrix = matrix
        self.groups = groups
        self.n_features = X.shape[1]
        rows = X if graph.n_nodes == X.shape[0] else X[graph.index]
        # Outliers are not in the graph, and must not squeeze the other rows together.
        self.standardization = Standardization.of(rows)
        self.rows = self.standardization.apply(rows)

    @classmethod
    def build(
        cls,
        X: Array,
        affinity: Affinity,
        n_clusters: int,
        run: Run,
        *,
        n_jobs: int | None = None,
        matrix: sp.csr_array | None = None,
        groups: IntArray | None = None,
    ) -> RowProblem:
        """Build the graph of the rows, or recall it from the checkpoint.

        Parameters
        ----------
        X, affinity, matrix, groups
            As of the class; the affinity is built.
        n_clusters : int
            Clusters that are asked for: more components are outliers or too many.
        run : Run
            Circumstances.
        n_jobs : int or None, default=None
            Processes of scikit-learn's neighbour search.

        Returns
        -------
        problem : RowProblem
            Ready for training.
        """
        with run.progress.stage("neighbours") as stage:
            built = run.graph_of(
                affinity, X, n_jobs=n_jobs, matrix=matrix, groups=groups
            )
            graph = built
            if isinstance(affinity, NeighborAffinity) and affinity.is_plain:
                graph = without_far_rows(graph, X, affinity.n_wanted, n_clusters)
            graph = without_outliers(graph, n_clusters)
            stage.result = graph_text(graph)
        return cls(X, affinity, graph, matrix, groups)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    def drawn(self, labels: Tensor, seed: int) -> Tensor:
        """Up to 8,192 nodes at random, by their counts, with some of every cluster."""
        counts = self.graph.relative_counts
        nodes: IntArray = np.arange(len(labels), dtype=np.int64)
        if counts is not None:
            # A mass must not leave the other nodes out.
            if counts.sum() > SOLVE_ROWS:
                counts = np.minimum(counts, ROWS_PER_CLUSTER)
            nodes = np.repeat(nodes, counts)
        order = np.random.default_rng(seed).permutation(nodes)
        if len(order) > SOLVE_ROWS:
            shuffled = labels.numpy()[order]
            by_cluster = np.argsort(shuffled, kind="stable")
            sizes = np.bincount(shuffled)
            first = np.repeat(np.cumsum(sizes) - sizes, sizes)
            rank = np.empty(len(order), dtype=np.int64)
            rank[by_cluster] = np.arange(len(order)) - first
            order = order[np.argsort(rank >= ROWS_PER_CLUSTER, kind="stable")]
        return torch.from_numpy(order[:SOLVE_ROWS])

    def judges(self, drawn: Tensor, n_most: int, seed: int) -> Tensor:
        """Nodes that are not drawn, or the drawn; see :class:`Problem`."""
        is_drawn = torch.zeros(self.graph.n_nodes, dtype=torch.bool)
        is_drawn[drawn] = True
        rest = torch.nonzero(~is_drawn)[:, 0]
        if len(rest) < n_most:
            return drawn
        order = np.random.default_rng(seed).permutation(len(rest))
        return rest[torch.from_numpy(order[:n_most])]

    def inputs(self, nodes: Tensor | None, device: torch.device) -> Inputs:
        """Standardised rows of some nodes, on the device, or of all."""
        if nodes is None:
            return RowInputs(self.rows, device)
        return RowInputs(self.rows[nodes].to(device), device)

    def teaching_batches(self, settings: Settings, seed: int) -> tuple[Sampler, float]:
        """Batches of rows, half as many as in a step of fine-tuning."""
        batch_size = settings.batch_rows // 2
        counts = self.graph.relative_counts
        n_drawn = len(self.rows) if counts is None else int(counts.sum())
        sampler = NodeSampler(self.rows, max(batch_size, 1), seed=seed, counts=counts)
        return sampler, n_drawn / sampler.batch_size

    def n_judges(self, settings: Settings) -> int:
        """Edges, or rows."""
        if settings.by_edges:
            return self.graph.n_edges
        return int(self.X.shape[0])

    def tuning_batches(
        self, settings: Settings, held_out: float, seed: int
    ) -> tuple[Sampler, bool]:
        """Batches of edges of the stored graph, or of rows with their affinity."""
        batch_size = settings.batch_rows
        if not settings.by_edges:
            sampler = NodeSampler(
                self.standardization.apply(self.X),
                batch_size,
                seed=seed,
                among=self._among,
                held_out=held_out,
            )
            return sampler, False
        edges = EdgeSampler(
            self.rows,
            self.graph,
            max(batch_size // 2, 1),
            seed=seed,
            n_steps=settings.walk_length,
            held_out=held_out,
        )
        return edges, True

    def evaluate(
        self, eigenfunctions: Eigenfunctions, shard: Shard = ALONE
    ) -> tuple[Array, Array]:
        """Eigenfunctions and scores of clusters at all rows; see :class:`Problem`."""
        return eigenfunctions.evaluate(self.X, shard)

    def _among(self, index: IntArray) -> Edges:
        """Affinity among the rows of a batch."""
        found = self.affinity.among(
            self.X[index], index, matrix=self.matrix, groups=self.groups
        )
        return found.regularized(self.affinity.regularization)


def without_outliers(graph: Graph, n_clusters: int) -> Graph:
    """Leave out components too small to be clusters, if there are too many.

    The network labels their rows afterwards, like any row that is not in the graph.
    A graph that consists of such components is returned as it is.

    Parameters
    ----------
    graph : Graph
        Graph of the rows.
    n_clusters : int
        Clusters that are asked for.

    Returns
    -------
    graph : Graph
        With as many nodes or fewer.

    Warns
    -----
    GraphWarning
        If more components than clusters are left.
    """
    n_components = graph.n_connected_components
    if n_components <= n_clusters:
        return graph
    counts = graph.counts
    n_rows = int(counts.sum())
    sizes = np.bincount(graph.component_labels, counts)
    large = sizes[graph.component_labels] >= OUTLIER_SHARE * n_rows / n_clusters
    if counts[large].sum() > n_rows / 2 and not large.all():
        graph = graph.subgraph(np.flatnonzero(large))
    # Uniform weight connects what the stored edges do not.
    if graph.n_connected_components > n_clusters and graph.uniform == 0.0:
        warn_user(
            f"The graph of X has {graph.n_connected_components} connected components"
            + _consequence(n_clusters),
            GraphWarning,
        )
    return graph


def without_far_rows(graph: Graph, X: Array, n_most: int, n_clusters: int) -> Graph:
    """Leave out rows that are far from the centre of the data, if they are few.

    Up to as many rows as a row has neighbours, which mark missing values or were
    mistyped, are no cluster: their neighbours are not only among themselves. The
    network labels them afterwards. Where other rows would lose all edges with them,
    they stay.

    Parameters
    ----------
    graph : Graph
        Graph of the rows.
    X : ndarray of shape (n_samples, n_features)
        Rows, in their own units.
    n_most : int
        Rows that may be left out, at most; and a tenth of the mean cluster. Copies
        count as in ``Graph.relative_counts``.
    n_clusters : int
        Clusters that are asked for.

    Returns
    -------
    graph : Graph
        With as many nodes or fewer.
    """
    near = near_rows(X if graph.n_nodes == X.shape[0] else X[graph.index])
    if near is None:
        return graph
    counts = graph.relative_counts
    if counts is None:
        counts = np.ones(graph.n_nodes, dtype=np.int64)
    n_far = int(counts[~near].sum())
    if n_far > min(n_most, OUTLIER_SHARE * int(counts.sum()) / n_clusters):
        return graph
    rest = graph.subgraph(np.flatnonzero(near))
    had_edges = np.diff(graph.weights.indptr)[near] > 0
    has_edges = np.diff(rest.weights.indptr) > 0
    return rest if has_edges[had_edges].all() else graph


def _consequence(n_clusters: int) -> str:
    """What more components than clusters lead to, and what to do."""
    if n_clusters == 1:
        return (
            ": the leading eigenfunctions tell nothing but them apart. Raise "
            "n_neighbors, or the regularization of the affinity, to connect them."
        )
    return (
        f" for {n_clusters} clusters: some clusters will be unions of components. "
        "Raise n_neighbors to connect them, or n_clusters to tell them apart."
    )
