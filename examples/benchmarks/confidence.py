"""Calibration of probabilities, and rows told from rows of another kind.

    python examples/benchmarks/confidence.py [--data FOLDER] [--seeds 3]

``FOLDER/tabular`` holds labelled sets as .npz files with ``X`` and ``y`` and
``FOLDER/suite`` sets of the clustering benchmark suite of M. Gagolewski [1]_ with ``X``
and references ``labels0``, ``labels1``, ... (0 is noise, which is fitted and not
judged). Without the folder only scikit-learn's digits and moons are measured. Of sets
beyond 5,000 rows as many are drawn. Three in ten rows are held out; all figures are of
these.

The first table is of the probability of labels against their correctness under the best
one-to-one map of clusters to classes: expected calibration error in 15 bins, and area
under the curve (AUROC) of telling right labels from wrong ones. Beside
``predict_proba`` stand the softmax of the label head, which it replaces, and k-means:
the posterior of equal round Gaussians, and for the AUROC its margin, against the
correctness of its own labels.

The second table is of ``score_samples`` beside scikit-learn's LocalOutlierFactor: the
AUROC of telling held-out rows from noise (their columns permuted independently), and
from rows of another set with as many features, both centred and divided by their
standard deviations; and the share of held-out rows that ``is_novel`` flags.

Constants were chosen on the sets that ``is_chosen`` names, with seeds 0 and 1.

.. [1] M. Gagolewski, "A framework for benchmarking clustering algorithms", SoftwareX,
   2022.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import report
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_moons
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.eigenfunctions import Standardization
from neuraleig.novelty import fit_density

MAX_ROWS, MAX_FOREIGN = 5_000, 2_000
N_BINS = 15
# Sets, or first letters of them, on which constants were chosen.
CHOSEN = ("digits", "moons", "pendigits", "satimage", "fcps_", "sipu_")
METHODS = ("ours", "softmax", "kmeans")
Sets = dict[str, tuple[np.ndarray, list[np.ndarray]]]


def is_chosen(name: str) -> bool:
    """Whether constants were chosen on a set."""
    return name.startswith(CHOSEN)


def load(folder: Path | None) -> Sets:
    """Rows, centred and scaled, and references from 1; 0 is noise."""
    sets: Sets = {}
    X, y = load_digits(return_X_y=True)
    sets["digits"] = X, [y + 1]
    X, y = make_moons(2000, noise=0.06, random_state=0)
    sets["moons"] = X, [y + 1]
    for path in sorted(folder.glob("tabular/*.npz")) if folder else []:
        with np.load(path) as file:
            X, y = file["X"], np.unique(file["y"], return_inverse=True)[1] + 1
        sets[path.stem] = X, [y]
    for path in sorted(folder.glob("suite/*.npz")) if folder else []:
        with np.load(path) as file:
            names = sorted(name for name in file.files if name.startswith("labels"))
            sets[path.stem] = file["X"], [file[name] for name in names]
    return {name: drawn(*found) for name, found in sets.items()}


def drawn(
    X: np.ndarray, references: list[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """At most so many rows, centred and scaled, with their references."""
    rows = np.random.default_rng(0).permutation(len(X))[:MAX_ROWS]
    return centred(X[rows]), [reference[rows] for reference in references]


def centred(X: np.ndarray) -> np.ndarray:
    """Rows less their mean, over their global standard deviation."""
    X = X.astype(np.float64)
    X = X - X.mean(axis=0)
    return (X / X.std()).astype(np.float32)


def correctness(
    references: list[np.ndarray], labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which labels are right, and which rows are judged, by the best reference.

    References with another number of classes than the first one are left out.
    """
    n_classes = np.unique(references[0][references[0] > 0]).size
    best = np.zeros(0, dtype=bool), np.zeros(len(labels), dtype=bool)
    for reference in references:
        known = reference > 0
        if np.unique(reference[known]).size != n_classes:
            continue
        size = int(max(reference.max(), labels.max())) + 1
        shared = np.zeros((size, size))
        np.add.at(shared, (labels[known], reference[known]), 1)
        _, classes = linear_sum_assignment(shared, maximize=True)
        right = classes[labels[known]] == reference[known]
        if best[0].size == 0 or right.mean() > best[0].mean():
            best = right, known
    return best


def bins(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Shares of the rows, mean confidences and accuracies of 15 bins."""
    place = np.clip((confidence * N_BINS).astype(int), 0, N_BINS - 1)
    counts = np.bincount(place, minlength=N_BINS)
    sums = [np.bincount(place, v, minlength=N_BINS) for v in (confidence, right)]
    return np.stack([counts, *sums]) / len(right)


def calibration_error(binned: np.ndarray) -> float:
    """Expected calibration error."""
    return float(np.abs(binned[1] - binned[2]).sum())


def auroc(scores: np.ndarray, right: np.ndarray) -> float:
    """Area under the curve; NaN where all labels are right."""
    if right.all() or not right.any():
        return float("nan")
    return float(roc_auc_score(right, scores))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Softmax of rows."""
    scores = scores - scores.max(axis=1, keepdims=True)
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def kmeans(X_train: np.ndarray, X: np.ndarray, n_clusters: int, seed: int) -> tuple:
    """Labels, probabilities of the labels, and margins."""
    model = KMeans(n_clusters, n_init=5, random_state=seed).fit(X_train)
    distances = model.transform(X).astype(np.float64)
    posterior = softmax(-(distances**2) / (2 * model.inertia_ / X_train.size))
    ordered = np.sort(distances, axis=1)
    return model.predict(X), posterior.max(axis=1), ordered[:, 1] - ordered[:, 0]


def confidence_figures(
    model: NeuralEigenSpectralClustering,
    X_train: np.ndarray,
    X: np.ndarray,
    references: list[np.ndarray],
    seed: int,
) -> dict:
    """Accuracy, calibration error, AUROC and bins of every method."""
    labels, probabilities = model.predict(X), model.predict_proba(X)
    assert np.array_equal(probabilities.argmax(axis=1), labels)
    logits = model.eigenfunctions_.evaluate(X)[1].astype(np.float64)
    by_kmeans = kmeans(X_train, X, model.n_clusters, seed)
    values = {
        "ours": (labels, probabilities.max(axis=1), probabilities.max(axis=1)),
        "softmax": (labels, *[softmax(logits).max(axis=1)] * 2),
        "kmeans": by_kmeans,
    }
    found = {}
    for method, (own, confidence, score) in values.items():
        right, known = correctness(references, own)
        binned = bins(confidence[known], right)
        found[method] = {
            "accuracy": float(right.mean()),
            "confidence": float(confidence[known].mean()),
            "error": calibration_error(binned),
            "auroc": auroc(score[known], right),
            "bins": binned.tolist(),
        }
    return found


def apart(inside: np.ndarray, outside: np.ndarray) -> float:
    """AUROC of telling scores of rows of one kind from those of another."""
    is_inside = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    return float(roc_auc_score(is_inside, np.r_[inside, outside]))


def novelty_figures(
    model: NeuralEigenSpectralClustering,
    X_train: np.ndarray,
    X: np.ndarray,
    foreign: np.ndarray | None,
    seed: int,
) -> dict:
    """AUROC against noise and another set, of ours and of LocalOutlierFactor."""
    generator = np.random.default_rng(seed)
    noise = np.stack([generator.permutation(column) for column in X.T], axis=1)
    start = time.perf_counter()
    fit_density(X_train, Standardization.of(X_train), seed)
    seconds = time.perf_counter() - start
    factor = LocalOutlierFactor(novelty=True).fit(X_train)
    found = {"flagged": float(model.is_novel(X).mean()), "seconds": seconds}
    for method, scored in (("ours", model), ("lof", factor)):
        inside = scored.score_samples(X)
        found[f"noise_{method}"] = apart(inside, scored.score_samples(noise))
        if foreign is not None:
            found[f"foreign_{method}"] = apart(inside, scored.score_samples(foreign))
    return found


def left_out(X: np.ndarray, y: np.ndarray, seed: int) -> dict[str, list[float]]:
    """AUROC against each class that the fit has not seen."""
    train, test = train_test_split(np.arange(len(y)), test_size=0.3, random_state=seed)
    found: dict[str, list[float]] = {"ours": [], "lof": []}
    for missing in np.unique(y):
        rows = X[train][y[train] != missing]
        n_clusters = np.unique(y).size - 1
        model = NeuralEigenSpectralClustering(n_clusters, random_state=seed).fit(rows)
        factor = LocalOutlierFactor(novelty=True).fit(rows)
        is_known = y[test] != missing
        for method, scored in (("ours", model), ("lof", factor)):
            scores = scored.score_samples(X[test])
            found[method].append(apart(scores[is_known], scores[~is_known]))
    return found


def foreign_rows(sets: Sets, name: str) -> np.ndarray | None:
    """Rows of the next set with as many features, if there is one of another kind."""
    names, width = list(sets), sets[name][0].shape[1]
    # optdigits has the rows of digits.
    if width == 64:
        return None
    place = names.index(name)
    others = names[place + 1 :] + names[:place]
    same = [n for n in others if sets[n][0].shape[1] == width]
    return sets[same[0]][0][:MAX_FOREIGN] if same else None


def measure(sets: Sets, name: str, seed: int) -> dict:
    """Figures of one set and seed."""
    X, references = sets[name]
    first = references[0]
    train, test = train_test_split(
        np.arange(len(X)), test_size=0.3, random_state=seed, stratify=first
    )
    n_clusters = np.unique(first[first > 0]).size
    start = time.perf_counter()
    model = NeuralEigenSpectralClustering(n_clusters, random_state=seed).fit(X[train])
    seconds = time.perf_counter() - start
    held_out = [reference[test] for reference in references]
    return {
        "fit_seconds": seconds,
        "confidence": confidence_figures(model, X[train], X[test], held_out, seed),
        "novelty": novelty_figures(
            model, X[train], X[test], foreign_rows(sets, name), seed
        ),
    }


def text(value: float) -> str:
    """Three digits, or nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.3f}"


def mean_of(runs: list[dict], part: str, *path: str) -> float:
    """Mean over the seeds of one figure; NaN where no seed has it."""
    values = []
    for run in runs:
        value = run[part]
        for key in path:
            value = value.get(key, np.nan) if isinstance(value, dict) else np.nan
        values.append(value)
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def table_of(
    runs: dict[str, list[dict]], part: str, columns: dict[str, tuple[str, ...]]
) -> str:
    """One row per set, and means over the sets chosen on, the others, and all."""
    cells = {
        name: [mean_of(found, part, *path) for path in columns.values()]
        for name, found in runs.items()
    }
    rows = [
        [name + (" *" if is_chosen(name) else ""), *map(text, values)]
        for name, values in cells.items()
    ]
    groups = {
        "mean, chosen on *": [v for n, v in cells.items() if is_chosen(n)],
        "mean, others": [v for n, v in cells.items() if not is_chosen(n)],
        "mean": list(cells.values()),
    }
    for title, values in groups.items():
        if values:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # nothing known
                means = np.nanmean(values, axis=0)
            rows.append([title, *map(text, means)])
    return report.markdown(["set", *columns], rows)


def reliability(runs: dict[str, list[dict]], path: Path) -> None:
    """Picture of accuracy against confidence, every set counting alike."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    titles = {"ours": "predict_proba", "softmax": "softmax", "kmeans": "k-means"}
    for method, title in titles.items():
        found = [r["confidence"][method]["bins"] for one in runs.values() for r in one]
        share, confidence, accuracy = np.mean(found, axis=0)
        seen = share > 0.002
        ax.plot(
            confidence[seen] / share[seen],
            accuracy[seen] / share[seen],
            marker="o",
            markersize=4,
            label=title,
        )
    ax.set(xlabel="Mean probability of the label", ylabel="Share of right labels")
    ax.set(xlim=(0, 1), ylim=(0, 1), title="Held-out rows of all labelled sets")
    ax.legend(loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


CONFIDENCE = {"accuracy": ("ours", "accuracy"), "k-means": ("kmeans", "accuracy")}
CONFIDENCE |= {f"error, {m}": (m, "error") for m in METHODS}
CONFIDENCE |= {f"AUROC, {m}": (m, "auroc") for m in METHODS}
NOVELTY = {
    "noise": ("noise_ours",),
    "noise, LOF": ("noise_lof",),
    "other set": ("foreign_ours",),
    "other set, LOF": ("foreign_lof",),
    "flagged at 0.01": ("flagged",),
    "seconds of the density": ("seconds",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="confidence")
    options = parser.parse_args()
    sets = load(options.data)
    runs: dict[str, list[dict]] = {}
    missing: dict[str, list[float]] = {"ours": [], "lof": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # disconnected graphs
        for seed in range(options.seeds):
            for name in sets:
                runs.setdefault(name, []).append(measure(sets, name, seed))
                print(name, seed, flush=True)
            X, (y,) = sets["digits"]
            for method, values in left_out(X, y, seed).items():
                missing[method] += values
            write(options, runs, missing)
    reliability(runs, options.output / f"{options.name}.png")


def write(
    options: argparse.Namespace,
    runs: dict[str, list[dict]],
    missing: dict[str, list[float]],
) -> None:
    """Write tables and numbers of the seeds so far."""
    tables = [
        table_of(runs, "confidence", CONFIDENCE),
        table_of(runs, "novelty", NOVELTY),
        report.markdown(
            ["a class left out of digits", "mean", "lowest"],
            [[m, text(np.mean(v)), text(min(v))] for m, v in missing.items()],
        ),
    ]
    n_seeds = len(next(iter(runs.values())))
    title = f"Confidence and novelty, {n_seeds} seed{'s' if n_seeds > 1 else ''}"
    raw = {"runs": runs, "left_out": missing}
    report.write(options.output, options.name, title, tables, raw)


if __name__ == "__main__":
    main()
