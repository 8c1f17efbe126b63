"""Labels of small sets with references, beside scikit-learn's SpectralClustering.

    python examples/benchmarks/suite.py [--data FOLDER] [--seeds 5]

``FOLDER`` holds sets of the clustering benchmark suite of M. Gagolewski [1]_ as .npz
files: ``X``, and references ``labels0``, ``labels1``, ... (0 is noise, and left out).
The score is the adjusted Rand index with the reference that a method meets best, the
number of clusters being that of the reference. Without the folder only the families of
unlike sizes are measured, which are drawn here. Rows are divided by their global
standard deviation.

.. [1] M. Gagolewski, "A framework for benchmarking clustering algorithms", SoftwareX,
   2022.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import report
from sklearn.cluster import SpectralClustering
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from neuraleig import NeuralEigenSpectralClustering

Labelling = Callable[[np.ndarray, int, int], np.ndarray]
Problem = tuple[str, np.ndarray, list[np.ndarray]]

SMALL = (30, 50, 100, 300)
APART = (5, 6, 7, 9)
WIDTHS = (2, 10)
GEOMETRIC = (2000, 400, 100, 50)


def ours(X: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Labels of the rows that were fitted, with all defaults."""
    model = NeuralEigenSpectralClustering(n_clusters, random_state=seed)
    return model.fit(X).labels_


def spectral(X: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """scikit-learn's, on 10 nearest neighbours."""
    model = SpectralClustering(
        n_clusters, affinity="nearest_neighbors", n_neighbors=10, random_state=seed
    )
    return model.fit(X).labels_


METHODS: dict[str, Labelling] = {"ours": ours, "SpectralClustering": spectral}


def files(folder: Path) -> Iterator[Problem]:
    """Sets of a folder."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            names = sorted(name for name in arrays.files if name.startswith("labels"))
            yield path.stem, arrays["X"].astype(float), [arrays[n] for n in names]


def unlike(seed: int) -> Iterator[Problem]:
    """A thousand rows beside few, and sizes that fall geometrically."""
    for n_small in SMALL:
        for apart in APART:
            for width in WIDTHS:
                centres = np.zeros((2, width))
                centres[1, 0] = apart
                X, y = make_blobs(
                    [1000, n_small], centers=centres, random_state=seed + 100
                )
                yield f"1000 + {n_small}, {apart} apart, {width}-D", X, [y + 1]
    corners = np.array([[0, 0], [8, 0], [0, 8], [8, 8]])
    X, y = make_blobs(GEOMETRIC, centers=corners, random_state=seed + 100)
    yield "2000 + 400 + 100 + 50, 2-D", X, [y + 1]


def score(
    method: Labelling, X: np.ndarray, references: list[np.ndarray], seed: int
) -> float:
    """Adjusted Rand index with the reference that is met best."""
    labels: dict[int, np.ndarray] = {}
    found = []
    for reference in references:
        known = reference > 0
        n_clusters = np.unique(reference[known]).size
        if n_clusters < 2:
            continue
        if n_clusters not in labels:
            labels[n_clusters] = method(X, n_clusters, seed)
        found.append(adjusted_rand_score(reference[known], labels[n_clusters][known]))
    return max(found)


def table(runs: dict[str, dict[str, list[float]]]) -> str:
    """Means over seeds, the lowest of ours, and what SpectralClustering has more."""
    rows = []
    for name, scores in runs.items():
        means = [np.mean(scores[method]) for method in METHODS]
        behind = means[1] - means[0]
        rows.append([name, *(f"{mean:.3f}" for mean in means)])
        rows[-1] += [
            f"{min(scores['ours']):.3f}",
            f"{behind:.3f}" if behind > 0.01 else "",
        ]
    all_means = [
        np.mean([np.mean(scores[method]) for scores in runs.values()])
        for method in METHODS
    ]
    rows.append(["mean", *(f"{mean:.3f}" for mean in all_means), "", ""])
    return report.markdown(["set", *METHODS, "ours, lowest", "behind by"], rows)


def measure(problems: Iterator[Problem], runs: dict, seed: int) -> None:
    """Score every method on every set."""
    for name, X, references in problems:
        X = X / X.std()
        for label, method in METHODS.items():
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # disconnected graphs
                found = score(method, X, references, seed)
            runs.setdefault(name, {}).setdefault(label, []).append(found)
            seconds = time.perf_counter() - start
            print(f"{name}, {label}: {found:.3f} ({seconds:.1f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="suite")
    options = parser.parse_args()
    suite: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, dict[str, list[float]]] = {}
    for seed in range(options.seeds):
        if options.data is not None:
            measure(files(options.data), suite, seed)
        measure(unlike(seed), sizes, seed)
    tables = [table(runs) for runs in (suite, sizes) if runs]
    title = f"Adjusted Rand index, {options.seeds} seeds"
    report.write(
        options.output, options.name, title, tables, {"suite": suite, "unlike": sizes}
    )


if __name__ == "__main__":
    main()
