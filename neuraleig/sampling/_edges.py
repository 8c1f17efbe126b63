"""Batches of edges of a stored graph, drawn in proportion to their weights."""

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

# What is drawn: the edges that are held out, those that validate, and the batches.
SPLIT, VALIDATION, BATCHES = range(3)


class EdgeSampler:
    """Endless batches of pairs of rows joined by an edge or a short walk.

    Both ends of an edge drawn in proportion to its weight are distributed as the
    degrees, so means over such pairs estimate the energies and masses of the whole
    graph without bias, whatever the size of a batch.

    Parameters
    ----------
    inputs : Tensor of shape (n_nodes, n_features)
        Row of every node.
    graph : Graph
        Graph; its uniform weight makes a share of the pairs random.
    n_edges : int
        Pairs per batch; a batch has twice as many rows.
    seed : int
        Seed of the draws.
    n_steps : int, default=1
        Length of the walk that joins the two rows of a pair.
    held_out : float, default=0.0
        Share of the edges that are never drawn nor walked along, for
        :meth:`validation_batch`.

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
        upper = sp.coo_array(sp.triu(graph.weights, k=1))
        source, target = (c.astype(np.int64) for c in (upper.row, upper.col))
        kept_out = numbered_generator(seed, SPLIT).random(source.size) < held_out
        # A tiny graph keeps its edges for training.
        kept_out &= not kept_out.all()
        self._train = _EdgeList(source, target, upper.data, ~kept_out)
        self._held_out = _EdgeList(source, target, upper.data, kept_out)
        n_random = graph.uniform * graph.n_nodes**2
        total = float(graph.weights.sum()) + n_random
        self._random_share = n_random / total if total > 0 else 1.0
        self._walk = _Walk(self._train, graph.n_nodes) if n_steps > 1 else None

    @property
    def n_held_out(self) -> int:
        """Number of edges that are never drawn for training."""
        return self._held_out.size

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches without end, from number ``start`` on."""
        for number in count(start):
            generator = numbered_generator(self.seed, BATCHES, number)
            source, target = self._train.draw(self.n_edges, generator)
            if self._walk is not None:
                for _ in range(self.n_steps - 1):
                    target = self._walk.step(target, generator)
            yield self._batch(*self._mix_random(source, target, generator))

    def validation_batch(self, n_edges: int) -> Batch:
        """Batch of edges that training never sees.

        Parameters
        ----------
        n_edges : int
            Number of pairs, drawn with replacement.

        Returns
        -------
        batch : Batch
            Single steps, whatever ``n_steps`` is.

        Raises
        ------
        ValueError
            If there are edges and none of them is held out.
        """
        if self.n_held_out == 0 and self._train.size > 0:
            raise ValueError("no edge is held out; held_out must be larger.")
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
    """Edges that can be drawn in proportion to their weights."""

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
            # Of a graph without edges all pairs are random ones.
            nowhere = np.zeros(n_edges, dtype=np.int64)
            return nowhere, nowhere
        position = generator.random(n_edges) * self.cumulative[-1]
        edge = np.searchsorted(self.cumulative, position, side="right")
        edge = np.minimum(edge, self.size - 1)
        # Either end may come first, so that both are distributed alike.
        flipped = generator.random(n_edges) < 0.5
        source, target = self.source[edge], self.target[edge]
        return np.where(flipped, target, source), np.where(flipped, source, target)


class _Walk:
    """One step of the random walk on a graph, for many walkers at once."""

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
