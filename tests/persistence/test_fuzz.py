"""Whatever is in a file, loading it ends, within bounds, in a model or in one error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROCESS = Path(__file__).with_name("fuzz_process.py")


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


def test_some_hundred_changed_files(kept_files, tmp_path):
    assert_harmless(report_of(kept_files, tmp_path, 0, 600, 200), 600)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thousands_of_changed_files(kept_files, tmp_path, seed):
    report = report_of(kept_files, tmp_path, seed, 7_000, 3_000)
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
            "def load(path, device):\n"
            "    if path.__class__ is not str:\n"
            f"        {fault}\n"
            "    return real(path, device=device)\n"
            "fuzz_process.load = load\n"
            "fuzz_process.main(sys.argv[2], 0, 5, sys.argv[3:])"
        )
        command = [sys.executable, "-c", code, PROCESS.parent, tmp_path, *kept_files]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=120
        )
        assert json.loads(done.stdout[done.stdout.index("{") :])["wrong"], fault
