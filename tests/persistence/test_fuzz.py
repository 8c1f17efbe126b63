"""Whatever is in a file, loading it ends, within bounds, in a model or in one error."""

import json
import subprocess
import sys
from pathlib import Path

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
        hidden_size=16,
        n_heads=1,
        n_blocks=1,
        random_state=0,
        device="cpu",
    ).fit(image)
    save(segmenter, folder / "backbone")
    save(segmenter, folder / "weights", include_backbone=True)
    return [*kept_files, *sorted(folder.iterdir())]


def report_of(paths, folder, seed, count, timeout):
    command = [sys.executable, PROCESS, folder, str(seed), str(count), *paths]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=timeout
    )
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
    assert_harmless(report_of(fuzzed_files, tmp_path, 0, 150, 200), 150)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thousands_of_changed_files(fuzzed_files, tmp_path, seed):
    report = report_of(fuzzed_files, tmp_path, seed, 7_000, 3_000)
    sys.stderr.write(json.dumps(report) + "\n")
    assert_harmless(report, 7_000)


def test_the_process_sees_what_it_is_to_see(kept_files, tmp_path):
    """A reader that runs code, fails otherwise or takes memory is found out."""
    for fault in (
        "raise KeyError('x')",
        "open('/dev/null')",
        "exec('1')",
        "torch.empty(2**40)",
    ):
        code = (
            "import sys, torch; sys.path.insert(0, sys.argv[1]); import fuzz_process\n"
            "real = fuzz_process.load\n"
            "def load(path, device, **brought):\n"
            "    if path.__class__ is not str:\n"
            f"        {fault}\n"
            "    return real(path, device=device, **brought)\n"
            "fuzz_process.load = load\n"
            "fuzz_process.main(sys.argv[2], 0, 5, sys.argv[3:])"
        )
        command = [sys.executable, "-c", code, PROCESS.parent, tmp_path, *kept_files]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=120
        )
        assert json.loads(done.stdout[done.stdout.index("{") :])["wrong"], fault
