"""Outputs of recent batches, for graphs that reach beyond a batch."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from neuraleig._batch import Batch, Edges, Objective, Outputs


class OutputMemory:
    """Objective on the rows of a batch and on remembered ones of earlier batches.

    Of a batch with more nodes than rows, the last nodes are rows of earlier batches,
    named by ``batch.index``. What the network said of them is remembered, and stands
    in the objective as a constant: gradients are those of the rows of the batch alone.

    Parameters
    ----------
    objective : Objective
        Of affinities: it is given all nodes.
    size : int
        Rows to remember at least: the latest ones, by whole batches.

    Notes
    -----
    A node of which nothing is remembered, as after a start from a saved step, loses
    its edges. Outputs of a pass without gradients, which judges a network, are not
    remembered.

    Memory of ``size`` rows of all outputs, and of up to one batch more. The queue of
    :class:`neuraleig.sampling.WindowSampler` reaches eight batches back.
    """

    def __init__(self, objective: Objective, size: int) -> None:
        self.objective = objective
        self.size = size
        self._batches: deque[tuple[Tensor, Outputs]] = deque()

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of a batch; its outputs are remembered."""
        n_rows = outputs.functions.shape[0]
        nodes = batch.index[n_rows:]
        loss = (
            self.objective(*self._extended(outputs, batch, nodes))
            if nodes.shape[0] > 0
            else self.objective(outputs, batch)
        )
        if torch.is_grad_enabled():
            self._remember(batch.index[:n_rows], outputs)
        return loss

    def _extended(
        self, outputs: Outputs, batch: Batch, nodes: Tensor
    ) -> tuple[Outputs, Batch]:
        """Outputs of all nodes, and the batch with the edges among known ones."""
        known, recalled = self._recall(nodes, outputs)
        extended = Outputs(
            *(torch.cat(pair) for pair in zip(outputs, recalled, strict=True))
        )
        own = known.new_ones(outputs.functions.shape[0])
        affinity = among(batch.affinity, torch.cat([own, known]))
        return extended, Batch(batch.inputs, affinity, batch.index)

    def _recall(self, nodes: Tensor, like: Outputs) -> tuple[Tensor, Outputs]:
        """Which nodes are known, and their outputs: zeros for the others."""
        known = torch.zeros_like(nodes, dtype=torch.bool)
        recalled = Outputs(*(o.new_zeros(nodes.shape[0], o.shape[1]) for o in like))
        # The latest first: what was said before is out of date.
        for index, outputs in reversed(self._batches):
            ascending, order = index.sort()
            place = torch.searchsorted(ascending, nodes)
            place = order[place.clamp_max(order.shape[0] - 1)]
            found = (index[place] == nodes) & ~known
            for target, source in zip(recalled, outputs, strict=True):
                target[found] = source[place[found]].to(target.dtype)
            known |= found
        return known, recalled

    def _remember(self, index: Tensor, outputs: Outputs) -> None:
        self._batches.append((index, Outputs(*(o.detach() for o in outputs))))
        held = sum(index.shape[0] for index, _ in self._batches)
        while held - self._batches[0][0].shape[0] >= self.size:
            held -= self._batches.popleft()[0].shape[0]


def among(affinity: Edges, kept: Tensor) -> Edges:
    """Affinity without the edges of the nodes that are not kept."""
    inside = kept[affinity.source] & kept[affinity.target]
    return Edges(
        affinity.source[inside],
        affinity.target[inside],
        affinity.weight[inside],
        affinity.n_nodes,
    )
