"""Draw the figures of docs/plotting.md, one PNG per display.

Run it from the root of the repository with

    python examples/plot_displays.py [--out docs/figures]

It takes about 15 seconds on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig.plotting import (
    ClusterCurveDisplay,
    ClusterMapDisplay,
    ClusterSizesDisplay,
    EmbeddingDisplay,
    SegmentationDisplay,
    SpectrumDisplay,
    TrainingDisplay,
)
from neuraleig.training import Training, TrainingHistory

WIDTH, HEIGHT, DPI = 5.6, 3.6, 100


def drawn(draw, *, size=(WIDTH, HEIGHT), layout="constrained"):
    """Return a new figure with a display."""
    figure = Figure(figsize=size, dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    draw(figure.subplots())
    return figure


def save_small(figure, path):
    """Write a PNG of 256 colours, which include rare ones."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[:, :, :3]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def figures_of_rows(seed):
    X, _ = load_digits(return_X_y=True)
    X = X / X.std()
    model = NeuralEigenSpectralClustering(
        10,
        training=Training(max_iter=300, temperature=(1.0, 0.3)),
        callbacks=[TrainingHistory()],
        random_state=seed,
    ).fit(X)
    curved = NeuralEigenSpectralClustering("auto", random_state=seed).fit(X)
    return {
        "spectrum": drawn(lambda ax: SpectrumDisplay.from_estimator(model, ax=ax)),
        "cluster_curve": drawn(
            lambda ax: ClusterCurveDisplay.from_estimator(curved, ax=ax)
        ),
        "embedding": drawn(lambda ax: EmbeddingDisplay.from_estimator(model, X, ax=ax)),
        "cluster_map": drawn(
            lambda ax: ClusterMapDisplay.from_estimator(
                model, X, random_state=seed, ax=ax
            ),
            size=(WIDTH, 4.2),
        ),
        "cluster_sizes": drawn(
            lambda ax: ClusterSizesDisplay.from_estimator(model, ax=ax)
        ),
        "training": drawn(
            lambda ax: TrainingDisplay.from_estimator(model, smoothing=0.9, ax=ax),
            size=(WIDTH, 4.2),
        ),
    }


def figures_of_images(seed):
    images = load_sample_images().images
    segmenter = DenseSegmenter(
        6,
        backbone="color_texture",
        refine="guided",
        random_state=seed,
    ).fit(images)

    def draw(ax):
        SegmentationDisplay.from_estimator(segmenter, images[0], ax=ax)

    return {"segmentation": drawn(draw, size=(5.0, 2.4), layout="compressed")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    figures = figures_of_rows(arguments.seed) | figures_of_images(arguments.seed)
    for name, figure in figures.items():
        path = arguments.out / f"display_{name}.png"
        if name == "segmentation":
            # A photograph has more than 256 colours.
            figure.savefig(path)
        else:
            save_small(figure, path)
        print(path)


if __name__ == "__main__":
    main()
