"""Circumstances of a fit: seeds, device, processes, progress and checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
import torch

from neuraleig._random import Seeds
from neuraleig._shard import ALONE, Shard
from neuraleig.fit._progress import Progress
from neuraleig.training import NOTHING_KEPT, Callback, Checkpoint

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

    def recall(
        self, name: str, kind: type[Record], build: Callable[[], Record]
    ) -> Record:
        """Dataclass that an earlier attempt at the fit has built, or build it now.

        Parameters
        ----------
        name : str
            Entry of the checkpoint.
        kind : type
            Dataclass whose fields are numbers, arrays, tensors and sparse matrices.
        build : callable
            Builds it.

        Returns
        -------
        record : instance of kind
            Recalled or built.
        """
        saved = self.checkpoint.load(name)
        if saved is None:
            built = build()
            self.checkpoint.save(name, packed(built))
            return built
        return kind(**{key: _field(value) for key, value in saved.items()})


def packed(record: object) -> dict[str, Any]:
    """Fields of a dataclass, as a checkpoint can hold them."""
    return {
        field.name: _packed_field(getattr(record, field.name))
        for field in fields(record)  # type: ignore[arg-type]
        if field.init
    }


def _packed_field(value: object) -> object:
    if isinstance(value, sp.csr_array):
        parts = {"data": value.data, "indices": value.indices, "indptr": value.indptr}
        return {"csr": parts, "shape": value.shape}
    # What is loaded is a tensor: say which of them were arrays.
    return {"array": value} if isinstance(value, np.ndarray) else value


def _field(value: Any) -> object:  # noqa: ANN401
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return value["array"].numpy()
    data, indices, indptr = (part.numpy() for part in value["csr"].values())
    return sp.csr_array((data, indices, indptr), shape=tuple(value["shape"]))
