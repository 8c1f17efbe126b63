"""One process and two give the same model."""

import os
import pickle

import new_process
import numpy as np
import process_cases
import pytest
from torch.distributed.elastic.utils.distributed import get_free_port

from neuraleig._shard import ALONE
from neuraleig.training import fit_alone
from neuraleig.training._distributed import FITS_ALONE, current_shard

N_PROCESSES = 2
# Rounding of float32 after a few steps.
TOLERANCE = 1e-5
AFTER_LONG = 0.05
DIFFERENT = "ValueError: X, affinity_matrix, groups or the parameters differ"


def launched(*arguments):
    """What processes come to that know of each other as those of torchrun do.

    They are not started by torchrun, which would import torch anew for all of them.
    """
    common = {
        "WORLD_SIZE": str(N_PROCESSES),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(get_free_port()),
    }
    processes = [
        new_process.Process(
            [process_cases.__file__, *arguments],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            finalize=True,
        )
        for rank in range(N_PROCESSES)
    ]
    return [process.wait() for process in processes]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("processes")
    for done in launched(folder):
        assert done.returncode == 0, done.stderr
    files = [folder / f"rank{rank}.pickle" for rank in range(N_PROCESSES)]
    return [pickle.loads(file.read_bytes()) for file in files]


def assert_close(one, two, tolerance):
    """Equal up to a share of the largest entry."""
    assert one.keys() == two.keys()
    for name, value in one.items():
        largest = np.abs(value).max(initial=0.0)
        np.testing.assert_allclose(
            two[name], value, rtol=0, atol=tolerance * largest, err_msg=name
        )


def by_appearance(labels):
    """Clusters numbered anew, in the order of their first rows."""
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return first.argsort().argsort()[number]


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


# That a few steps leave a cluster empty is not the matter here.
@pytest.mark.filterwarnings("ignore:Only .* clusters have rows")
@pytest.mark.parametrize("name", process_cases.FITS)
def test_a_fit_is_that_of_one_process(found, name):
    one = process_cases.summary(process_cases.FITS[name]())
    two = dict(found[0]["fits"][name])
    labels = two.pop("labels"), one.pop("labels")
    if name == "cluster QR":
        # Its numbers go by pivots, which are nearly tied.
        labels = tuple(by_appearance(each) for each in labels)
    np.testing.assert_array_equal(*labels)
    if name not in process_cases.SETTLED:
        del one["weights"], two["weights"]
    tolerance = AFTER_LONG if name in process_cases.LONG else TOLERANCE
    assert_close(one, two, tolerance)


@pytest.mark.parametrize("name", process_cases.PARTS)
def test_a_part_of_a_fit_is_that_of_one_process(found, name):
    one = process_cases.PARTS[name]()
    for process in found:
        assert_close(one, process["parts"][name], TOLERANCE)


@pytest.mark.parametrize("name", process_cases.FITS)
def test_all_processes_have_the_same_model(found, name):
    assert_same(*(process["fits"][name] for process in found))


def test_processes_go_on_together(found):
    for process in found:
        case = process["resumed"]
        assert case["error"] == "InterruptionError: "
        assert "neuraleig-fine_tuning.safetensors" in case["kept"]
        assert_same(case["resumed"], case["whole"])


@pytest.mark.parametrize(
    "name",
    [
        "no seed",
        "differing seeds",
        "dropout",
        "stream",
        "callbacks",
        "former models",
        "a file of the first",
        "a file of pictures",
        "a file of windows",
    ],
)
def test_what_is_drawn_is_the_same_in_all_processes(found, name):
    assert_same(*(process["together"][name] for process in found))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("diverging", "FloatingPointError: the loss is"),
        ("differing rows", DIFFERENT),
        ("differing parameters", DIFFERENT),
        ("differing groups", DIFFERENT),
        ("no former model", "ValueError: align_to="),
        ("no file", "ValueError: align_to="),
        ("no file of pictures", "ValueError: align_to="),
        ("failing score", "ArithmeticError: the score failed"),
        ("first", "IndexError"),
    ],
)
def test_all_processes_raise(found, name, message):
    for process in found:
        assert process["together"][name].startswith(message)


def test_a_process_can_fit_its_own_rows(found):
    rows = [process["together"]["rows alone"] for process in found]
    assert rows == [process_cases.N_ROWS, process_cases.N_ROWS - 1]


def test_a_given_process_group_is_used_and_kept(found):
    for process in found:
        model, is_kept = process["given group"]
        assert is_kept
        assert_same(model, process["fits"]["edges"])


def test_a_process_that_fails_ends_the_others():
    other, failed = launched()
    assert "this process fails alone" in failed.stderr
    assert failed.returncode == 1
    assert other.returncode != 0


def test_an_ordinary_process_is_alone(monkeypatch):
    assert current_shard() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "2")
    # Not by torchrun: it says where the others are.
    assert current_shard() is ALONE
    for name, value in {"RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with fit_alone(), fit_alone():
        assert current_shard() is ALONE
    assert FITS_ALONE not in os.environ
