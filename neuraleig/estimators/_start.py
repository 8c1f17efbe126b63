"""What a fit begins with, and what its processes agree on before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import scipy.sparse as sp
from sklearn.base import BaseEstimator

from neuraleig._progress import Supervision
from neuraleig._random import RandomState, Seeds
from neuraleig._rows import DrawnRows
from neuraleig._shard import Shard
from neuraleig._typing import Array
from neuraleig.affinity import Affinity
from neuraleig.estimators._checkpoint import WITHOUT_EFFECT, recall_seeds
from neuraleig.training import Checkpoint, CheckpointError

# Of the rows that processes share about so many are compared: those of another order,
# or of another part of the data, differ in nearly all.
COMPARED_ROWS = 64
# Parameters that may differ, and types of those that can be told to be equal.
OWN_PARAMETERS = ("random_state", "device", *WITHOUT_EFFECT)
PLAIN = (bool, int, float, str, tuple, list, type(None))


@dataclass(frozen=True)
class FitStart:
    """What a fit begins with.

    Parameters
    ----------
    drawn : DrawnRows
        Rows of the graph.
    affinity : Affinity
        Not yet built.
    seeds : Seeds
        One seed per part.
    shard : Shard
        Share of this process.
    supervision : Supervision
        Who looks on, and who keeps what the steps come to.
    """

    drawn: DrawnRows
    affinity: Affinity
    seeds: Seeds
    shard: Shard
    supervision: Supervision


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
    estimator: BaseEstimator, rows: Array, affinity_matrix: object, shard: Shard
) -> None:
    """Refuse processes that were given other data, or other parameters."""
    plain = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name not in OWN_PARAMETERS and isinstance(value, PLAIN)
    }
    sample = rows[:: max(1, len(rows) // COMPARED_ROWS)]
    matrix = None
    if affinity_matrix is not None:
        weights = sp.csr_array(affinity_matrix)
        matrix = (weights.shape, weights.nnz, float(weights.sum()))
    if not shard.is_common((plain, rows.shape, sample.tobytes(), matrix)):
        raise ValueError(
            "X, affinity_matrix or the parameters differ between the processes of this "
            "fit. All must pass the same rows in the same order; call fit inside "
            "neuraleig.training.fit_alone() for a model per process."
        )
