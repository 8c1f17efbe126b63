"""What every step of the default path is worth.

    python examples/benchmarks/ablation.py --data FOLDER [--sets ...] [--seeds 3]

Each line changes one thing of the default. Held-out accuracy, training accuracy and
normalised cut of the training labels on the graph of the fit, as means over seeds.
Rows without a network label held-out rows by a 10-NN classifier.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import datasets
import methods
import numpy as np
import report
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

from neuraleig._fit._row_problem import without_outliers
from neuraleig.affinity import Graph, NeighborAffinity
from neuraleig.metrics import clustering_accuracy, normalized_cut
from neuraleig.reading import diffused_rows, read_clusters
from neuraleig.spectrum import graph_spectrum

Variant = Callable[[datasets.Dataset, int], tuple[np.ndarray, np.ndarray]]

PUBLISHED = {
    "training__init": "random",
    "training__objective": "neuralef",
    "training__label_objective": "neuralef",
    "training__assignment": "gumbel_softmax",
    "training__head": "orthogonal",
    "training__sampling": "nodes",
    "training__temperature": (1.0, 0.3),
    "training__batch_size": 1024,
    "training__lr": 1e-3,
    "training__optimizer": "adam",
    "training__max_iter": 300,
}


def exact(
    *,
    sizes: float | None = None,
    diffusion_time: float = 10.0,
    edge_weights: str = "self_tuning",
    regularization: float = 0.0,
    drop_outliers: bool = True,
    normalize: bool = True,
) -> Variant:
    """Exact eigenvectors and a reading of labels, without a network."""

    def variant(data: datasets.Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
        X, k = data.X_train, data.n_classes
        affinity = NeighborAffinity(weights=edge_weights, regularization=regularization)
        graph = affinity.build(X, seed=seed)
        if drop_outliers:
            graph = without_outliers(graph, k)
        wanted = 3 * k if sizes is None else int(np.ceil(sizes * k))
        spectrum = graph_spectrum(
            graph.weights,
            min(wanted, graph.n_nodes),
            uniform=graph.uniform,
            component_labels=graph.component_labels,
        )
        labels = read(graph, spectrum, k, seed)
        classifier = KNeighborsClassifier(min(10, graph.n_nodes))
        classifier.fit(X[graph.index], labels)
        train = classifier.predict(X)
        train[graph.index] = labels
        return train, classifier.predict(data.X_test)

    def read(graph: Graph, spectrum: object, k: int, seed: int) -> np.ndarray:
        if sizes is None:
            return read_clusters(
                spectrum.functions,
                spectrum.eigenvalues,
                k,
                graph,
                diffusion_time=diffusion_time,
                seed=seed,
            ).labels
        rows = spectrum.functions
        if normalize:
            rows = diffused_rows(rows, spectrum.eigenvalues, diffusion_time)
        return KMeans(k, n_init=10, random_state=seed).fit_predict(rows)

    return variant


def network(changes: dict[str, object] | None = None, **parameters: object) -> Variant:
    """Estimate with the estimator, some parameters and some of its parts changed."""
    method = methods.ours(**parameters)

    def variant(data: datasets.Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
        with ExitStack() as stack:
            for target, part in (changes or {}).items():
                stack.enter_context(patch(f"neuraleig.{target}", part))
            result = method(data, seed)
        return result.train_labels, result.test_labels

    return variant


NO_ROUNDS = {f"_fit._teach.{name}": 0 for name in ("MAX_STEPS", "MIN_PASSES")}
UNPLACED = {"networks.MLP.place": lambda mlp, rows: None}
# Rounds go on until the functions err by 0.005, as those of embeddings do.
LONG = {"_fit._settings.LEARNED_ERRORS": (0.005, 0.005), "_fit._teach.LEAST_GAIN": -9.0}
NO_REFIT = {"_fit._fit.refit_labels": lambda *args: None}
VARIANTS: dict[str, Variant] = {
    "scikit-learn's reading: k functions, k-means on V": exact(
        sizes=1, normalize=False, drop_outliers=False, edge_weights="binary"
    ),
    "k functions, rows normalised, t = 0": exact(sizes=1, diffusion_time=0),
    "2k functions, t = 0": exact(sizes=2, diffusion_time=0),
    "2k functions, t = 5": exact(sizes=2, diffusion_time=5),
    "2k functions, t = 10": exact(sizes=2, diffusion_time=10),
    "2k functions, t = 40": exact(sizes=2, diffusion_time=40),
    "3k functions, t = 10": exact(sizes=3, diffusion_time=10),
    "reading of the default (k to 3k, chosen on the graph)": exact(),
    "same, t = 5": exact(diffusion_time=5),
    "same, t = 20": exact(diffusion_time=20),
    "same, binary weights": exact(edge_weights="binary"),
    "same, regularisation 0.003": exact(regularization=0.003),
    "same, regularisation 0.01": exact(regularization=0.01),
    "same, outliers kept in the graph": exact(drop_outliers=False),
    "+ network, heads by least squares": network(NO_ROUNDS, training__max_iter=0),
    "+ network, warm start": network(training__max_iter=0),
    "+ fine-tuning where something is left to learn = default": network(),
    "default, 300 steps of fine-tuning always": network(training__max_iter=300),
    "same, after a longer warm start": network(LONG, training__max_iter=300),
    "same, labels not refitted": network(NO_REFIT, training__max_iter=300),
    "default, Adam for all": network(training__optimizer="adam"),
    "default, first layer not placed": network(UNPLACED),
    "default, k-means on the functions": network(assign_labels="kmeans"),
    "random start, argmax": network(training__init="random"),
    "random start, k-means": network(training__init="random", assign_labels="kmeans"),
    "published recipe, argmax": network(**PUBLISHED),
}
# What is measured on MNIST, of which every run takes a minute.
OF_MNIST = (
    "k functions, rows normalised, t = 0",
    "reading of the default (k to 3k, chosen on the graph)",
    "+ network, heads by least squares",
    "+ network, warm start",
    "+ fine-tuning where something is left to learn = default",
    "random start, k-means",
    "published recipe, argmax",
)


def measure(
    data: datasets.Dataset, graph: Graph, variant: Variant, seed: int
) -> dict[str, float]:
    """Run one variant on one split."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dead clusters of the random starts
        train, test = variant(data, seed)
    at_nodes = np.unique(train[graph.index], return_inverse=True)[1]
    return {
        "train_acc": clustering_accuracy(data.y_train, train),
        "acc": clustering_accuracy(data.y_test, test),
        "ncut": normalized_cut(graph.weights, at_nodes),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--sets", nargs="*", default=None)
    parser.add_argument("--variants", nargs="*", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="ablation")
    options = parser.parse_args()
    names = options.sets or datasets.available(options.data)
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    for name in names:
        for seed in range(options.seeds):
            data = datasets.load(name, seed, options.data)
            graph = NeighborAffinity().build(data.X_train, seed=0)
            chosen = OF_MNIST if name == "mnist" else VARIANTS
            for label in options.variants or chosen:
                found = measure(data, graph, VARIANTS[label], seed)
                runs.setdefault(label, {}).setdefault(name, []).append(found)
        print(name, "done", flush=True)
    report.write(
        options.output,
        options.name,
        f"Ablation: means over {len(names)} sets and {options.seeds} seeds",
        [summary(runs), per_set(runs, names)],
        runs,
    )


def summary(runs: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """Means of every measure over the sets that every variant has."""
    common = set.intersection(*(set(sets) for sets in runs.values()))
    rows = []
    for label, found in runs.items():
        sets = {name: seeds for name, seeds in found.items() if name in common}
        cells = [label, str(len(sets))]
        for key in ("acc", "train_acc", "ncut", "seconds"):
            by_set = [np.mean([run[key] for run in seeds]) for seeds in sets.values()]
            cells.append(f"{np.mean(by_set):.4f}")
        rows.append(cells)
    header = ["variant", "sets", "held-out ACC", "training ACC", "Ncut", "seconds"]
    return report.markdown(header, rows)


def per_set(
    runs: dict[str, dict[str, list[dict[str, float]]]], names: list[str]
) -> str:
    """Held-out accuracy of every variant on every set."""
    rows = [
        [
            label,
            *(
                f"{np.mean([run['acc'] for run in sets[name]]):.3f}"
                if name in sets
                else "-"
                for name in names
            ),
        ]
        for label, sets in runs.items()
    ]
    return report.markdown(["held-out ACC", *names], rows)


if __name__ == "__main__":
    main()
