"""Labels that the network is taught, off the graph and off the thinned graph.

    python examples/benchmarks/thinned.py [--data FOLDER] [--seeds 1]

Labels are read off the exact eigenvectors of the whole graph, of the graph whose
one-sided edges weigh a tenth, and of the one that a fit chooses; no network is trained.
``FOLDER`` has the folders ``suite``, see ``suite.py``, and ``tabular`` with sets of
classes as .npz files (``X``, ``y``), of which the first 10,000 rows are used. Without
it, digits and the families of unlike sizes are measured. The score is the adjusted Rand
index with the reference that is met best. Rows are divided by their global standard
deviation.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import report
from sklearn.datasets import load_digits
from suite import Problem, files, score, unlike

from neuraleig._fit import Task
from neuraleig._fit._row_problem import without_outliers
from neuraleig._fit._targets import solve_targets
from neuraleig._random import Seeds
from neuraleig.affinity import Graph, NeighborAffinity

MAX_ROWS = 10_000
GRAPHS = ("whole", "thinned", "chosen")


def read_off(graph: Graph, kind: str, n_clusters: int, seed: int) -> np.ndarray:
    """Labels of the nodes, off one of the graphs."""
    thin = graph.thinned()
    if kind == "whole" or thin is None:
        graph = replace(graph, one_sided=None)
    elif kind == "thinned":
        graph = thin
    task = Task(n_clusters, n_clusters, 3 * n_clusters, None, None)
    return solve_targets(graph, task, Seeds.draw(seed)).labels.numpy()


def classes(folder: Path | None) -> Iterator[Problem]:
    """Digits, and sets of a folder with one class per row."""
    X, y = load_digits(return_X_y=True)
    yield "digits", X, [y + 1]
    for path in sorted(folder.glob("*.npz")) if folder else ():
        with np.load(path) as arrays:
            X, y = arrays["X"][:MAX_ROWS].astype(float), arrays["y"][:MAX_ROWS]
        yield path.stem, X, [np.unique(y, return_inverse=True)[1] + 1]


def measured(
    X: np.ndarray, references: list[np.ndarray], kind: str, seed: int
) -> float:
    """Score of the distinct rows, by the labels of one graph."""
    graph = NeighborAffinity().build(X / X.std(), seed=seed)

    def labels(X: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
        own = without_outliers(graph, n_clusters)
        found = np.full(len(X), -1)
        found[own.index] = read_off(own, kind, n_clusters, seed)
        return found

    kept = [np.where(np.isin(np.arange(len(X)), graph.index), r, 0) for r in references]
    return score(labels, X, kept, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="thinned")
    options = parser.parse_args()
    folder = options.data
    groups: dict[str, dict[str, list[list[float]]]] = {}
    for seed in range(options.seeds):
        sources = {
            "suite": files(folder / "suite") if folder else iter(()),
            "classes and unlike sizes": chain(
                classes(folder / "tabular" if folder else None), unlike(seed)
            ),
        }
        for group, problems in sources.items():
            for name, X, references in problems:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # disconnected graphs
                    found = [measured(X, references, kind, seed) for kind in GRAPHS]
                groups.setdefault(group, {}).setdefault(name, []).append(found)
                shown = ", ".join(f"{s:.3f}" for s in found)
                print(f"{name}: {shown}", flush=True)
    tables = []
    for runs in groups.values():
        means = {name: np.mean(scores, axis=0) for name, scores in runs.items()}
        means["mean"] = np.mean(list(means.values()), axis=0)
        rows = [[name, *(f"{v:.3f}" for v in own)] for name, own in means.items()]
        tables.append(report.markdown(["set", *GRAPHS], rows))
    title = f"Adjusted Rand index of the labels that are taught, seeds: {options.seeds}"
    report.write(options.output, options.name, title, tables, groups)


if __name__ == "__main__":
    main()
