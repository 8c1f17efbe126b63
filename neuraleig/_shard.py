"""The share of one process in work that several do together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeVar

from torch import Tensor, nn

from neuraleig._batch import Outputs

T = TypeVar("T")


class Shard:
    """One process that does all of the work; several processes override it.

    Every process holds the same data and takes the same decisions from the same
    numbers: it computes its part, and what the parts amount to is exchanged. Code
    that is handed a shard is written once, for one process and for many.

    All processes call the methods that exchange something in the same order, or they
    wait for each other in vain.

    Parameters
    ----------
    rank : int, default=0
        Number of this process.
    world_size : int, default=1
        Number of processes.
    """

    def __init__(self, rank: int = 0, world_size: int = 1) -> None:
        self.rank = rank
        self.world_size = world_size

    def part(self, n_rows: int) -> slice:
        """Rows of this process, in contiguous parts of nearly equal size."""
        return self.parts(n_rows)[self.rank]

    def parts(self, n_rows: int) -> list[slice]:
        """Rows of every process; none for some where there are fewer rows."""
        bounds = [n_rows * i // self.world_size for i in range(self.world_size + 1)]
        return [slice(*pair) for pair in pairwise(bounds)]

    def gathered(self, part: Tensor) -> Tensor:
        """Parts of all processes one below the other, in order of rank."""
        return part

    def total(self, part: Tensor) -> Tensor:
        """Sum over the processes."""
        return part

    def first(self, function: Callable[[], T]) -> T:
        """What a function returns, or raises, on the first process.

        For decisions, which must not differ by rounding, and for work that does not
        divide.
        """
        return function()

    def align(self, module: nn.Module) -> None:
        """Copy the state of the first process to all others, in place."""

    def is_common(self, value: object) -> bool:
        """Whether all processes hold an equal value."""
        return True

    def forward(self, network: nn.Module, inputs: Tensor, number: int = 0) -> Outputs:
        """Outputs of a network for all rows, with gradients for those of this part.

        Layers that draw, draw anew for every number.
        """
        outputs: Outputs = network(inputs)
        return outputs

    def reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients of all processes, in place."""


ALONE = Shard()
"""The only process."""
