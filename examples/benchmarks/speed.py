"""Time and memory of fit and predict, beside SpectralClustering + 10-NN.

    python examples/benchmarks/speed.py --data FOLDER [--repeats 3]

Fits of both methods alternate in one process after a warm-up; medians are reported.
On MNIST, where SpectralClustering does not finish, the peer is the same method made of
an exact graph, ARPACK and k-means (fitted once).
Memory is the peak of a process of its own that loads the data and fits, less the
peak of one that only loads them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import datasets
import methods
import numpy as np
import report
from sklearn.datasets import make_blobs, make_moons

from neuraleig import NeuralEigenSpectralClustering


def split(name: str, X: np.ndarray, y: np.ndarray) -> datasets.Dataset:
    """Hold out every fifth row."""
    X = np.asarray(X / X.std(), dtype=np.float32)
    test = np.arange(len(X)) % 5 == 4
    return datasets.Dataset(name, X[~test], y[~test], X[test], y[test])


def cases(folder: Path | None) -> list[datasets.Dataset]:
    """Sets of 1,000 and 15,000 training rows."""
    found = []
    for rows in (1_000, 15_000):
        total = rows * 5 // 4
        blobs = make_blobs(
            total, n_features=64, centers=10, cluster_std=8, random_state=0
        )
        found.append(split(f"blobs, {rows} x 64", *blobs))
        moons = make_moons(total, noise=0.06, random_state=0)
        found.append(split(f"moons, {rows} x 2", *moons))
        if folder is not None and (folder / "mnist.npz").exists():
            with np.load(folder / "mnist.npz") as file:
                X, y = file["X"][:total], file["y"][:total]
            found.append(split(f"MNIST, {rows} x 784", X, y))
    digits = datasets.load("digits", 0)
    found.append(
        datasets.Dataset(
            "digits, 1000 x 64",
            digits.X_train[:1000],
            digits.y_train[:1000],
            digits.X_test,
            digits.y_test,
        )
    )
    return found


def fit_ratios(
    found: list[datasets.Dataset], peer: methods.Method, label: str, repeats: int
) -> tuple[str, list[dict]]:
    """Fit seconds of ours and of another method, in turn."""
    raw, rows = [], []
    for data in found:
        theirs, mine = [], []
        for seed in range(repeats):
            # Who goes first pays for cold memory: by turns.
            pair = [(theirs, peer), (mine, methods.ours())]
            for seconds, method in pair if seed % 2 else reversed(pair):
                seconds.append(methods.fit_only(method, data, seed))
        a, b = float(np.median(theirs)), float(np.median(mine))
        raw.append({"set": data.name, label: theirs, "ours": mine})
        rows.append([data.name, f"{a:.3f}", f"{b:.3f}", f"{b / a:.2f}"])
        print(rows[-1], flush=True)
    header = ["fit", f"{label}, seconds", "ours, seconds", "ratio"]
    return report.markdown(header, rows), raw


def warm_up() -> None:
    """Import and compile what first calls do, outside of any timing."""
    X, y = make_blobs(300, centers=3, random_state=0)
    data = datasets.Dataset("warm-up", X, y, X, y)
    for method in (methods.spectral_knn, methods.ours(training__max_iter=5)):
        method(data, 0)


def predict_speed() -> tuple[str, dict[str, float]]:
    """Rows per second in bulk, and the latency of one row, at 64 features."""
    X, _ = make_blobs(20_000, n_features=64, centers=10, cluster_std=8, random_state=0)
    X = np.asarray(X / X.std(), dtype=np.float32)
    data = datasets.Dataset("blobs", X[:2000], np.zeros(2000, int), X, np.zeros(len(X)))
    model = NeuralEigenSpectralClustering(10, random_state=0).fit(data.X_train)
    bulk = np.concatenate([X] * 10)
    found = {"ours, rows/s": len(bulk) / best(lambda: model.predict(bulk), 5)}
    row = X[:1]
    found["ours, one row in ms"] = 1e3 * best(lambda: model.predict(row), 200)
    peer = methods.spectral_knn(data, 0)
    found["SC + kNN, rows/s"] = len(X) / peer.predict_seconds
    table = report.markdown(
        ["predict", "value"], [[k, f"{v:,.3g}"] for k, v in found.items()]
    )
    return table, found


def best(call: object, repeats: int) -> float:
    """Median seconds of a call after one that warms up."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


PROBE = """
import json, sys
import numpy as np
from sklearn.datasets import make_blobs
import neuraleig
sys.path.insert(0, sys.argv[4])
from trial import peak_mebibytes
n, fit = int(sys.argv[1]), sys.argv[2] == "fit"
if n:
    X, _ = make_blobs(n, n_features=64, centers=10, cluster_std=8, random_state=0)
else:
    with np.load(sys.argv[3]) as file:
        X = file["X"][:60000]
X = np.asarray(X / X.std(), dtype=np.float32)
if fit:
    neuraleig.NeuralEigenSpectralClustering(10, random_state=0).fit(X)
print(json.dumps(peak_mebibytes()))
"""


def memory(folder: Path | None) -> tuple[str, list[dict]]:
    """Peak MiB of loading and of fitting, in processes of their own."""
    sizes = [5_000, 10_000, 20_000, 40_000]
    labels = [f"blobs, {n} x 64" for n in sizes]
    paths = [""] * len(sizes)
    if folder is not None and (folder / "mnist.npz").exists():
        sizes, labels = [*sizes, 0], [*labels, "MNIST, 60000 x 784"]
        paths.append(str(folder / "mnist.npz"))
    raw, rows = [], []
    for n, label, path in zip(sizes, labels, paths, strict=True):
        peaks = {}
        for what in ("load", "fit"):
            script = [sys.executable, "-c", PROBE]
            command = [*script, str(n), what, path, str(Path(__file__).parent)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks[what] = json.loads(done.stdout)
        raw.append({"set": label, **peaks})
        rows.append([label, f"{peaks['load']:.0f}", f"{peaks['fit']:.0f}"])
        print(rows[-1], flush=True)
    return report.markdown(["peak MiB", "load only", "load and fit"], rows), raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="speed")
    options = parser.parse_args()
    warm_up()
    found = cases(options.data)
    ratios, raw_ratios = fit_ratios(
        found, methods.spectral_knn, "SC + kNN", options.repeats
    )
    tables = [ratios]
    if options.data is not None and (options.data / "mnist.npz").exists():
        mnist = datasets.load("mnist", 0, options.data)
        large, raw_large = fit_ratios(
            [mnist], methods.exact_knn_by_parts, "exact + kNN", 1
        )
        tables.append(large)
        raw_ratios += raw_large
    predict, raw_predict = predict_speed()
    peaks, raw_memory = memory(options.data)
    report.write(
        options.output,
        options.name,
        "Time and memory",
        [*tables, predict, peaks],
        {"fit": raw_ratios, "predict": raw_predict, "memory": raw_memory},
    )


if __name__ == "__main__":
    main()
