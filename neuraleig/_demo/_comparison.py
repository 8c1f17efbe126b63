"""A table of methods, fitted and scored on one split."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TextIO

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from neuraleig._demo._data import OWN_UNITS, Split, load_split
from neuraleig._demo._plots import save_plots
from neuraleig._typing import Array, IntArray
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy, normalized_cut
from neuraleig.plotting._matplotlib import require_matplotlib

N_NEIGHBORS = 10
# One call of predict takes less than a clock tells apart from noise.
MIN_TIMING_SECONDS = 0.2
COLUMNS = "{:28}{:>9}{:>9}{:>9}{:>8}{:>12}\n"
RULE = "-" * 75 + "\n"
LEGEND = """
ACC, NMI  labels of held-out rows against classes; higher is better
Ncut      labels of training rows on one binary 10-NN graph; lower is better
fit       once, imports left out; predict: all held-out rows, for at least 0.2 s
"""


class Clusterer(Protocol):
    """What is compared."""

    labels_: IntArray

    def fit(self, X: Array) -> object:
        """Cluster rows."""

    def predict(self, X: Array) -> IntArray:
        """Label new rows."""


class SpectralClusteringThenNeighbors:
    """scikit-learn's SpectralClustering; new rows are labelled by their neighbours.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    random_state : int
        Seed.
    """

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
        """Cluster rows and remember them."""
        self.labels_ = self.clustering.fit_predict(X)
        self.classifier.fit(X, self.labels_)
        return self

    def predict(self, X: Array) -> IntArray:
        """Label rows by a vote of the nearest rows of the fit."""
        return np.asarray(self.classifier.predict(X), dtype=np.int64)


@dataclass(frozen=True)
class Measurement:
    """One row of the table."""

    accuracy: float
    nmi: float
    ncut: float
    fit_seconds: float
    rows_per_second: float
    warnings: tuple[str, ...]


def judging_graph(X: Array) -> sp.csr_array:
    """Build the graph that all methods are judged on: who is among whose neighbours.

    Its weights are binary, unlike those that any of the methods fits.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.

    Returns
    -------
    weights : csr_array of shape (n_samples, n_samples)
        1 where either row is among the 10 nearest neighbours of the other.
    """
    directed = sp.csr_array(kneighbors_graph(X, N_NEIGHBORS, include_self=False))
    return sp.csr_array(directed.maximum(directed.T))


def measure(method: Clusterer, split: Split, graph: sp.csr_array) -> Measurement:
    """Fit one method on the training rows and score it on both parts.

    Parameters
    ----------
    method : Clusterer
        Not fitted yet.
    split : Split
        Data.
    graph : csr_array of shape (n_train, n_train)
        Graph of the training rows on which the cut is taken.

    Returns
    -------
    measurement : Measurement
        Scores, times, and the warnings of the fit.
    """
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


def load_optimizers() -> None:
    """Make torch import what its first optimiser in a process needs.

    These 800 modules take longer than many a fit, and are no part of any.
    """
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def prediction_rate(method: Clusterer, X: Array) -> float:
    """Rows labelled per second, over as many calls as fill a fifth of a second.

    Parameters
    ----------
    method : Clusterer
        Fitted.
    X : ndarray of shape (n_samples, n_features)
        Rows of one call.

    Returns
    -------
    rate : float
        Rows per second.
    """
    n_calls = 0
    elapsed = 0.0
    start = time.perf_counter()
    while elapsed < MIN_TIMING_SECONDS:
        method.predict(X)
        n_calls += 1
        elapsed = time.perf_counter() - start
    return float(n_calls * X.shape[0] / elapsed)


def run_demo(name: str, *, seed: int, folder: Path | None, out: TextIO) -> None:
    """Compare the methods on one data set and draw what was learned.

    Parameters
    ----------
    name : str
        One of ``DATASETS``.
    seed : int
        Seed of the split and of all methods.
    folder : Path or None
        Where the plots go; ``None``: none are drawn.
    out : text stream
        Where the table is written, each row as soon as it is measured.

    Raises
    ------
    OSError
        If the folder cannot be written to; before any fit.
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
    load_optimizers()
    graph = judging_graph(split.X_train)
    notes: tuple[str, ...] = ()
    for title, method in methods.items():
        measurement = measure(method, split, graph)
        out.write(_table_row(title, measurement))
        out.flush()
        # What the others warn of is not the reader's concern here.
        notes += measurement.warnings if method is model else ()
    out.write(LEGEND)
    out.writelines(f"Note: {note}\n" for note in notes)
    if missing:
        out.write(f"\nNo plots: {missing}\n")
    elif folder:
        paths = save_plots(model, split, folder)
        out.write(f"\nSaved {' and '.join(str(path) for path in paths)}\n")


def prepare_plots(folder: Path) -> str | None:
    """Make the folder, and find out what would only fail after the fit.

    Parameters
    ----------
    folder : Path
        Where the plots go.

    Returns
    -------
    missing : str or None
        What to install before anything can be drawn.

    Raises
    ------
    OSError
        If the folder cannot be written to.
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
    own_units = split.name in OWN_UNITS
    return (
        f"{split.name}: {n_train + n_test:,} rows, {split.X_train.shape[1]} features, "
        f"{split.n_classes} classes; {n_train:,} rows fitted, {n_test:,} held out, "
        f"seed {seed}\n"
        + ("Columns are standardised, as their units differ\n" * own_units)
        + "\n"
        + COLUMNS.format("", "held-out", "held-out", "training", "fit", "predict")
        + COLUMNS.format("method", "ACC", "NMI", "Ncut", "s", "rows/s")
        + RULE
    )


def _table_row(title: str, found: Measurement) -> str:
    scores = (f"{score:.3f}" for score in (found.accuracy, found.nmi, found.ncut))
    seconds, rate = f"{found.fit_seconds:.2f}", f"{found.rows_per_second:,.0f}"
    return COLUMNS.format(title, *scores, seconds, rate)
