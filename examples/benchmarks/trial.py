"""What a process of its own measures of one method, saved as it is found.

Imported by interpreters that have numpy and scikit-learn alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from sklearn.datasets import make_blobs

Predict = Callable[[np.ndarray], np.ndarray]

ARRAYS = ("X_train", "y_train", "X_test", "y_test")
# Held-out rows are repeated up to this many: few rows time the call, not the rows.
BULK_ROWS = 20_000
BULK_REPEATS = 3
# Calls of one row: as many as fit into the time, and no more.
CALLS, CALL_SECONDS = 200, 2.0
ROWS_ALONE = 50


def write_json(path: Path, value: object) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.replace(path)


def read_json(path: Path) -> Any:
    """What :func:`write_json` has written."""
    return json.loads(path.read_text())


def write_split(folder: Path, data: Dataset) -> None:
    """Save a split as arrays, which children load or map."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(data, name))


def read_split(folder: Path, *, memmap: bool = False) -> Dataset:
    """Load a split; with ``memmap`` its training rows stay on the disk."""
    arrays = {
        name: np.load(
            folder / f"{name}.npy",
            mmap_mode="r" if memmap and name == "X_train" else None,
        )
        for name in ARRAYS
    }
    return Dataset(folder.name, **arrays)


def peak_mebibytes() -> float:
    """Largest resident memory of this process so far."""
    # ru_maxrss is inherited from the parent on Linux; VmHWM is the process's own.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def warm_up_set() -> Dataset:
    """A few rows, for what first calls import and compile."""
    X, y = make_blobs(200, n_features=8, centers=3, random_state=0)
    X = np.asarray(X / X.std(), dtype=np.float32)
    return Dataset("warm-up", X, y, X, y)


class Record:
    """Findings of one process, on the disk as soon as they are made.

    Parameters
    ----------
    folder : Path
        Where ``found.json`` and the labels go. A process that is killed leaves what
        it had found.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: dict[str, Any] = {}

    def add(self, **values: Any) -> None:
        """Add numbers, or sentences that say why there is none."""
        self.found |= values
        write_json(self.folder / "found.json", self.found)

    def attempt(self, name: str, measure: Callable[[], float]) -> None:
        """Add what a call returns, or why it failed."""
        try:
            value: float | str = measure()
        except Exception as error:
            value = f"fails: {type(error).__name__}: {error}"
        self.add(**{name: value})

    def add_labels(self, name: str, labels: np.ndarray) -> None:
        """Save labels as ``name.npy``."""
        part = self.folder / f"{name}.part.npy"
        np.save(part, np.asarray(labels))
        part.replace(self.folder / f"{name}.npy")


def options() -> argparse.Namespace:
    """Command line of every child."""
    parser = argparse.ArgumentParser()
    parser.add_argument("method")
    parser.add_argument("split", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--memmap", action="store_true")
    parser.add_argument("--fit-only", action="store_true")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def measure_predict(record: Record, predict: Predict, X: np.ndarray) -> None:
    """Speed of ``predict``, and whether a row keeps its label.

    Labels of ``X`` from an earlier call must have been saved.
    """
    labels = np.load(record.folder / "test_labels.npy")
    chosen = np.linspace(0, len(X) - 1, min(ROWS_ALONE, len(X))).astype(int)

    def same_alone() -> float:
        alone = [predict(X[i : i + 1])[0] for i in chosen]
        return float(np.mean(np.array(alone) == labels[chosen]))

    start = time.perf_counter()
    record.attempt("same_twice", lambda: float(np.mean(predict(X) == labels)))
    # Calls of seconds need no more rows to be timed.
    is_slow = time.perf_counter() - start > CALL_SECONDS
    bulk = X if is_slow else np.concatenate([X] * -(-BULK_ROWS // len(X)))
    record.attempt(
        "rows_per_second",
        lambda: len(bulk) / median_seconds(lambda: predict(bulk), BULK_REPEATS),
    )
    record.attempt(
        "row_milliseconds",
        lambda: 1e3 * median_seconds(lambda: predict(X[:1]), CALLS),
    )
    record.attempt("same_alone", same_alone)


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call, after one that warms up, within ``CALL_SECONDS``."""
    call()
    seconds: list[float] = []
    while len(seconds) < repeats and sum(seconds) < CALL_SECONDS:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
