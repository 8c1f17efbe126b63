"""How much labels depend on ``random_state``, and accuracy on digits split by split.

    python examples/benchmarks/stability.py [--data FOLDER] [--seeds 5] [--splits 20]

``FOLDER`` is that of suite.py. Agreement is the adjusted Rand index of labels of two
seeds, averaged over all pairs of seeds, with the number of clusters of the first
reference. On scikit-learn's digits every split has a seed of its own; the accuracy is
that of held-out rows, under the best one-to-one map.
"""

from __future__ import annotations

import argparse
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import report
import suite
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy


def agreement(X: np.ndarray, n_clusters: int, n_seeds: int) -> float:
    """Mean adjusted Rand index of the labels of two seeds."""
    labels = [suite.ours(X, n_clusters, seed) for seed in range(n_seeds)]
    pairs = combinations(labels, 2)
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs]))


def agreements(folder: Path, n_seeds: int) -> dict[str, float]:
    """Agreement on every set of a folder."""
    found = {}
    for name, X, references in suite.files(folder):
        n_clusters = np.unique(references[0][references[0] > 0]).size
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # disconnected graphs
            found[name] = agreement(X / X.std(), n_clusters, n_seeds)
        print(f"{name}: {found[name]:.3f}", flush=True)
    return found


def digits_accuracies(n_splits: int) -> list[float]:
    """Held-out accuracy of every split."""
    X, y = load_digits(return_X_y=True)
    X = X / X.std()
    found = []
    for seed in range(n_splits):
        X_train, X_test, _, y_test = train_test_split(
            X, y, test_size=0.25, random_state=seed, stratify=y
        )
        model = NeuralEigenSpectralClustering(10, random_state=seed).fit(X_train)
        found.append(clustering_accuracy(y_test, model.predict(X_test)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="stability")
    options = parser.parse_args()
    digits = digits_accuracies(options.splits)
    lines = [
        f"digits, {len(digits)} splits: mean {np.mean(digits):.4f}, lowest "
        f"{min(digits):.3f}"
    ]
    sets = {} if options.data is None else agreements(options.data, options.seeds)
    if sets:
        rows = [[name, f"{value:.3f}"] for name, value in sets.items()]
        rows.append(["mean", f"{np.mean(list(sets.values())):.3f}"])
        lines.append(report.markdown(["set", "agreement"], rows))
    title = f"Labels by several random states, {options.seeds} seeds"
    report.write(
        options.output, options.name, title, lines, {"digits": digits, "sets": sets}
    )


if __name__ == "__main__":
    main()
