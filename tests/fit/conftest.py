"""A small problem that every part of a fit can work on."""

import pytest
import torch
from sklearn.datasets import make_blobs

from neuraleig._fit import RowProblem, Run, Settings, Task
from neuraleig._fit._targets import solve_targets
from neuraleig._random import Seeds
from neuraleig.affinity import NeighborAffinity
from neuraleig.networks import make_network
from neuraleig.training import Training

CPU = torch.device("cpu")
SMALL = {"sampling": "edges", "max_iter": 20, "batch_size": 64, "lr": 1e-3}


@pytest.fixture(scope="session")
def blobs():
    return make_blobs(600, centers=[[0, 0], [6, 0], [3, 5]], random_state=0)


@pytest.fixture(scope="session")
def run():
    """Circumstances of a fit by one process on the CPU."""
    return Run(Seeds.draw(0), CPU)


@pytest.fixture(scope="session")
def problem(blobs, run):
    return RowProblem.build(blobs[0], NeighborAffinity(), 3, run)


@pytest.fixture(scope="session")
def targets(problem, run):
    task = Task(3, 4, 9, None, None)
    return solve_targets(problem.graph, task, run.seeds)


@pytest.fixture(scope="session")
def settings_of():
    """Maker of settings that differ from the small ones as given."""

    def make(by_edges=True, by_head=True, **changes):
        return Settings.of(
            Training(**SMALL | changes),
            by_edges=by_edges,
            n_rows=600,
            by_head=by_head,
            device=CPU,
        )

    return make


@pytest.fixture(scope="session")
def small_network():
    """Maker of small networks, the same on every call."""

    def make(n_features=2, n_functions=3, n_clusters=3, seed=0, **options):
        torch.manual_seed(seed)
        return make_network(
            "mlp",
            n_features=n_features,
            n_functions=n_functions,
            n_clusters=n_clusters,
            hidden_sizes=(32,),
            **options,
        )

    return make
