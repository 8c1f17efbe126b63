"""Held-out accuracy, cut and fidelity beside KMeans and spectral clustering.

    python examples/benchmarks/quality.py --data FOLDER [--sets ...] [--seeds 3]

``FOLDER`` holds pendigits.npz, optdigits.npz and mnist.npz; without it only bundled
and synthetic sets are measured. Every method sees the same rows and the same split;
synthetic sets and random splits are drawn anew for every seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import datasets
import methods
import numpy as np
import report
from sklearn.cluster import KMeans

from neuraleig.affinity import NeighborAffinity
from neuraleig.metrics import normalized_cut, trace_ratio
from neuraleig.spectrum import graph_spectrum

# scikit-learn's SpectralClustering does not finish within 20 minutes beyond this.
MAX_SPECTRAL_ROWS = 20_000
METHODS = {
    "KMeans": methods.kmeans,
    "SC + kNN": methods.spectral_knn,
    "exact + kNN": methods.exact_knn,
    "ours": methods.ours(),
}


def measure(
    name: str, seed: int, folder: Path | None, chosen: list[str]
) -> dict[str, dict[str, float]]:
    """All methods on one split of one set."""
    data = datasets.load(name, seed, folder)
    # Cuts are compared on a graph that no method was tuned to.
    shared = NeighborAffinity(weights="binary").build(data.X_train, seed=0)
    found = {}
    for label in chosen:
        if label == "SC + kNN" and len(data.X_train) > MAX_SPECTRAL_ROWS:
            continue
        result = METHODS[label](data, seed)
        found[label] = methods.measures(data, result, shared)
        if result.model is not None:
            found[label] |= fidelity(data, result.model, seed)
        print(name, seed, label, found[label], flush=True)
    return found


def fidelity(data: datasets.Dataset, model: object, seed: int) -> dict[str, float]:
    """How near the fitted functions are to the exact ones of the same graph.

    ``trace_ratio`` compares sums of eigenvalues; ``cut_ratio`` the normalised cuts of
    k-means (n_init=10) on the functions themselves, learned and exact.
    """
    graph = NeighborAffinity().build(data.X_train, seed=0)
    exact = graph_spectrum(graph.weights, len(model.eigenvalues_), tol=1e-6)
    cuts = []
    for functions in (model.transform(data.X_train[graph.index]), exact.functions):
        kmeans = KMeans(data.n_classes, n_init=10, random_state=seed)
        labels = kmeans.fit_predict(functions)
        cuts.append(normalized_cut(graph.weights, labels.astype(np.int64)))
    return {
        "trace_ratio": trace_ratio(model.eigenvalues_, exact.eigenvalues),
        "learned_cut": cuts[0],
        "exact_cut": cuts[1],
    }


def table(runs: dict[str, list[dict[str, dict[str, float]]]], key: str) -> str:
    """Mean over seeds (and the lowest and highest of ours) of one measure."""
    rows = []
    columns = {label: [] for label in METHODS}
    for name, seeds in runs.items():
        row = [name]
        for label in METHODS:
            values = [run[label][key] for run in seeds if label in run]
            columns[label].append(np.mean(values) if values else np.nan)
            row.append(_cell(values, spread=label == "ours"))
        rows.append(row)
    means = [f"{np.nanmean(values):.3f}" for values in columns.values()]
    rows.append(["mean of the sets that finished", *means])
    return report.markdown([key, *METHODS], rows)


def fidelity_table(runs: dict[str, list[dict[str, dict[str, float]]]]) -> str:
    """Lowest trace ratio, and mean cuts of k-means on learned and exact functions."""
    rows = []
    for name, seeds in runs.items():
        ours = [run["ours"] for run in seeds]
        learned = np.mean([run["learned_cut"] for run in ours])
        exact = np.mean([run["exact_cut"] for run in ours])
        lowest = min(run["trace_ratio"] for run in ours)
        ratio = f"{learned / exact:.3f}" if exact > 1e-6 else "-"
        rows.append([name, f"{lowest:.4f}", f"{learned:.4f}", f"{exact:.4f}", ratio])
    header = [
        "set",
        "trace ratio, lowest seed",
        "Ncut of k-means, learned",
        "exact",
        "ratio",
    ]
    return report.markdown(header, rows)


def _cell(values: list[float], *, spread: bool) -> str:
    if not values:
        return "not run"
    text = f"{np.mean(values):.3f}"
    return f"{text} ({min(values):.3f}-{max(values):.3f})" if spread else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--sets", nargs="*", default=None)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="quality")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, dict[str, float]]]] = {}
    for name in options.sets or datasets.available(options.data):
        # A set with a fixed split and a slow exact solution still gets every seed.
        runs[name] = [
            measure(name, seed, options.data, options.methods)
            for seed in range(options.seeds)
        ]
    tables = [table(runs, key) for key in ("acc", "nmi", "ncut")]
    tables.append(fidelity_table(runs))
    title = f"Quality, {options.seeds} seeds: means, and the range of ours"
    report.write(options.output, options.name, title, tables, runs)


if __name__ == "__main__":
    main()
