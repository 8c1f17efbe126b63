"""Processes of their own, with limits of time and memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import trial

HERE = Path(__file__).parent
SPECTRALNET = "spectralnet==1.1.0"
POLL_SECONDS = 0.05
# Longest reason of a failure that a table shows.
REASON_WIDTH = 70


@dataclass(frozen=True)
class Limits:
    """What a child may use, its imports included."""

    seconds: float
    mebibytes: float | None = None


def run_once(
    command: list[str], folder: Path, limits: Limits, env: dict[str, str] | None = None
) -> dict[str, Any]:
    """Findings of a child, read from ``folder`` where it has run before.

    Returns
    -------
    found : dict
        What the child had saved, and ``failure``: why it did not get to the end, or
        ``None``.
    """
    done = folder / "done.json"
    if done.exists():
        return trial.read_json(done)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    failure = run(command, folder / "log.txt", limits, env)
    path = folder / "found.json"
    found = trial.read_json(path) if path.exists() else {}
    found["failure"] = failure
    trial.write_json(done, found)
    return found


def run(
    command: list[str], log: Path, limits: Limits, env: dict[str, str] | None = None
) -> str | None:
    """Run a command to its end or to a limit; return why it failed, if it did."""
    with log.open("w") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
        try:
            exceeded = _wait(child, limits)
        finally:
            # Not reaped yet, so the number of the group is still its own.
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    if exceeded is not None or child.returncode == 0:
        return exceeded
    if child.returncode < 0:
        return f"fails: killed by {signal.Signals(-child.returncode).name}"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line]
    return shortened(f"fails: {lines[-1] if lines else 'without a word'}")


def shortened(reason: str) -> str:
    """One line that fits into a table."""
    reason = " ".join(reason.split()).replace("|", "/")
    return reason if len(reason) <= REASON_WIDTH else f"{reason[: REASON_WIDTH - 1]}…"


def _wait(child: subprocess.Popen, limits: Limits) -> str | None:
    """Wait for the end of a child or for the limit that it exceeds."""
    end = time.monotonic() + limits.seconds
    while child.poll() is None:
        if time.monotonic() > end:
            return f"over {limits.seconds:g} s"
        if limits.mebibytes and _peak_mebibytes(child.pid) > limits.mebibytes:
            return f"over {limits.mebibytes:g} MiB"
        time.sleep(POLL_SECONDS)
    return None


def _peak_mebibytes(pid: int) -> float:
    """Peak memory of another process; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1024


def environment(threads: int) -> dict[str, str]:
    """Variables of a child that bound the threads of every library."""
    names = ("OMP", "MKL", "OPENBLAS", "NUMBA")
    return {**os.environ, **{f"{name}_NUM_THREADS": str(threads) for name in names}}


def command_of(
    method: str,
    split: Path,
    folder: Path,
    seed: int,
    *flags: str,
    python: str | None,
    threads: int,
) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of the child that fits a method."""
    arguments = [method, str(split), str(folder), str(seed), *flags]
    env = environment(threads)
    if method != "SpectralNet":
        return [sys.executable, str(HERE / "fit_one.py"), *arguments], env
    env.pop("PYTHONPATH", None)
    return [str(python), str(HERE / "fit_spectralnet.py"), *arguments], env


def spectralnet_python(python: Path | None, folder: Path | None) -> str | None:
    """Interpreter that has SpectralNet; makes an environment in ``folder`` if asked to.

    The environment gets the release of torch that runs ours.
    """
    if python is not None or folder is None:
        return None if python is None else str(python)
    made = folder.resolve() / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = folder / "ready.txt"
    if not ready.exists():
        torch = f"torch=={version('torch').partition('+')[0]}"
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(made), "-m", "pip", "install", "--quiet", SPECTRALNET, torch]
        subprocess.run(install, check=True)
        ready.write_text(f"{SPECTRALNET} {torch}\n")
    return str(made)
