"""Agreement of the processes of a fit: checkpoint, seeds, data and parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import scipy.sparse as sp
from sklearn.base import BaseEstimator

from neuraleig._random import RandomState, Seeds
from neuraleig._shard import Shard
from neuraleig._typing import Array, IntArray
from neuraleig.estimators._checkpoint import (
    WITHOUT_EFFECT,
    parameters_of,
    recall_seeds,
)
from neuraleig.training import CheckpointError
from neuraleig.training._checkpoint import Checkpoint

# Of the rows that processes share about so many are compared: those of another order,
# or of another part of the data, differ in nearly all.
COMPARED_ROWS = 64
# Parameters that may differ.
OWN_PARAMETERS = ("random_state", "device", *WITHOUT_EFFECT)


class SharedCheckpoint(Checkpoint):
    """Checkpoint of a fit by several processes, of which the first one writes.

    Parameters
    ----------
    shard : Shard
        Share of this process; all processes save and load the same in turn.
    open_folder : callable
        Makes the checkpoint of the first process.
    """

    def __init__(self, shard: Shard, open_folder: Callable[[], Checkpoint]) -> None:
        self.shard = shard
        # What the other processes get is a copy, which they leave alone.
        self.folder = shard.first(open_folder)

    def save(self, name: str, tree: object) -> None:
        """Keep a tree; an error of the first process is one of all."""
        self.shard.first(lambda: self.folder.save(name, tree))

    def load(self, name: str, *kinds: type) -> Any:  # noqa: ANN401
        """Tree that the first process finds."""
        return self.shard.first(lambda: self.folder.load(name, *kinds))

    def bind(self, data: Mapping[str, str]) -> None:
        """Refuse later entries that were saved for other data, by their hashes."""
        self.folder.bind(data)

    def clear(self) -> None:
        """Forget everything."""
        self.shard.first(self.folder.clear)

    def refusal(self, what: str) -> CheckpointError:
        """Error that says what is wrong, and the way out."""
        return self.folder.refusal(what)


def common_checkpoint(
    shard: Shard, open_folder: Callable[[], Checkpoint]
) -> Checkpoint:
    """Checkpoint of one process, or of several that go on together."""
    if shard.world_size == 1:
        return open_folder()
    return SharedCheckpoint(shard, open_folder)


def common_seeds(
    checkpoint: Checkpoint, shard: Shard, random_state: RandomState
) -> Seeds:
    """Seeds that all processes and all attempts at a fit have."""
    return recall_seeds(checkpoint, shard.first(lambda: Seeds.draw(random_state)))


def check_common(
    estimator: BaseEstimator,
    rows: Array,
    matrix: sp.csr_array | None,
    groups: IntArray | None,
    shard: Shard,
) -> None:
    """Refuse processes that were given other data, or other parameters."""
    if shard.world_size == 1:
        return
    given = parameters_of(estimator, OWN_PARAMETERS)
    sample = rows[:: max(1, len(rows) // COMPARED_ROWS)]
    weights = None
    if matrix is not None:
        weights = (matrix.shape, matrix.nnz, float(matrix.sum()))
    codes = None if groups is None else groups.tobytes()
    if not shard.is_common((given, rows.shape, sample.tobytes(), weights, codes)):
        raise ValueError(
            "X, affinity_matrix, groups or the parameters differ between the processes "
            "of this fit. All must pass the same rows in the same order; call fit "
            "inside neuraleig.training.fit_alone() for a model per process."
        )
