"""Stages of commands on a terminal, which is a pseudo terminal here."""

import os
import struct

import new_process
import numpy as np
import pytest

pytest.importorskip("tqdm")
pty = pytest.importorskip("pty")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

FIT = ("--n-clusters=2", "--hidden-sizes=8", "--training.max-iter=1", "--device=cpu")
STAGES = (
    "start",
    "neighbours",
    "eigenvectors",
    "labels",
    "warm start",
    "fine-tuning",
    "density",
    "calibration",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("terminal")
    # One cloud: solved heads alone do not know its two halves.
    np.save(path / "rows.npy", np.random.default_rng(0).normal(size=(60, 2)))
    return path


def shown(folder, *arguments):
    """What a command shows on a terminal of 100 columns, and its status."""
    own, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with os.fdopen(other, "wb", buffering=0) as terminal:
        process = new_process.Process(
            ["-m", "neuraleig", *arguments], cwd=folder, stderr=terminal
        )
    text = b""
    while True:
        try:
            part = os.read(own, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(own)
    return text.decode(), process.wait().returncode


@pytest.fixture(scope="module")
def fitted(folder):
    return shown(folder, "fit", "rows.npy", "-o", "m", *FIT)


def test_every_stage_of_a_fit_is_shown_when_it_begins(fitted):
    text, status = fitted
    assert status == 0
    begun = [text.index(f"neuraleig: {stage} (00:") for stage in STAGES]
    assert begun == sorted(begun)


@pytest.mark.parametrize(
    ("line", "bars"),
    [
        ("predict m rows.npy -o l.csv", ["start (", "rows  "]),
        ("predict m rows.npy", ["start (", "rows  "]),
        ("transform m rows.npy -o t.npy", ["start (", "rows  "]),
        ("evaluate m rows.npy", ["start (", "rows  ", "modularity ("]),
        ("evaluate m rows.npy --reference rows.npy", ["reference  ", "rows  "]),
        ("choose rows.npy --max-clusters 3", ["start (", *map("{} (".format, STAGES)]),
        ("report m rows.npy -o r.html", ["start (", "report ("]),
        ("demo --dataset iris --no-plots", ["start (", "KMeans ("]),
    ],
)
def test_other_commands_show_what_they_do(fitted, folder, line, bars):
    more = FIT[1:] if line.startswith("choose") else ()
    text, status = shown(folder, *line.split(), *more)
    assert status == 0, text
    for bar in bars:
        assert f"neuraleig: {bar}" in text, text


def test_quiet_fits_show_nothing(folder):
    text, status = shown(folder, "fit", "rows.npy", "-o", "q", "--quiet", *FIT)
    assert (text, status) == ("", 0)
