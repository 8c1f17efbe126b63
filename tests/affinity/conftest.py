"""Several processes, played by threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from neuraleig._shard import Shard


class ThreadShard(Shard):
    """One of several threads, which meet where parts are exchanged."""

    def __init__(self, rank, world_size, slots, barrier):
        super().__init__(rank, world_size)
        self.slots = slots
        self.barrier = barrier

    def gathered(self, part):
        self.slots[self.rank] = part
        self.barrier.wait()
        whole = torch.cat(self.slots)
        # Nobody overwrites a slot that another one has yet to read.
        self.barrier.wait()
        return whole


@pytest.fixture
def shared():
    """Run a function of a shard on every shard, and list what they return."""

    def run(world_size, function):
        slots = [None] * world_size
        barrier = threading.Barrier(world_size, timeout=60)
        shards = [ThreadShard(r, world_size, slots, barrier) for r in range(world_size)]
        with ThreadPoolExecutor(world_size) as pool:
            return list(pool.map(function, shards))

    return run
