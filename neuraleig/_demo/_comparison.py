"""Table of clusterings, fitted on training rows and scored on test rows."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TextIO

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from neuraleig._demo._data import OWN_UNITS, Split, load_split
from neuraleig._demo._plots import save_plots
from neuraleig._terminal import live_bar
from neuraleig._typing import Array, IntArray
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy, normalized_cut
from neuraleig.plotting._matplotlib import require_matplotlib

N_NEIGHBORS = 10
# Predictions are repeated for this long: one call is too short for the clock.
MIN_TIMING_SECONDS = 0.2
COLUMNS = "{:28}{:>9}{:>9}{:>9}{:>8}{:>12}\n"
LEGEND = """
ACC, NMI  labels of test rows against classes; higher is better
Ncut      labels of training rows on one binary 10-NN graph; lower is better
fit       one fit, imports excluded; predict: all test rows, for at least 0.2 s
"""


class Clusterer(Protocol):
    """Clustering that labels new rows."""

    labels_: IntArray

    def fit(self, X: Array) -> object:
        """Cluster rows."""

    def predict(self, X: Array) -> IntArray:
        """Label new rows."""


class SpectralClusteringThenNeighbors:
    """SpectralClustering of scikit-learn; new rows are labelled by 10 neighbours."""

    labels_: IntArray

    def __init__(self, n_clusters: int, random_state: int) -> None:
        self.clustering = SpectralClustering(
            n_clusters,
            affinity="nearest_neighbors",
            n_neighbors=N_NEIGHBORS,
            random_state=random_state,
        )
        self.classifier = KNeighborsClassifier(N_NEIGHBORS)

    def fit(self, X: Array) -> Self:
        """Cluster rows."""
        self.labels_ = self.clustering.fit_predict(X)
        self.classifier.fit(X, self.labels_)
        return self

    def predict(self, X: Array) -> IntArray:
        """Label rows by a vote of the nearest training rows."""
        return np.asarray(self.classifier.predict(X), dtype=np.int64)


@dataclass(frozen=True)
class Measurement:
    """One row of the table, and the warnings of the fit."""

    accuracy: float
    nmi: float
    ncut: float
    fit_seconds: float
    rows_per_second: float
    warnings: tuple[str, ...]


def scoring_graph(X: Array) -> sp.csr_array:
    """Return the graph on which the cuts of all methods are computed.

    Rows are joined by weight 1 if either is among the 10 nearest neighbours of the
    other; no method is fitted to these weights.
    """
    directed = sp.csr_array(kneighbors_graph(X, N_NEIGHBORS, include_self=False))
    return sp.csr_array(directed.maximum(directed.T))


def measure(method: Clusterer, split: Split, graph: sp.csr_array) -> Measurement:
    """Fit a method on the training rows and score it on both parts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        method.fit(split.X_train)
        fit_seconds = time.perf_counter() - start
        predicted = method.predict(split.X_test)
        rows_per_second = prediction_rate(method, split.X_test)
    return Measurement(
        clustering_accuracy(split.y_test, predicted),
        float(normalized_mutual_info_score(split.y_test, predicted)),
        normalized_cut(graph, np.asarray(method.labels_, dtype=np.int64)),
        fit_seconds,
        rows_per_second,
        tuple(dict.fromkeys(str(warning.message) for warning in caught)),
    )


def prediction_rate(method: Clusterer, X: Array) -> float:
    """Return the rows labelled per second, over calls that take 0.2 s in total."""
    n_calls = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < MIN_TIMING_SECONDS:
        method.predict(X)
        n_calls += 1
    return float(n_calls * X.shape[0] / elapsed)


def run_demo(name: str, *, seed: int, folder: Path | None, out: TextIO) -> None:
    """Compare the methods on one data set and plot the fitted model.

    Parameters
    ----------
    name : str
        Key of ``DATASETS``.
    seed : int
        Seed of the split and of all methods.
    folder : Path or None
        Folder of the plots; ``None``: no plots.
    out : text stream
        Receives each row of the table as soon as it is measured.

    Raises
    ------
    OSError
        If the folder is not writable; raised before any fit.
    """
    missing = prepare_plots(folder) if folder else None
    split = load_split(name, seed)
    n_clusters = split.n_classes
    model = NeuralEigenSpectralClustering(n_clusters, random_state=seed)
    methods: dict[str, Clusterer] = {
        "neuraleig": model,
        "KMeans": KMeans(n_clusters, n_init=10, random_state=seed),
        "SpectralClustering + 10-NN": SpectralClusteringThenNeighbors(n_clusters, seed),
    }
    out.write(_heading(split, seed))
    out.flush()
    with live_bar("neuraleig: start"):
        graph = scoring_graph(split.X_train)
    found = {}
    for title, method in methods.items():
        with live_bar(f"neuraleig: {title}"):
            found[title] = measure(method, split, graph)
        out.write(_table_row(title, found[title]))
        out.flush()
    out.write(LEGEND)
    out.writelines(f"Note: {note}\n" for note in found["neuraleig"].warnings)
    if missing:
        out.write(f"\nNo plots: {missing}\n")
    elif folder:
        with live_bar("neuraleig: plots"):
            paths = save_plots(model, split, folder)
        out.write(f"\nSaved {' and '.join(map(str, paths))}\n")


def prepare_plots(folder: Path) -> str | None:
    """Create the folder of the plots, or return the package that they need.

    Raises an OSError if the folder is not writable.
    """
    try:
        require_matplotlib("Drawing")
    except ImportError as error:
        return str(error)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(
            error.errno, "is a file, not a folder; choose another --output", str(folder)
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            0, "cannot be written to; choose another --output", str(folder)
        )
    return None


def _heading(split: Split, seed: int) -> str:
    n_train, n_test = split.y_train.size, split.y_test.size
    units = "Columns are standardised, since their units differ\n"
    return (
        f"{split.name}: {n_train + n_test:,} rows, {split.X_train.shape[1]} features, "
        f"{split.n_classes} classes; {n_train:,} training rows, {n_test:,} test rows, "
        f"seed {seed}\n"
        + units * (split.name in OWN_UNITS)
        + "\n"
        + COLUMNS.format("", "test", "test", "training", "fit", "predict")
        + COLUMNS.format("method", "ACC", "NMI", "Ncut", "s", "rows/s")
        + "-" * 75
        + "\n"
    )


def _table_row(title: str, found: Measurement) -> str:
    scores = (f"{score:.3f}" for score in (found.accuracy, found.nmi, found.ncut))
    seconds, rate = f"{found.fit_seconds:.2f}", f"{found.rows_per_second:,.0f}"
    return COLUMNS.format(title, *scores, seconds, rate)
