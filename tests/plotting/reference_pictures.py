"""Pictures of the displays, to be compared with those that were looked at.

They are small and without letters and legends, which every version of matplotlib and
every font draws in its own way; other tests look at those. After a change that is meant
to be seen, draw them anew by

    python tests/plotting/reference_pictures.py

look at every file that git shows as changed, and commit it with the change.
"""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import NullFormatter
from scipy.ndimage import gaussian_filter

from neuraleig.plotting import (
    ClusterCurveDisplay,
    ClusterMapDisplay,
    ClusterSizesDisplay,
    EmbeddingDisplay,
    SegmentationDisplay,
    SpectrumDisplay,
    TrainingDisplay,
)

BASELINES = Path(__file__).parent / "baselines"
DPI = 80
# Pixels over which pictures are smoothed: lines may move by part of a pixel.
BLUR = 2.0
# Largest difference of a colour channel, of 1, that is let pass after that. Versions
# 3.8 and 3.11 of matplotlib differ by 0.03; another colour, a point or a bar elsewhere
# by more than 0.2.
TOLERANCE = 0.1


def axes():
    """Axes at a fixed place, whatever is written beside them."""
    figure = Figure(figsize=(3.2, 2.2), dpi=DPI)
    FigureCanvasAgg(figure)
    grid = {"left": 0.08, "right": 0.92, "bottom": 0.08, "top": 0.92}
    return figure.subplots(gridspec_kw=grid)


def cluster_curve(ax, peak=1.8):
    strengths = [0.0, 0.3, peak, 0.6, -0.2]
    return ClusterCurveDisplay.from_predictions(strengths, n_clusters=4, ax=ax)


def spectrum(ax, last=0.55):
    return SpectrumDisplay.from_predictions([1, 0.99, 0.97, 0.7, 0.65, last], ax=ax)


def embedding(ax, shift=0.0):
    angles = np.linspace(0, 6, 60)
    rows = np.column_stack([np.cos(angles), np.sin(angles)])
    rows *= 1 + 0.2 * (np.arange(60) % 3)[:, None]
    rows[0] += shift
    return EmbeddingDisplay.from_predictions(rows, np.arange(60) // 10, ax=ax)


def single_function(ax):
    values = np.sin(np.arange(80.0))[:, None]
    return EmbeddingDisplay.from_predictions(
        values, subsample=40, random_state=0, ax=ax
    )


def cluster_map(ax, shift=0.0):
    angles = np.linspace(0, 6, 40)
    places = np.column_stack([np.cos(angles), np.sin(angles)])
    places[0] += shift
    labels = np.arange(40) // 10
    # Places are given: those of t-SNE differ between versions.
    return ClusterMapDisplay(
        places,
        labels=labels,
        anchors=places,
        anchor_coordinates=places,
        label_order=np.arange(4),
    ).plot(ax)


def cluster_sizes(ax, counts=(5, 9, 0, 3)):
    return ClusterSizesDisplay.from_predictions(
        np.repeat(np.arange(len(counts)), counts), n_clusters=5, ax=ax
    )


def sorted_shares(ax):
    labels = np.repeat(np.arange(14), np.arange(14) * 7 % 11 + 1)
    return ClusterSizesDisplay.from_predictions(
        labels, n_clusters=15, sort=True, normalize=True, ax=ax
    )


def training(ax, smoothing=0.8):
    steps = np.arange(100)
    losses = np.exp(-steps / 30) + 0.2 * np.sin(steps * 7.0)
    return TrainingDisplay.from_predictions(
        losses,
        validation_steps=[0, 25, 50, 75, 100],
        validation_scores=[2.0, 1.2, 1.0, 0.9, 1.1],
        temperatures=np.linspace(1, 0.3, 100),
        smoothing=smoothing,
        ax=ax,
    )


def logarithmic_training(ax):
    return TrainingDisplay.from_predictions(np.exp(-np.arange(40) / 6), ax=ax)


def segmentation(ax, opacity=0.5):
    rows, columns = np.mgrid[:60, :90]
    labels = (columns // 30 + (rows > 30)).astype(int)
    image = np.stack([rows * 4, columns * 2, 255 - rows * 3], axis=2).astype(np.uint8)
    return SegmentationDisplay.from_predictions(image, labels, opacity=opacity, ax=ax)


PICTURES = {
    draw.__name__: draw
    for draw in (
        cluster_curve,
        spectrum,
        embedding,
        single_function,
        cluster_map,
        cluster_sizes,
        sorted_shares,
        training,
        logarithmic_training,
        segmentation,
    )
}


def picture(draw, **options):
    """Pixels of a display without letters, of shape (height, width, 3), 0 to 1."""
    figure = draw(axes(), **options).figure_
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(NullFormatter())
            axis.set_minor_formatter(NullFormatter())
    # Letters, legends among them, whose lines are as high as the letters.
    for artist in (*figure.findobj(Text), *figure.findobj(Legend)):
        artist.set_visible(False)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[:, :, :3] / 255


def baseline(name):
    """The picture that was looked at."""
    return imread(BASELINES / f"{name}.png")[:, :, :3]


def difference(one, other):
    """Largest difference of two pictures, smoothed."""
    sigma = (BLUR, BLUR, 0)
    return np.abs(gaussian_filter(one, sigma) - gaussian_filter(other, sigma)).max()


def main():
    BASELINES.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        imsave(BASELINES / f"{name}.png", picture(draw), metadata={"Software": None})


if __name__ == "__main__":
    main()
