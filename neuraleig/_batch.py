"""Batches, edges and outputs: the values between affinities, networks, objectives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Elements in memory at a time in sums over edges: 8 MiB of float32. A dense row per
# edge would take gigabytes for the graph of some images.
CHUNK_ELEMENTS = 2**21


@dataclass(frozen=True)
class Edges:
    """Symmetric affinity among the rows of a batch, as a list of weighted pairs.

    A pair is listed once and stands for both directions: the affinity matrix is
    ``W = sum_e weight_e (E[s_e, t_e] + E[t_e, s_e])``, where the only entry of
    ``E[s, t]`` is a 1 at (s, t). Sampled edges, subgraphs and dense kernels have this
    form.

    Parameters
    ----------
    source, target : Tensor of shape (n_edges,), int64
        Different rows of the batch at the two ends.
    weight : Tensor of shape (n_edges,)
        Non-negative weights.
    n_nodes : int
        Number of rows in the batch.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Edges
    >>> edges = Edges(torch.tensor([0]), torch.tensor([2]), torch.tensor([0.5]), 3)
    >>> edges.degrees()
    tensor([0.5000, 0.0000, 0.5000])
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    n_nodes: int

    @classmethod
    def paired(cls, n_pairs: int, device: torch.device | None = None) -> Edges:
        """Edges of weight 1 between row ``i`` and row ``n_pairs + i``.

        Parameters
        ----------
        n_pairs : int
            Number of pairs.
        device : torch.device or None, default=None
            Device of the tensors; None: the default device.

        Returns
        -------
        edges : Edges
            Affinity among ``2 * n_pairs`` rows.
        """
        source = torch.arange(n_pairs, device=device)
        weight = torch.ones(n_pairs, device=device)
        return cls(source, source + n_pairs, weight, 2 * n_pairs)

    @classmethod
    def from_dense(cls, matrix: Tensor) -> Edges:
        """Edges of the positive entries of a symmetric matrix, without its diagonal.

        Parameters
        ----------
        matrix : Tensor of shape (n_nodes, n_nodes)
            Affinity.

        Returns
        -------
        edges : Edges
            Affinity among ``n_nodes`` rows.
        """
        n_nodes = matrix.shape[0]
        source, target = torch.triu_indices(
            n_nodes, n_nodes, offset=1, device=matrix.device
        )
        weight = matrix[source, target]
        kept = weight > 0
        return cls(source[kept], target[kept], weight[kept], n_nodes)

    def regularized(self, share: float) -> Edges:
        """Add a constant weight to all pairs.

        Parameters
        ----------
        share : float
            Added degree of every row, relative to the mean degree.

        Returns
        -------
        edges : Edges
            All pairs with their weights; these edges themselves if ``share`` is 0.
        """
        if share == 0.0:
            return self
        mean_degree = 2 * self.weight.sum() / self.n_nodes
        matrix = self.weight.new_zeros(self.n_nodes, self.n_nodes)
        matrix.index_put_((self.source, self.target), self.weight, accumulate=True)
        matrix = matrix + matrix.T + share * mean_degree / self.n_nodes
        return Edges.from_dense(matrix)

    def degrees(self) -> Tensor:
        """Row sums of the affinity matrix.

        Returns
        -------
        degrees : Tensor of shape (n_nodes,)
            Degree of each row.
        """
        degrees = self.weight.new_zeros(self.n_nodes)
        degrees.index_add_(0, self.source, self.weight)
        return degrees.index_add_(0, self.target, self.weight)

    def matmul(self, values: Tensor) -> Tensor:
        """Product of the affinity matrix with values.

        For many edges the product is summed in parts, also in the backward pass; it has
        no gradient with respect to the weights then.

        Parameters
        ----------
        values : Tensor of shape (n_nodes, n_columns)
            Values of the rows.

        Returns
        -------
        product : Tensor of shape (n_nodes, n_columns)
            ``W @ values``.
        """
        if self._is_small(values):
            return self._product(values)
        return cast(Tensor, _Product.apply(values, self))

    def squared_differences(self, values: Tensor) -> Tensor:
        """Weighted squared differences along edges, summed as in :meth:`matmul`.

        Parameters
        ----------
        values : Tensor of shape (n_nodes, n_columns)
            Values of the rows.

        Returns
        -------
        total : Tensor of shape (n_columns,)
            ``sum_e weight_e (values[s_e] - values[t_e])^2`` of each column.
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
        """Parts of the edges, with weights as a column of the type of ``values``."""
        n_edges = self.weight.shape[0]
        step = max(1, CHUNK_ELEMENTS // values.shape[1])
        for start, stop in pairwise([*range(0, n_edges, step), n_edges]):
            part = slice(start, stop)
            weight = self.weight[part, None].to(values.dtype)
            yield self.source[part], self.target[part], weight

    def to(self, device: torch.device) -> Edges:
        """Copy to a device.

        Parameters
        ----------
        device : torch.device
            Device.

        Returns
        -------
        edges : Edges
            Copy on the device; tensors that are there already are shared.
        """
        return Edges(
            self.source.to(device),
            self.target.to(device),
            self.weight.to(device),
            self.n_nodes,
        )


class _Product(torch.autograd.Function):
    """Product with a symmetric matrix, in parts."""

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
    """Sums of squared differences, in parts."""

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
    """Rows and the affinity among them.

    Parameters
    ----------
    inputs : Tensor of shape (n_rows, ...)
        Network inputs.
    affinity : Edges
        Affinity among the rows.
    index : Tensor of shape (n_rows,), int64
        Indices of the rows in the data, by which objectives find targets.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Batch, Edges
    >>> batch = Batch(torch.zeros(4, 2), Edges.paired(2), torch.arange(4))
    """

    inputs: Tensor
    affinity: Edges
    index: Tensor

    def to(self, device: torch.device) -> Batch:
        """Copy to a device.

        Parameters
        ----------
        device : torch.device
            Device.

        Returns
        -------
        batch : Batch
            Copy on the device; tensors that are there already are shared.
        """
        return Batch(
            self.inputs.to(device), self.affinity.to(device), self.index.to(device)
        )


class Outputs(NamedTuple):
    """Outputs of a network for a batch.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Functions that span the eigenfunctions.
    logits : Tensor of shape (n_rows, n_clusters)
        Scores of the clusters.
    assignments : Tensor of shape (n_rows, n_clusters)
        Soft assignments to clusters, whose rows sum to 1.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import Outputs
    >>> logits = torch.zeros(4, 3)
    >>> outputs = Outputs(torch.zeros(4, 2), logits, logits.softmax(dim=1))
    """

    functions: Tensor
    logits: Tensor
    assignments: Tensor


Objective = Callable[[Outputs, Batch], Tensor]
"""Differentiable function of outputs and a batch, which is minimised."""
