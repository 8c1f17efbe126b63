"""A small problem that every step of a fit can work on."""

import pytest
import torch
from neuraleig._targets import solve_targets
from neuraleig.estimators._steps import Settings, build_problem
from sklearn.datasets import make_blobs

from neuraleig._random import Seeds
from neuraleig.affinity import NeighborAffinity
from neuraleig.networks import make_network

SEEDS = Seeds.draw(0)
SETTINGS = {
    "init": "spectral",
    "objective": "rayleigh",
    "label_objective": "normalized_cut",
    "sampling": "edges",
    "walk_length": 1,
    "max_iter": 20,
    "tunes_anyway": False,
    "batch_size": 64,
    "lr": 1e-3,
    "optimizer": "muon",
    "temperature": (1.0, 1.0),
    "early_stopping": True,
    "validation_fraction": 0.1,
    "n_iter_no_change": 10,
    "tol": 1e-4,
    "max_passes": 25,
}


@pytest.fixture(scope="session")
def blobs():
    return make_blobs(600, centers=[[0, 0], [6, 0], [3, 5]], random_state=0)


@pytest.fixture(scope="session")
def problem(blobs):
    return build_problem(blobs[0], NeighborAffinity(), 3, SEEDS)


@pytest.fixture(scope="session")
def targets(problem):
    return solve_targets(problem.graph, 4, 9, 3, 10.0, SEEDS)


@pytest.fixture
def settings_of():
    """Maker of settings that differ from the small ones as told."""
    return lambda **changes: Settings(**SETTINGS | changes)


@pytest.fixture
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
