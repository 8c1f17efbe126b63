import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from neuraleig._random import Seeds, numbered_generator, seeded_torch

CPU = torch.device("cpu")


def test_equal_random_states_give_equal_seeds():
    assert Seeds.draw(3) == Seeds.draw(3)
    assert Seeds.draw(3) == Seeds.draw(np.random.RandomState(3))
    assert Seeds.draw(3) != Seeds.draw(4)


def test_parts_get_different_seeds():
    seeds = dataclasses.astuple(Seeds.draw(0))
    assert len(set(seeds)) == len(seeds)
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds)


def test_a_random_state_object_moves_on_between_draws():
    generator = np.random.RandomState(0)
    assert Seeds.draw(generator) != Seeds.draw(generator)


def test_an_integer_leaves_numpys_global_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    Seeds.draw(0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_seeded_torch_repeats_itself_and_restores_the_global_state():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    with seeded_torch(7, CPU):
        first = torch.rand(4)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    torch.rand(10)
    with seeded_torch(7, CPU):
        second = torch.rand(4)
    with seeded_torch(8, CPU):
        other = torch.rand(4)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_seeded_torch_restores_the_state_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeded_torch(7, CPU):
        torch.rand(4)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_torch_on_the_cpu_leaves_the_accelerators_alone(monkeypatch):
    def fail(seed):
        raise AssertionError("another device was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", fail)
    monkeypatch.setattr(torch.cuda, "manual_seed", fail)
    monkeypatch.setattr(torch.mps, "manual_seed", fail)
    with seeded_torch(7, CPU):
        found = torch.rand(4)
    expected = torch.rand(4, generator=torch.Generator().manual_seed(7))
    assert torch.equal(found, expected)


def test_numbered_generators_are_functions_of_their_numbers():
    keys = [(5, 0), (5, 1), (6, 0), (5, 0, 1), (5, 1, 1), (5, 0, 2**40)]
    drawn = [numbered_generator(*key).random() for key in keys]
    assert drawn == [numbered_generator(*key).random() for key in keys]
    assert len(set(drawn)) == len(keys)
    assert numbered_generator(5, 0).random() == numbered_generator(5, 0, 0).random()


def test_threads_that_seed_torch_do_not_disturb_each_other():
    before = torch.get_rng_state()

    def drawn(seed):
        with seeded_torch(seed, CPU):
            time.sleep(0.01)
            return torch.rand(3)

    alone = [drawn(seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(drawn, range(6)))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
