"""Numbers of clusters that are chosen, beside three other ways to choose one.

    python examples/benchmarks/n_clusters.py [--data FOLDER] [--seed 2]

``FOLDER`` holds sets of the clustering benchmark suite of M. Gagolewski as .npz files,
see ``suite.py``; without it only sets that scikit-learn has or draws are measured. The
curve is read off the exact eigenvectors of the graph, as a fit with
``n_clusters="auto"`` does before it trains a network. The others are the gap of the
eigenvalues, k-means with the largest mean silhouette of up to 2,000 rows, and the
clusters of scikit-learn's HDBSCAN with its defaults. A number is right within a tenth
of the number of classes of one of the references. Rows are divided by their global
standard deviation.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import report
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_blobs,
    make_circles,
    make_moons,
)
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from suite import files

from neuraleig.affinity import NeighborAffinity
from neuraleig.reading import read_curve
from neuraleig.spectrum import graph_spectrum, suggest_n_clusters

MOST = 30
# Eigenvectors that the curve looks at, and rows of a silhouette.
N_FUNCTIONS = 35
SILHOUETTE_ROWS = 2_000
# Classes are found within this share of their number.
TOLERANCE = 0.1

Problem = tuple[str, np.ndarray, list[int]]
Choice = Callable[[np.ndarray, int], int]


def _spectrum(X: np.ndarray, seed: int):
    graph = NeighborAffinity().build(X, seed=seed)
    n_functions = min(N_FUNCTIONS, graph.n_nodes)
    return graph, graph_spectrum(graph.weights, n_functions, seed=seed)


def curve(X: np.ndarray, seed: int) -> int:
    """Largest strength of the curve."""
    graph, found = _spectrum(X, seed)
    most = min(MOST, graph.n_nodes - 1)
    functions, values = found.functions, found.eigenvalues
    return read_curve(functions, values, graph, most, seed=seed).curve.best


def gap(X: np.ndarray, seed: int) -> int:
    """Largest gap of the eigenvalues at any scale."""
    _, found = _spectrum(X, seed)
    return suggest_n_clusters(found.eigenvalues[: MOST + 1])


def silhouette(X: np.ndarray, seed: int) -> int:
    """Largest silhouette of k-means."""
    scores = []
    for number in range(2, MOST + 1):
        labels = KMeans(number, n_init=1, random_state=seed).fit_predict(X)
        size = min(SILHOUETTE_ROWS, len(X))
        scores.append(silhouette_score(X, labels, sample_size=size, random_state=seed))
    return int(np.argmax(scores)) + 2


def hdbscan(X: np.ndarray, seed: int) -> int:
    """Clusters of HDBSCAN, noise left out."""
    labels = HDBSCAN(copy=True).fit_predict(X)
    return max(int(labels.max()) + 1, 1)


CHOICES: dict[str, Choice] = {
    "curve": curve,
    "eigengap": gap,
    "silhouette": silhouette,
    "HDBSCAN": hdbscan,
}


def drawn(seed: int) -> Iterator[Problem]:
    """Sets that scikit-learn has or draws."""
    yield "digits", load_digits().data, [10]
    for name, load in (
        ("iris", load_iris),
        ("wine", load_wine),
        ("breast cancer", load_breast_cancer),
    ):
        data = load()
        yield (
            name,
            StandardScaler().fit_transform(data.data),
            [len(data.target_names)],
        )
    yield "moons", make_moons(600, noise=0.05, random_state=seed)[0], [2]
    yield (
        "circles",
        make_circles(800, noise=0.05, factor=0.5, random_state=seed)[0],
        [2],
    )
    generator = np.random.default_rng(seed)
    for number in (1, 2, 3, 5, 8, 12, 20):
        for width in (2, 16):
            angles = 2 * np.pi * np.arange(number) / number
            centers = np.zeros((number, width))
            reach = 4 / np.sin(np.pi / max(number, 2))
            centers[:, :2] = reach * np.column_stack([np.cos(angles), np.sin(angles)])
            X, _ = make_blobs(1500, centers=centers, random_state=seed)
            yield f"{number} blobs, {width}-D", X, [number]
    yield "uniform, 8-D", generator.random((1000, 8)), [1]


def of_suite(folder: Path) -> Iterator[Problem]:
    """Sets of a folder, with the numbers of classes of their references."""
    for name, X, references in files(folder):
        numbers = {np.unique(labels[labels > 0]).size for labels in references}
        # More classes than numbers that are tried.
        if min(numbers) <= MOST:
            yield name, X, sorted(numbers)


def is_right(found: int, numbers: list[int]) -> bool:
    """Whether a number is that of the classes, or nearly so."""
    return any(abs(found - number) <= TOLERANCE * number for number in numbers)


def measure(problems: Iterator[Problem], seed: int) -> dict[str, dict]:
    """Chosen numbers of all ways on all sets."""
    results: dict[str, dict] = {}
    for name, X, numbers in problems:
        X = X / X.std()
        results[name] = {"classes": numbers}
        for label, choice in CHOICES.items():
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = choice(X, seed)
            results[name][label] = found
            seconds = time.perf_counter() - start
            print(f"{name}, {label}: {found} ({seconds:.1f} s)", flush=True)
    return results


def table(results: dict[str, dict]) -> str:
    """Chosen numbers, those that are right in bold, and how often they are."""
    rows = []
    for name, found in results.items():
        numbers = found["classes"]
        cells = [
            f"**{found[c]}**" if is_right(found[c], numbers) else str(found[c])
            for c in CHOICES
        ]
        rows.append([name, " or ".join(map(str, numbers)), *cells])
    right = [
        sum(is_right(found[c], found["classes"]) for found in results.values())
        for c in CHOICES
    ]
    rows.append(["right", str(len(results)), *map(str, right)])
    errors = [
        np.mean(
            [
                min(abs(np.log(found[c] / number)) for number in found["classes"])
                for found in results.values()
            ]
        )
        for c in CHOICES
    ]
    rows.append(["mean of abs. log ratio", "", *(f"{error:.2f}" for error in errors)])
    return report.markdown(["set", "classes", *CHOICES], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="n_clusters")
    options = parser.parse_args()
    found = {"drawn": measure(drawn(options.seed), options.seed)}
    if options.data is not None:
        found["suite"] = measure(of_suite(options.data), options.seed)
    title = f"Chosen numbers of clusters, seed {options.seed}"
    tables = [table(results) for results in found.values()]
    report.write(options.output, options.name, title, tables, found)


if __name__ == "__main__":
    main()
