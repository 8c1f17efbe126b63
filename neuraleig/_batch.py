"""The value in which affinities, networks and objectives meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Elements that sums over edges hold at once, 8 MiB in float32: a dense row per edge
# would take gigabytes for the graph of some images.
CHUNK_ELEMENTS = 2**21


@dataclass(frozen=True)
class Edges:
    """Symmetric affinity among the rows of a batch, as a list of weighted pairs.

    Every pair stands for both directions and is listed once, so the matrix is
    ``W = sum_e weight_e (E[s_e, t_e] + E[t_e, s_e])``. One representation serves
    sampled edges, subgraphs and dense kernels alike.

    Parameters
    ----------
    source, target : Tensor of shape (n_edges,), int64
        Rows of the batch at the two ends; never equal.
    weight : Tensor of shape (n_edges,)
        Non-negative weights.
    n_nodes : int
        Number of rows in the batch.
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    n_nodes: int

    @classmethod
    def paired(cls, n_pairs: int, device: torch.device | None = None) -> Edges:
        """Join row ``i`` with row ``n_pairs + i`` by weight 1."""
        source = torch.arange(n_pairs, device=device)
        weight = torch.ones(n_pairs, device=device)
        return cls(source, source + n_pairs, weight, 2 * n_pairs)

    @classmethod
    def from_dense(cls, matrix: Tensor) -> Edges:
        """List the upper triangle of a symmetric matrix; its diagonal is dropped."""
        n_nodes = matrix.shape[0]
        source, target = torch.triu_indices(
            n_nodes, n_nodes, offset=1, device=matrix.device
        )
        weight = matrix[source, target]
        kept = weight > 0
        return cls(source[kept], target[kept], weight[kept], n_nodes)

    def regularized(self, share: float) -> Edges:
        """Add ``share`` times the mean degree to every node, over all pairs alike."""
        if share == 0.0:
            return self
        mean_degree = 2 * self.weight.sum() / self.n_nodes
        matrix = self.weight.new_zeros(self.n_nodes, self.n_nodes)
        matrix.index_put_((self.source, self.target), self.weight, accumulate=True)
        matrix = matrix + matrix.T + share * mean_degree / self.n_nodes
        return Edges.from_dense(matrix)

    def degrees(self) -> Tensor:
        """Row sums of ``W``, of shape (n_nodes,)."""
        degrees = self.weight.new_zeros(self.n_nodes)
        degrees.index_add_(0, self.source, self.weight)
        return degrees.index_add_(0, self.target, self.weight)

    def matmul(self, values: Tensor) -> Tensor:
        """Product ``W @ values`` for ``values`` of shape (n_nodes, n_columns).

        Of many edges some at a time, in the backward pass as well; there is then no
        gradient by weights.
        """
        if self._is_small(values):
            return self._product(values)
        return cast(Tensor, _Product.apply(values, self))

    def squared_differences(self, values: Tensor) -> Tensor:
        """Sum ``weight_e (values[s_e] - values[t_e])^2`` over edges, per column.

        In the same way as :meth:`matmul`.
        """
        if self._is_small(values):
            difference = values[self.source] - values[self.target]
            return self.weight.to(values.dtype) @ difference.square()
        return cast(Tensor, _SquaredDifferences.apply(values, self))

    def _is_small(self, values: Tensor) -> bool:
        elements = self.weight.shape[0] * values.shape[1]
        return elements <= CHUNK_ELEMENTS or self.weight.requires_grad

    def _product(self, values: Tensor) -> Tensor:
        weight = self.weight[:, None].to(values.dtype)
        product = torch.zeros_like(values)
        product = product.index_add(0, self.source, weight * values[self.target])
        return product.index_add(0, self.target, weight * values[self.source])

    def _chunks(self, values: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Some edges at a time, their weights as columns of the type of ``values``."""
        n_edges = self.weight.shape[0]
        step = max(1, CHUNK_ELEMENTS // values.shape[1])
        for start, stop in pairwise([*range(0, n_edges, step), n_edges]):
            part = slice(start, stop)
            weight = self.weight[part, None].to(values.dtype)
            yield self.source[part], self.target[part], weight

    def to(self, device: torch.device) -> Edges:
        """Copy to a device."""
        return Edges(
            self.source.to(device),
            self.target.to(device),
            self.weight.to(device),
            self.n_nodes,
        )


class _Product(torch.autograd.Function):
    """Product with a symmetric matrix, which is its own transpose."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, edges: Edges) -> Tensor:  # noqa: ANN401
        ctx.edges = edges
        product = torch.zeros_like(values)
        for source, target, weight in edges._chunks(values):
            product.index_add_(0, source, values[target].mul_(weight))
            product.index_add_(0, target, values[source].mul_(weight))
        return product

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return ctx.edges.matmul(gradient), None


class _SquaredDifferences(torch.autograd.Function):
    """Sums whose gradient is made of the same differences."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, edges: Edges) -> Tensor:  # noqa: ANN401
        ctx.edges = edges
        ctx.save_for_backward(values)
        total = values.new_zeros(values.shape[1])
        for source, target, weight in edges._chunks(values):
            difference = values[source].sub_(values[target])
            total += weight[:, 0] @ difference.square_()
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (values,) = ctx.saved_tensors
        result = torch.zeros_like(values)
        for source, target, weight in ctx.edges._chunks(values):
            difference = values[source].sub_(values[target]).mul_(weight)
            result.index_add_(0, source, difference)
            result.index_add_(0, target, difference, alpha=-1)
        return result.mul_(2 * gradient), None


@dataclass(frozen=True)
class Batch:
    """Some rows and the affinity among them.

    Parameters
    ----------
    inputs : Tensor of shape (n_rows, ...)
        What the network is given.
    affinity : Edges
        Affinity among these rows.
    index : Tensor of shape (n_rows,), int64
        Which rows of the data these are; an objective that has one target per row
        of the data looks it up here.
    """

    inputs: Tensor
    affinity: Edges
    index: Tensor

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return Batch(
            self.inputs.to(device), self.affinity.to(device), self.index.to(device)
        )


class Outputs(NamedTuple):
    """What a network returns for a batch.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Values of the (not yet ordered) eigenfunctions.
    logits : Tensor of shape (n_rows, n_clusters)
        Scores of the clusters.
    assignments : Tensor of shape (n_rows, n_clusters)
        Soft assignment to clusters, rows summing to 1.
    """

    functions: Tensor
    logits: Tensor
    assignments: Tensor


Objective = Callable[[Outputs, Batch], Tensor]
"""A differentiable scalar to minimise."""
