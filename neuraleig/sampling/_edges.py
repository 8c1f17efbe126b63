"""Batches of edges of a stored graph, drawn with probabilities by weight."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuraleig._batch import Batch, Edges
from neuraleig._random import numbered_generator
from neuraleig._typing import FloatArray, IntArray
from neuraleig.affinity import Graph

# Generators: the split into held-out edges, the validation batch, and the batches.
SPLIT, VALIDATION, BATCHES = range(3)


class EdgeSampler:
    """Endless batches of pairs of rows: ends of edges, or of short random walks.

    Edges are drawn with probabilities proportional to their weights, so that either end
    is distributed as the degrees. Means over the pairs of a batch of any size are then
    unbiased estimates of the energies and masses of the graph. An edge among the copies
    of a row is a pair of that row with itself.

    Parameters
    ----------
    inputs : Tensor of shape (n_nodes, n_features)
        Network input of each node.
    graph : Graph
        Graph. With uniform weight, some of the pairs are random.
    n_edges : int
        Number of pairs per batch, of ``2 * n_edges`` rows.
    seed : int
        Seed of the draws.
    n_steps : int, default=1
        Number of steps of the walk between the two rows of a pair.
    held_out : float, default=0.0
        Share of the edges that are kept for :meth:`validation_batch` and in no walk.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp, torch
    >>> from neuraleig.affinity import Graph
    >>> from neuraleig.sampling import EdgeSampler
    >>> chain = sp.csr_array(np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1))
    >>> sampler = EdgeSampler(torch.zeros(3, 1), Graph(chain, np.arange(3)), 4, seed=0)
    >>> next(iter(sampler)).index.shape
    torch.Size([8])
    """

    def __init__(
        self,
        inputs: Tensor,
        graph: Graph,
        n_edges: int,
        *,
        seed: int,
        n_steps: int = 1,
        held_out: float = 0.0,
    ) -> None:
        self.inputs = inputs
        self.graph = graph
        self.n_edges = n_edges
        self.n_steps = n_steps
        self.seed = seed
        upper = sp.coo_array(sp.triu(graph.weights))
        source, target = (c.astype(np.int64) for c in (upper.row, upper.col))
        # Other edges are on both sides of the diagonal.
        weight = np.where(source == target, upper.data / 2, upper.data)
        kept_out = numbered_generator(seed, SPLIT).random(source.size) < held_out
        # Of a tiny graph all edges are for training.
        kept_out &= not kept_out.all()
        self._train = _EdgeList(source, target, weight, ~kept_out)
        self._held_out = _EdgeList(source, target, weight, kept_out)
        n_random = graph.uniform * graph.n_nodes**2
        total = float(graph.weights.sum()) + n_random
        self._random_share = n_random / total if total > 0 else 1.0
        self._walk = _Walk(self._train, graph.n_nodes) if n_steps > 1 else None

    @property
    def n_held_out(self) -> int:
        """Number of held-out edges."""
        return self._held_out.size

    def __iter__(self) -> Iterator[Batch]:
        """Endless batches, from the first on."""
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Endless batches, from a number on.

        Parameters
        ----------
        start : int, default=0
            Number of the first batch, on which its draw depends.

        Yields
        ------
        batch : Batch
            ``n_edges`` first rows of the pairs, then their second rows.
        """
        for number in count(start):
            generator = numbered_generator(self.seed, BATCHES, number)
            source, target = self._train.draw(self.n_edges, generator)
            if self._walk is not None:
                for _ in range(self.n_steps - 1):
                    target = self._walk.step(target, generator)
            yield self._batch(*self._mix_random(source, target, generator))

    def validation_batch(self, n_edges: int) -> Batch:
        """Batch of held-out edges.

        Parameters
        ----------
        n_edges : int
            Number of pairs, drawn with replacement.

        Returns
        -------
        batch : Batch
            Ends of edges, for any ``n_steps``.

        Raises
        ------
        ValueError
            If the graph has edges but none is held out.
        """
        if self.n_held_out == 0 and self._train.size > 0:
            raise ValueError("no edge is held out; pass a larger held_out.")
        generator = numbered_generator(self.seed, VALIDATION)
        source, target = self._held_out.draw(n_edges, generator)
        return self._batch(*self._mix_random(source, target, generator))

    def _mix_random(
        self, source: IntArray, target: IntArray, generator: np.random.Generator
    ) -> tuple[IntArray, IntArray]:
        if self._random_share == 0.0:
            return source, target
        n_nodes = self.graph.n_nodes
        replaced = generator.random(source.size) < self._random_share
        pairs = generator.integers(n_nodes, size=(2, source.size))
        return np.where(replaced, pairs[0], source), np.where(
            replaced, pairs[1], target
        )

    def _batch(self, source: IntArray, target: IntArray) -> Batch:
        index = torch.from_numpy(np.concatenate([source, target]))
        return Batch(self.inputs[index], Edges.paired(source.size), index)


class _EdgeList:
    """Edges, and draws of them with probabilities by weight."""

    def __init__(
        self,
        source: IntArray,
        target: IntArray,
        weight: FloatArray,
        kept: NDArray[np.bool_],
    ) -> None:
        self.source = source[kept]
        self.target = target[kept]
        self.weight = weight[kept]
        self.cumulative = np.cumsum(self.weight)
        self.size = int(self.source.size)

    def draw(
        self, n_edges: int, generator: np.random.Generator
    ) -> tuple[IntArray, IntArray]:
        if self.size == 0:
            # Of a graph without edges all pairs are random.
            nowhere = np.zeros(n_edges, dtype=np.int64)
            return nowhere, nowhere
        position = generator.random(n_edges) * self.cumulative[-1]
        edge = np.searchsorted(self.cumulative, position, side="right")
        edge = np.minimum(edge, self.size - 1)
        # In random direction, so that both ends have the same distribution.
        flipped = generator.random(n_edges) < 0.5
        source, target = self.source[edge], self.target[edge]
        return np.where(flipped, target, source), np.where(flipped, source, target)


class _Walk:
    """Steps of many random walks on a graph."""

    def __init__(self, edges: _EdgeList, n_nodes: int) -> None:
        ends = (edges.source, edges.target)
        upper = sp.coo_array((edges.weight, ends), shape=(n_nodes, n_nodes))
        weights = sp.csr_array(upper + upper.T)
        self.offsets = weights.indptr
        self.neighbors = weights.indices
        self.cumulative = np.concatenate([[0.0], np.cumsum(weights.data)])

    def step(self, nodes: IntArray, generator: np.random.Generator) -> IntArray:
        low = self.cumulative[self.offsets[nodes]]
        high = self.cumulative[self.offsets[nodes + 1]]
        position = low + generator.random(nodes.size) * (high - low)
        edge = np.searchsorted(self.cumulative, position, side="right") - 1
        edge = np.clip(edge, self.offsets[nodes], self.offsets[nodes + 1] - 1)
        return np.asarray(self.neighbors[edge], dtype=np.int64)
