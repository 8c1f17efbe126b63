"""What differs between fits: nodes, graph, network inputs and batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from neuraleig._batch import Batch
from neuraleig._fit._settings import Settings
from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, FloatArray
from neuraleig.affinity import Graph
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork


class Sampler(Protocol):
    """Endless batches, of which some nodes or edges are held out."""

    @property
    def n_held_out(self) -> int:
        """Number of edges, rows or windows that are never drawn for training."""

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches from number ``start`` on."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches."""

    def validation_batch(self, size: int, /) -> Batch:
        """Batch of what is held out."""


class Inputs(Protocol):
    """Network inputs of some nodes."""

    def __len__(self) -> int:
        """Number of nodes."""

    def mapped(self, function: Callable[[Tensor], Tensor], part: slice) -> Tensor:
        """Apply a function of network inputs, whose results are one row per node.

        Parameters
        ----------
        function : callable
            Network, or a part of it.
        part : slice
            Of the nodes.

        Returns
        -------
        values : Tensor of shape (n_nodes, ...)
            Results in the order of the nodes.
        """


class Problem(ABC):
    """Data of a fit: the nodes of a graph, and what the network is given for them.

    Attributes
    ----------
    graph : Graph
        Stored graph.
    n_features : int
        Width of the network inputs.
    rows : Tensor of shape (n_nodes, n_features) or None
        Standardised row of every node, where nodes are rows.
    standardization : Standardization
        Centre and unit of the data.
    warmup : float
        Share of a training in which the learning rate rises.
    validation_size : int
        Most edges, rows or windows that judge training.
    fewest_validation : int
        Fewest that can judge it.
    """

    graph: Graph
    n_features: int
    rows: Tensor | None = None
    standardization: Standardization
    warmup: float = 0.0
    validation_size: int
    fewest_validation: int

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.graph.n_nodes

    @property
    def n_rows(self) -> int:
        """Number of rows behind the nodes, of which some may be equal."""
        return self.n_nodes

    @property
    def has_edges(self) -> bool:
        """Whether there is anything to learn from."""
        return self.graph.n_edges > 0

    @abstractmethod
    def drawn(self, labels: Tensor, seed: int) -> Tensor:
        """Nodes to which linear heads are fitted.

        Parameters
        ----------
        labels : Tensor of shape (n_nodes,), int64
            Labels of all nodes, each of which is to be among them.
        seed : int
            Seed of the draw.

        Returns
        -------
        nodes : Tensor of shape (n_drawn,), int64
            Nodes in the order of :meth:`inputs`.
        """

    def judges(self, drawn: Tensor, n_most: int, seed: int) -> Tensor:
        """Nodes by which heads are judged that were fitted to ``drawn``.

        Parameters
        ----------
        drawn : Tensor of shape (n_drawn,), int64
            From :meth:`drawn`.
        n_most : int
            Nodes that are wanted, at most.
        seed : int
            Seed of the draw.

        Returns
        -------
        nodes : Tensor of shape (n_judges,), int64
            Nodes in the order of :meth:`inputs`: others where there are so many, and
            else all of ``drawn``.
        """
        return drawn

    @abstractmethod
    def inputs(self, nodes: Tensor | None, device: torch.device) -> Inputs:
        """Network inputs of some nodes, or of all in their order."""

    @abstractmethod
    def teaching_batches(self, settings: Settings, seed: int) -> tuple[Sampler, float]:
        """Batches of nodes without edges, and how many are one pass over them."""

    @abstractmethod
    def n_judges(self, settings: Settings) -> int:
        """Edges, rows or windows of which a share can be held out."""

    @abstractmethod
    def tuning_batches(
        self, settings: Settings, held_out: float, seed: int
    ) -> tuple[Sampler, bool]:
        """Batches with their affinity, and whether they are indexed by nodes."""

    @abstractmethod
    def evaluate(
        self, eigenfunctions: Eigenfunctions, shard: Shard = ALONE
    ) -> tuple[Array, Array]:
        """Eigenfunctions and scores of clusters at the rows behind the nodes.

        Parameters
        ----------
        eigenfunctions : Eigenfunctions
            Fitted.
        shard : Shard, default=ALONE
            Share of this process.

        Returns
        -------
        functions : ndarray of shape (n_rows, n_components), float32
            Eigenfunctions, the constant one first.
        logits : ndarray of shape (n_rows, n_clusters), float32
            Scores of the clusters.
        """

    def eigenfunctions(
        self,
        network: EigenNetwork,
        n_components: int,
        known: FloatArray | None,
        device: torch.device,
        shard: Shard = ALONE,
    ) -> Eigenfunctions:
        """Eigenfunctions of the graph in the span of the functions of a network.

        Parameters
        ----------
        network : EigenNetwork
            Trained.
        n_components : int
            Most functions to keep, the constant one included.
        known : ndarray of shape (n_nodes, n_functions) or None
            Exact eigenfunctions without the constant one.
        device : torch.device
            Device of the network.
        shard : Shard, default=ALONE
            Share of this process.

        Returns
        -------
        eigenfunctions : Eigenfunctions
            On the device of the network.
        """
        network.eval()
        inputs = self.inputs(None, device)
        with torch.inference_mode():
            mine = inputs.mapped(
                lambda part: network(part).functions.cpu(), shard.part(len(inputs))
            )
        graph = self.graph
        return Eigenfunctions.from_values(
            network,
            self.standardization,
            shard.gathered(mine).numpy(),
            graph.weights,
            graph.degrees,
            graph.uniform,
            n_components,
            known,
            shard,
        )


def graph_text(graph: Graph) -> str:
    """Size of a graph, and the recall of its neighbours, for progress."""
    words = f"{graph.n_nodes} nodes, {graph.n_edges} edges"
    found = graph.neighbor_recall
    return words if found == 1.0 else f"{words}, recall {found:.3f}"
