"""Circumstances of a fit: seeds, device, processes, progress and checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from neuraleig._fit._progress import Progress
from neuraleig._random import Seeds
from neuraleig._shard import ALONE, Shard
from neuraleig._typing import Array
from neuraleig.affinity import Affinity, Graph
from neuraleig.training import Callback
from neuraleig.training._checkpoint import NOTHING_KEPT, Checkpoint

Record = TypeVar("Record")


@dataclass(frozen=True)
class Run:
    """Circumstances of a fit.

    Parameters
    ----------
    seeds : Seeds
        One seed per part.
    device : torch.device
        Device of the network.
    shard : Shard
        Share of this process.
    progress : Progress
        Reports the stages.
    checkpoint : Checkpoint
        Keeps the results of the stages.
    callbacks : sequence of Callback
        Those of the user, called in every training.
    """

    seeds: Seeds
    device: torch.device
    shard: Shard = ALONE
    progress: Progress = field(default_factory=Progress)
    checkpoint: Checkpoint = NOTHING_KEPT
    callbacks: Sequence[Callback] = ()

    def graph_of(self, affinity: Affinity, X: Array, **given: Any) -> Graph:  # noqa: ANN401
        """Build the graph of an affinity, or recall it from the checkpoint.

        Parameters
        ----------
        affinity : Affinity
            Built in place.
        X : ndarray of shape (n_samples, n_features)
            Rows.
        **given
            Further arguments of :meth:`~neuraleig.affinity.Affinity.build`.

        Returns
        -------
        graph : Graph
            The same on all processes.
        """

        def build() -> Graph:
            return affinity.build(
                X,
                seed=self.seeds.graph,
                device=self.device,
                shard=self.shard,
                **given,
            )

        # Kernels are built in any case: they learn their width by it, and cost little.
        return self.recall("graph", Graph, build) if affinity.samples_edges else build()

    def recall(
        self, name: str, kind: type[Record], build: Callable[[], Record], *parts: type
    ) -> Record:
        """Dataclass that an earlier attempt at the fit has built, or build it now.

        Parameters
        ----------
        name : str
            Entry of the checkpoint.
        kind : type
            Dataclass, see :mod:`neuraleig._tree`.
        build : callable
            Builds it.
        *parts : type
            Dataclasses inside of it.

        Returns
        -------
        record : instance of kind
            Recalled or built.
        """
        saved: Record | None = self.checkpoint.load(name, kind, *parts)
        if saved is None:
            saved = build()
            self.checkpoint.save(name, saved)
        return saved
