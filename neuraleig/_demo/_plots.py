"""Figures of the comparison."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from neuraleig._demo._data import Split
from neuraleig._typing import IntArray
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.plotting import EmbeddingDisplay, SpectrumDisplay
from neuraleig.plotting._matplotlib import standalone_axes
from neuraleig.plotting._palette import NEUTRAL

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Figure

EMBEDDING_FILE = "embedding.png"
SPECTRUM_FILE = "spectrum.png"
# Most pairs of eigenfunctions in one figure.
MAX_PAIRS = 3


def save_plots(
    model: NeuralEigenSpectralClustering, split: Split, folder: Path
) -> list[Path]:
    """Write the figures of a fitted model into a folder and return their paths."""
    figures = {
        folder / EMBEDDING_FILE: draw_embedding(model, split),
        folder / SPECTRUM_FILE: draw_spectrum(model, split),
    }
    for path, figure in figures.items():
        figure.savefig(path, dpi=160)
    return list(figures)


def draw_embedding(model: NeuralEigenSpectralClustering, split: Split) -> Figure:
    """Plot predicted clusters beside classes, in up to three planes of functions."""
    n_functions = min(model.n_clusters_, model.eigenvalues_.size) - 1
    n_pairs = min(MAX_PAIRS, max(1, n_functions // 2))
    figure, grid = standalone_axes(n_pairs, 2, (10.0, 0.8 + 3.7 * n_pairs))
    X, y = split.X_test, split.y_test
    clusters = matched_labels(y, model.predict(X))
    for row, (left, right) in enumerate(grid):
        pair = (2 * row + 2, 2 * row + 3) if n_functions > 1 else None
        draw = partial(
            EmbeddingDisplay.from_estimator,
            model,
            X,
            components=pair,
            # Equal colours on both sides, also if a class has no cluster.
            label_order=np.union1d(y, clusters),
        )
        draw(clusters, ax=left, legend=False)
        draw(y, ax=right, legend=row == 0, legend_title="Class")
        right.set_ylabel("")
    grid[0][0].set_title("Predicted clusters, in the colour of the class they match")
    grid[0][1].set_title("True classes")
    figure.suptitle(f"{split.name}: test rows by their eigenfunctions")
    return figure


def draw_spectrum(model: NeuralEigenSpectralClustering, split: Split) -> Figure:
    """Plot the exact eigenvalues of the graph and the learned ones."""
    figure, [[axes]] = standalone_axes(1, 1, (6.4, 4.2))
    SpectrumDisplay.from_estimator(model, ax=axes, label="Exact, of the graph")
    index = np.arange(1, model.eigenvalues_.size + 1)
    axes.plot(index, model.eigenvalues_, "kx", label="Learned")
    classes = f"Number of classes: {split.n_classes}"
    axes.axvline(split.n_classes + 0.5, color=NEUTRAL, linestyle=":", label=classes)
    axes.legend(loc="upper right", framealpha=1.0)
    axes.set_title(f"{split.name}: eigenvalues of the random walk on training rows")
    return figure


def matched_labels(classes: IntArray, clusters: IntArray) -> IntArray:
    """Rename clusters one to one to the classes that they match best.

    Surplus clusters get numbers above those of the classes.
    """
    names, members = np.unique(clusters, return_inverse=True)
    table = contingency_matrix(classes, clusters)
    rows, columns = linear_sum_assignment(table, maximize=True)
    renamed = int(np.max(classes)) + 1 + np.arange(names.size)
    renamed[columns] = np.unique(classes)[rows]
    return np.asarray(renamed[members], dtype=np.int64)
