"""Time, memory and recall of the search for nearest neighbours.

    python examples/benchmarks/neighbors.py [--sizes 10000 100000] [--data FOLDER]

Every search runs in a process of its own. Its peak memory is what it takes beyond the
rows. Seconds are those of the wall clock and of the processor: on a machine that does
other work as well, the second say more. Recall is that of a sample of 1,000 rows, drawn
anew, against an exact search for them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import report
import torch

from neuraleig._standardize import Standardization
from neuraleig.affinity import nearest_neighbors
from neuraleig.affinity._neighbors_exact import full_search, recall_of

N_NEIGHBORS = 10
RECALL_ROWS = 1_000
# An exact search of more rows takes the time of all others together.
MOST_EXACT = 20_000
SEARCHES = {
    "torch, approximate": {"backend": "torch", "approximate": True},
    "faiss, approximate": {"backend": "faiss", "approximate": True},
    "torch, exact": {"backend": "torch", "approximate": False},
    "faiss, exact": {"backend": "faiss", "approximate": False},
}


def blobs(n_rows: int) -> np.ndarray:
    """Fifty Gaussian groups in 64 dimensions that overlap a little, 1 % outliers."""
    generator = np.random.default_rng(0)
    centres = generator.uniform(-10, 10, (50, 64)).astype(np.float32)
    X = 8 * generator.standard_normal((n_rows, 64), dtype=np.float32)
    X += centres[generator.integers(50, size=n_rows)]
    outliers = np.flatnonzero(generator.random(n_rows) < 0.01)
    X[outliers] = generator.uniform(X.min(), X.max(), (len(outliers), 64))
    return X


def uniform(n_rows: int) -> np.ndarray:
    """Uniform rows in 16 dimensions."""
    return np.random.default_rng(0).random((n_rows, 16), dtype=np.float32)


def manifold(n_rows: int) -> np.ndarray:
    """Six dimensions, bent in 64."""
    generator = np.random.default_rng(0)
    waves = generator.normal(size=(6, 256))
    mixed = generator.normal(size=(256, 64))
    X = np.empty((n_rows, 64), dtype=np.float32)
    for start in range(0, n_rows, 10_000):
        part = X[start : start + 10_000]
        part[:] = np.sin(generator.uniform(-1, 1, (len(part), 6)) @ waves) @ mixed
    return X


DATA = {"blobs": blobs, "uniform": uniform, "manifold": manifold}


def rows_of(name: str, n_rows: int, folder: Path | None) -> np.ndarray:
    if name != "mnist":
        return DATA[name](n_rows)
    with np.load(folder / "mnist.npz") as file:
        return np.asarray(file["X"][file["is_train"].astype(bool)], dtype=np.float32)


def status(name: str) -> float:
    """MiB that the system counts for this process; 0 where it does not say."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith(name)]
    return found[0] / 1024 if found else 0.0


def probe(name: str, n_rows: int, search: str, folder: Path | None) -> dict:
    """Run one search in this process."""
    X = rows_of(name, n_rows, folder)
    nearest_neighbors(X[:500], N_NEIGHBORS, **SEARCHES[search])  # imports
    before = status("VmRSS")
    wall, processor = time.perf_counter(), time.process_time()
    found = nearest_neighbors(X, N_NEIGHBORS, **SEARCHES[search])
    figures = {
        "data": name,
        "n_rows": len(X),
        "n_features": X.shape[1],
        "search": search,
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
        "peak_mib": max(0.0, status("VmHWM") - before),
        "reported_recall": found.recall,
    }
    standardization = Standardization.of(X).unbounded()
    sample = torch.from_numpy(
        np.random.default_rng(1).choice(len(X), RECALL_ROWS, replace=False)
    )
    rows = standardization.apply(X)
    truth = full_search(rows, sample, N_NEIGHBORS, torch.device("cpu"))
    distances = torch.from_numpy(found.distances[sample.numpy()])
    scaled = distances / standardization.scale
    return {**figures, "recall": recall_of(scaled, truth.distances)}


def in_own_process(name: str, n_rows: int, search: str, folder: Path | None) -> dict:
    command = [sys.executable, __file__, "--probe", name, str(n_rows), search]
    if folder is not None:
        command += ["--data", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def exponents(found: list[dict]) -> list[list[str]]:
    """Growth of processor seconds between the sizes of one set and search."""
    rows = []
    for name in DATA:
        for search in SEARCHES:
            runs = [f for f in found if f["data"] == name and f["search"] == search]
            if len(runs) < 2:
                continue
            sizes = np.log([f["n_rows"] for f in runs])
            seconds = np.log([f["processor_seconds"] for f in runs])
            last = (seconds[-1] - seconds[-2]) / (sizes[-1] - sizes[-2])
            fitted = np.polyfit(sizes, seconds, 1)[0]
            rows.append([name, search, f"{fitted:.2f}", f"{last:.2f}"])
    return rows


def table(found: list[dict]) -> str:
    header = ["rows", "search", "s", "processor s", "recall", "peak MiB"]
    lines = [
        [
            f"{f['data']}, {f['n_rows']} x {f['n_features']}",
            f["search"],
            f"{f['seconds']:.1f}",
            f"{f['processor_seconds']:.1f}",
            f"{f['recall']:.4f}",
            f"{f['peak_mib']:.0f}",
        ]
        for f in found
    ]
    return report.markdown(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--sets", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES))
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="neighbors")
    parser.add_argument("--probe", nargs=3, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe is not None:
        name, n_rows, search = options.probe
        print(json.dumps(probe(name, int(n_rows), search, options.data)))
        return
    cases = [(name, n) for name in options.sets for n in options.sizes]
    if options.data is not None and (options.data / "mnist.npz").exists():
        cases.append(("mnist", 60_000))
    found = []
    for name, n_rows in cases:
        for search in options.searches:
            if "exact" in search and n_rows > MOST_EXACT:
                continue
            found.append(in_own_process(name, n_rows, search, options.data))
            print(found[-1], flush=True)
    tables = [table(found)]
    if rows := exponents(found):
        header = ["rows", "search", "fitted exponent", "last two sizes"]
        tables.append(report.markdown(header, rows))
    report.write(options.output, options.name, "Nearest neighbours", tables, found)


if __name__ == "__main__":
    main()
