"""Whatever is in a file, loading it ends, within bounds, in a model or in one error."""

import json
import sys
from pathlib import Path

import new_process
import numpy as np
import pytest
from persistence.own_parts import BROUGHT

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering, save

PROCESS = Path(__file__).with_name("fuzz_process.py")


@pytest.fixture(scope="session")
def fuzzed_files(kept_files, tmp_path_factory):
    """Kept models, and some that need a backbone or a network to be passed."""
    folder = tmp_path_factory.mktemp("own")
    generator = np.random.default_rng(0)
    rows = np.repeat([0.0, 9.0], 20)[:, None] + generator.normal(size=(40, 2))
    clustering = NeuralEigenSpectralClustering(
        2, network=BROUGHT["network"], random_state=0, device="cpu"
    ).fit(rows)
    save(clustering, folder / "network")
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = generator.integers(0, 256, (48, 32, 3))
    segmenter = DenseSegmenter(
        2,
        backbone=BROUGHT["backbone"],
        clusterer=NeuralEigenSpectralClustering(hidden_sizes=(16,)),
        random_state=0,
        device="cpu",
    ).fit(image)
    save(segmenter, folder / "backbone")
    save(segmenter, folder / "weights", include_backbone=True)
    return [*kept_files, *sorted(folder.iterdir())]


def report_of(paths, folder, seed, count, timeout):
    done = new_process.run([PROCESS, folder, seed, count, *paths], timeout=timeout)
    assert done.returncode == 0, (done.returncode, done.stderr[-3_000:])
    return json.loads(done.stdout)


def assert_harmless(report, count):
    assert report["wrong"] == []
    outcomes = report["outcomes"]
    assert sum(outcomes.values()) == count
    assert "failed" not in outcomes
    # Most of what is changed matters, and not all of it.
    assert outcomes["refused"] > count / 2
    assert len(outcomes) > 1


def test_some_changed_files(fuzzed_files, tmp_path):
    assert_harmless(report_of(fuzzed_files, tmp_path, 0, 60, 200), 60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "count"), [(0, 600), (1, 7_000), (2, 7_000), (3, 7_000)]
)
def test_thousands_of_changed_files(fuzzed_files, tmp_path, seed, count):
    report = report_of(fuzzed_files, tmp_path, seed, count, 3_000)
    sys.stderr.write(json.dumps(report) + "\n")
    assert_harmless(report, count)


# What a reader must not do, file by file.
FAULTY = """
import sys, torch
sys.path.insert(0, sys.argv[1])
import fuzz_process
faults = [
    lambda: {}["x"],
    lambda: open("/dev/null").close(),
    lambda: exec("1"),
    lambda: torch.empty(2**40),
]
real, fault = fuzz_process.load, lambda: None
class Mutator(fuzz_process.Mutator):
    def file(self):
        global fault
        fault = faults.pop(0)
        return super().file()
def load(path, device, **brought):
    fault()
    return real(path, device=device, **brought)
fuzz_process.load, fuzz_process.Mutator = load, Mutator
fuzz_process.main(sys.argv[2], 0, len(faults), sys.argv[3:])
"""


def test_the_process_sees_what_it_is_to_see(kept_files, tmp_path):
    """A reader that runs code, fails otherwise or takes memory is found out."""
    command = ["-c", FAULTY, PROCESS.parent, tmp_path, *kept_files]
    done = new_process.run(command, check=True)
    wrong = json.loads(done.stdout[done.stdout.index("{") :])["wrong"]
    assert {number for number, *_ in wrong} == {0, 1, 2, 3}
