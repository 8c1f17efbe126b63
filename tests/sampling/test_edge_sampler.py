from itertools import islice

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from neuraleig.affinity import Graph
from neuraleig.objectives import dirichlet_energy
from neuraleig.sampling import EdgeSampler

N_NODES = 8
N_PAIRS = 200_000
# Means over many draws stay within this many standard errors of what they estimate:
# the chance of a false alarm is 6e-7 per number.
STANDARD_ERRORS = 5.0


@pytest.fixture
def matrix(dense_affinity):
    return dense_affinity(N_NODES, seed=1, density=0.5)


def sampler_of(matrix, n_edges=N_PAIRS, *, uniform=0.0, seed=0, **options):
    n_nodes = matrix.shape[0]
    graph = Graph(sp.csr_array(matrix), np.arange(n_nodes), uniform)
    inputs = torch.eye(n_nodes, dtype=torch.float64)
    return EdgeSampler(inputs, graph, n_edges, seed=seed, **options)


def pair_counts(batch, n_nodes=N_NODES):
    """How often each ordered pair of nodes was drawn."""
    half = batch.index.numel() // 2
    source, target = batch.index[:half].numpy(), batch.index[half:].numpy()
    counts = np.zeros((n_nodes, n_nodes))
    np.add.at(counts, (source, target), 1)
    return counts


def assert_frequencies(counts, shares):
    total = counts.sum()
    error = np.sqrt(total * shares * (1 - shares))
    assert np.all(np.abs(counts - total * shares) <= STANDARD_ERRORS * error)


@pytest.mark.parametrize("uniform", [0.0, 0.1])
def test_pairs_are_drawn_in_proportion_to_the_affinity(matrix, uniform):
    counts = pair_counts(next(iter(sampler_of(matrix, uniform=uniform))))
    full = matrix + uniform
    assert_frequencies(counts, full / full.sum())


@pytest.mark.parametrize("n_steps", [2, 3])
def test_walks_end_as_powers_of_the_walk(matrix, n_steps):
    counts = pair_counts(next(iter(sampler_of(matrix, n_steps=n_steps))))
    degrees = matrix.sum(axis=1)
    walk = np.linalg.matrix_power(matrix / degrees[:, None], n_steps)
    assert_frequencies(counts, (degrees / degrees.sum())[:, None] * walk)


def test_random_pairs_mix_with_walks(matrix):
    # A pair is random with the share of the uniform weight, else it is a walk.
    uniform = 0.2
    counts = pair_counts(next(iter(sampler_of(matrix, uniform=uniform, n_steps=2))))
    degrees = matrix.sum(axis=1)
    two_steps = matrix @ (matrix / degrees[:, None])
    expected = two_steps + uniform
    assert_frequencies(counts, expected / expected.sum())


@pytest.mark.parametrize("uniform", [0.0, 0.1])
def test_batches_estimate_masses_and_energies(matrix, uniform):
    functions = np.random.default_rng(2).normal(size=(N_NODES, 3))
    full = matrix + uniform
    volume = full.sum()
    mass = functions.T @ np.diag(full.sum(axis=1)) @ functions / volume
    difference = (functions[:, None] - functions[None]) ** 2
    energy = (full[:, :, None] * difference).sum(axis=(0, 1)) / (2 * volume)

    masses, energies = [], []
    for batch in islice(sampler_of(matrix, 500, uniform=uniform), 400):
        values = torch.from_numpy(functions)[batch.index]
        shares = batch.affinity.degrees().double() / batch.affinity.degrees().sum()
        masses.append((values.T @ (shares[:, None] * values)).numpy())
        energies.append(dirichlet_energy(values, batch.affinity).numpy())
    for estimates, exact in ((masses, mass), (energies, energy)):
        estimates = np.array(estimates)
        error = estimates.std(axis=0) / np.sqrt(len(estimates))
        assert np.all(np.abs(estimates.mean(axis=0) - exact) < STANDARD_ERRORS * error)


def test_rows_of_the_batch_are_the_inputs_of_its_index(matrix):
    batch = next(iter(sampler_of(matrix, 16)))
    assert torch.equal(batch.inputs.argmax(dim=1), batch.index)
    assert torch.equal(batch.affinity.source + 16, batch.affinity.target)


@pytest.mark.parametrize("n_steps", [1, 2])
def test_held_out_edges_are_never_drawn_in_training(matrix, n_steps):
    sampler = sampler_of(matrix, 20_000, held_out=0.4, n_steps=n_steps)
    held_out = pair_counts(sampler.validation_batch(20_000)) > 0
    held_out |= held_out.T
    assert held_out.sum() == 2 * sampler.n_held_out > 0
    left = np.where(held_out, 0.0, matrix)
    degrees = left.sum(axis=1)
    walk = np.linalg.matrix_power(
        left / np.where(degrees > 0, degrees, 1.0)[:, None], n_steps
    )
    counts = pair_counts(next(iter(sampler)))
    assert np.all((counts > 0) <= (walk > 0))
    assert_frequencies(counts, (degrees / degrees.sum())[:, None] * walk)


def test_validation_pairs_follow_the_held_out_weights(matrix):
    sampler = sampler_of(matrix, 1_000, held_out=0.4, n_steps=3)
    counts = pair_counts(sampler.validation_batch(N_PAIRS))
    weights = np.where(counts + counts.T > 0, matrix, 0.0)
    assert_frequencies(counts, weights / weights.sum())


def test_nothing_held_out_cannot_validate(matrix):
    with pytest.raises(ValueError, match="pass a larger held_out"):
        sampler_of(matrix).validation_batch(4)


def test_a_single_edge_stays_in_training():
    pair = np.array([[0.0, 1.0], [1.0, 0.0]])
    sampler = sampler_of(pair, 10, held_out=0.999)
    assert sampler.n_held_out == 0
    counts = pair_counts(next(iter(sampler)), 2)
    assert counts.trace() == 0


def test_the_pairs_of_a_graph_without_edges_are_random():
    counts = pair_counts(next(iter(sampler_of(np.zeros((4, 4))))), 4)
    assert_frequencies(counts, np.full((4, 4), 1 / 16))


def test_isolated_nodes_are_drawn_by_random_pairs_only():
    matrix = np.zeros((3, 3))
    matrix[0, 1] = matrix[1, 0] = 1.0
    alone = next(iter(sampler_of(matrix, 1_000, n_steps=2)))
    assert not torch.any(alone.index == 2)
    mixed = next(iter(sampler_of(matrix, 1_000, n_steps=2, uniform=0.1)))
    assert torch.any(mixed.index == 2)


def test_same_seed_same_batches(matrix):
    def drawn(seed):
        options = {"uniform": 0.1, "n_steps": 2, "held_out": 0.2}
        batches = islice(sampler_of(matrix, 32, seed=seed, **options), 3)
        return torch.cat([batch.index for batch in batches])

    assert torch.equal(drawn(5), drawn(5))
    assert not torch.equal(drawn(5), drawn(6))


@pytest.mark.parametrize("start", [0, 1, 7])
def test_batches_go_on_from_any_number(matrix, start):
    options = {"uniform": 0.1, "n_steps": 2, "held_out": 0.2}
    whole = [b.index for b in islice(sampler_of(matrix, 32, **options), start + 3)]
    late = islice(sampler_of(matrix, 32, **options).batches(start), 3)
    assert all(map(torch.equal, whole[start:], (batch.index for batch in late)))
    assert len({tuple(index.tolist()) for index in whole}) == len(whole)


def test_what_validates_does_not_depend_on_what_was_drawn(matrix):
    sampler = sampler_of(matrix, 32, uniform=0.1, held_out=0.4)
    before = sampler.validation_batch(16)
    next(iter(sampler))
    assert torch.equal(before.index, sampler.validation_batch(16).index)


def test_edges_among_copies_are_drawn_by_their_weight():
    weights = sp.csr_array(
        np.array([[6.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
    )
    graph = Graph(weights, np.arange(3))
    inputs = torch.zeros(3, 1)
    for n_steps in (1, 2):
        sampler = EdgeSampler(inputs, graph, 40_000, seed=0, n_steps=n_steps)
        index = next(iter(sampler)).index.numpy()
        ends = index.reshape(2, -1)
        # Either end is distributed as the degrees.
        for end in ends:
            shares = np.bincount(end, minlength=3) / end.size
            np.testing.assert_allclose(shares, graph.degrees / 12, atol=0.01)
        if n_steps == 1:
            assert np.mean(ends[0] == ends[1]) == pytest.approx(6 / 12, abs=0.01)
