"""Clusterings of sparse rows: made-up texts by TF-IDF, and the pixels of digits.

    python examples/benchmarks/sparse_rows.py [--data FOLDER] [--seeds 3]
    python examples/benchmarks/sparse_rows.py --large

The texts are drawn from mixtures of a topic of their own, a second one and a background
that all have; ``FOLDER`` may hold mnist.npz. Scores are accuracy and adjusted Rand
index on the rows of the fit, and accuracy on others. ``--large`` fits 100,000 rows of
100,000 features with 5,000,000 entries, and measures the peak of memory.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import report
import scipy.sparse as sp
import trial
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy

N_NEIGHBORS = 10
# Rows of mnist that are used: SpectralClustering takes minutes for more.
MOST_ROWS = 5_000


def texts(
    n_rows: int, n_words: int, n_topics: int, own: float, seed: int, length: float = 60
) -> tuple[sp.csr_array, np.ndarray]:
    """Counts of words, and the topic of every text."""
    generator = np.random.default_rng(seed)
    background = 1 / (np.arange(n_words) + 10.0)
    background /= background.sum()
    words = []
    for _ in range(n_topics):
        kept = generator.random(n_words) < 0.05
        rates = kept * generator.gamma(0.5, size=n_words) * background**0.7
        words.append(np.cumsum(rates / rates.sum()))
    # Clusters are of unequal sizes.
    shares = generator.dirichlet(np.full(n_topics, 5.0))
    topics = generator.choice(n_topics, n_rows, p=shares)
    second = generator.choice(n_topics, n_rows)
    sizes = generator.lognormal(np.log(length), 0.6, n_rows)
    row = np.repeat(np.arange(n_rows), np.maximum(5, sizes).astype(int))
    share = generator.beta(8 * own, 8 * (1 - own), n_rows)[row]
    drawn, place = generator.random(row.size), generator.random(row.size)
    found = np.searchsorted(np.cumsum(background), place)
    for topic in range(n_topics):
        is_own = (drawn < share) & (topics[row] == topic)
        is_second = (drawn >= share) & (drawn < 1.35 * share) & (second[row] == topic)
        of_topic = is_own | is_second
        found[of_topic] = np.searchsorted(words[topic], place[of_topic])
    found = np.minimum(found, n_words - 1)
    shape = (n_rows, n_words)
    counts = sp.coo_array((np.ones(row.size), (row, found)), shape=shape)
    return counts.tocsr(), topics


def sets(folder: Path | None, seed: int) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Names, sparse rows and classes."""
    for name, n_rows, n_words, n_topics, own in (
        ("texts of 10 topics", 5_000, 20_000, 10, 0.4),
        ("texts of 60 topics", 7_500, 30_000, 60, 0.55),
    ):
        counts, topics = texts(n_rows, n_words, n_topics, own, seed)
        yield name, TfidfTransformer(sublinear_tf=True).fit_transform(counts), topics
    generator = np.random.default_rng(seed)
    named = {"digits": load_digits(return_X_y=True)}
    if folder is not None and (folder / "mnist.npz").exists():
        with np.load(folder / "mnist.npz") as file:
            named["mnist"] = file["X"], file["y"]
    for name, (X, y) in named.items():
        chosen = generator.permutation(len(X))[:MOST_ROWS]
        yield (
            name,
            sp.csr_array(X[chosen].reshape(chosen.size, -1).astype(float)),
            y[chosen],
        )


def spectral(X: Any, n_clusters: int, metric: str, seed: int) -> np.ndarray:
    """scikit-learn's labels on the neighbours of sparse rows."""
    graph = kneighbors_graph(X, N_NEIGHBORS, metric=metric, include_self=True)
    model = SpectralClustering(
        n_clusters, affinity="precomputed", random_state=seed, assign_labels="kmeans"
    )
    return model.fit_predict((graph + graph.T) / 2)


def by_hand(n_clusters: int, seed: int, *between: Any) -> Any:
    """Our estimator behind scikit-learn's TruncatedSVD."""
    svd = TruncatedSVD(128, random_state=seed)
    model = NeuralEigenSpectralClustering(n_clusters, random_state=seed)
    return make_pipeline(svd, *between, model)


def measured(X: Any, y: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Scores and seconds of every method."""
    n_fitted, n_clusters = int(0.8 * X.shape[0]), len(np.unique(y))
    fitted, new = X[:n_fitted], X[n_fitted:]
    ours = NeuralEigenSpectralClustering
    models: dict[str, Any] = {
        "k-means": KMeans(n_clusters, n_init=3, random_state=seed),
        "SpectralClustering, Euclidean": "euclidean",
        "SpectralClustering, cosine": "cosine",
        "ours": ours(n_clusters, random_state=seed),
        "ours, cosine": ours(n_clusters, metric="cosine", random_state=seed),
    }
    if X.shape[1] > 128:
        models["TruncatedSVD, ours"] = by_hand(n_clusters, seed)
        models["TruncatedSVD, Normalizer, ours"] = by_hand(
            n_clusters, seed, Normalizer()
        )
    found = {}
    for name, model in models.items():
        start, score = time.perf_counter(), np.nan
        if isinstance(model, str):
            labels = spectral(fitted, n_clusters, model, seed)
        else:
            labels = model.fit_predict(fitted)
        seconds = time.perf_counter() - start
        if not isinstance(model, str):
            score = clustering_accuracy(y[n_fitted:], model.predict(new))
        found[name] = {
            "accuracy": clustering_accuracy(y[:n_fitted], labels),
            "ARI": adjusted_rand_score(y[:n_fitted], labels),
            "new rows": score,
            "seconds": seconds,
        }
    return found


def large() -> None:
    """Print the memory and the times of a large fit."""
    counts, topics = texts(100_000, 100_000, 20, 0.5, 0, length=45)
    X = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    del counts
    # What made the rows is not counted (Linux).
    Path("/proc/self/clear_refs").write_text("5")
    before = trial.peak_mebibytes()
    start = time.perf_counter()
    model = NeuralEigenSpectralClustering(20, random_state=0, verbose=1).fit(X)
    fitted, after = time.perf_counter() - start, trial.peak_mebibytes()
    start = time.perf_counter()
    labels = model.predict(X)
    predicted = time.perf_counter() - start
    start = time.perf_counter()
    for row in range(100):
        model.predict(X[[row]])
    print(
        f"{X.shape[0]:,} x {X.shape[1]:,}, {X.nnz:,} entries: "
        f"{(X.data.nbytes + X.indices.nbytes) / 2**20:,.0f} MiB of rows; peak "
        f"{before:,.0f} MiB before and {after:,.0f} MiB after the fit of "
        f"{fitted:.0f} s; predict {predicted:.1f} s, one row "
        f"{10 * (time.perf_counter() - start):.1f} ms; accuracy "
        f"{clustering_accuracy(topics, labels):.3f}; projection "
        f"{model.projection_.nbytes / 2**20:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="sparse_rows")
    options = parser.parse_args()
    if options.large:
        large()
        return
    runs: dict[str, list[dict[str, dict[str, float]]]] = {}
    for seed in range(options.seeds):
        for name, X, y in sets(options.data, seed):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # disconnected graphs
                found = measured(X, y, seed)
            runs.setdefault(name, []).append(found)
            print(name, seed, found, flush=True)
    rows = []
    for name, found in runs.items():
        for method in found[0]:
            scores = {k: [run[method][k] for run in found] for k in found[0][method]}
            means = {key: float(np.mean(values)) for key, values in scores.items()}
            texts = [
                "" if np.isnan(m) else f"{m:.{1 if k == 'seconds' else 3}f}"
                for k, m in means.items()
            ]
            rows.append([name, method, *texts])
    header = ["set", "method", "accuracy", "ARI", "accuracy on new rows", "s"]
    title = f"Clusters of sparse rows, means of {options.seeds} seeds"
    report.write(
        options.output, options.name, title, [report.markdown(header, rows)], runs
    )


if __name__ == "__main__":
    main()
