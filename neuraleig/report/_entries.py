"""Variables of the template that pages of rows and of images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neuraleig._typing import IntArray
from neuraleig._words import count_text, share_text
from neuraleig.plotting import (
    ClusterCurveDisplay,
    ClusterSizesDisplay,
    SpectrumDisplay,
    TrainingDisplay,
)
from neuraleig.plotting._cluster_sizes import MAX_VERTICAL, height_of_bars
from neuraleig.plotting._curves import NO_STEPS
from neuraleig.plotting._palette import COLORS, colors_of
from neuraleig.report._figures import HEIGHT, figure_svg
from neuraleig.report._statistics import Confidences

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes

# Ratio of the highest to the lowest bar from which the axis is logarithmic.
LOG_RANGE = 50
# What a probability means.
MEANINGS = {
    "row": (
        "It estimates how often a label is right, without classes: it cannot know that "
        "a cluster is not the class that it is taken for."
    ),
    "pixel": (
        "It measures how clearly the model decides, not how often it is correct."
    ),
}


def cluster_entries(
    counts: Confidences, names: Mapping[int, str], unit: str, source: str
) -> dict[str, Any]:
    """Return clusters, their sizes and probabilities; ``unit`` is "row" or "pixel"."""
    sizes = counts.sizes
    total = int(sizes.sum())
    n_empty = int(np.count_nonzero(sizes == 0))
    subject = (
        f"{count_text(total, unit)} of {source} in {count_text(sizes.size, 'cluster')}"
    )
    empty = f" {count_text(n_empty, 'cluster')} without {unit}s." if n_empty else ""
    doubtful = "none"
    if counts.n_doubtful:
        doubtful = share_text(counts.n_doubtful / total)
    units = f"{unit}s".capitalize()
    return {
        "clusters": _clusters(counts, names),
        "subject": subject,
        "unit": units,
        "total": total,
        "sizes": {"svg": _sizes_svg(sizes), "note": f"{subject}.{empty}"},
        "confidence": {
            "svg": _confidence_svg(counts.histogram, units),
            "mean": counts.mean,
            "note": (
                "The mean probability of the assigned cluster is "
                f"{share_text(counts.mean)}; for {doubtful} of the {unit}s it is below "
                f"50\u00a0%. {MEANINGS[unit]}"
            ),
        },
    }


def _clusters(counts: Confidences, names: Mapping[int, str]) -> list[dict[str, Any]]:
    sizes, means = counts.sizes, counts.means
    colors = colors_of(sizes.size)
    return [
        {
            "number": cluster,
            "name": names.get(cluster, ""),
            "color": colors[cluster],
            "size": int(sizes[cluster]),
            "share": float(sizes[cluster] / sizes.sum()),
            "confidence": None if np.isnan(means[cluster]) else float(means[cluster]),
        }
        for cluster in range(sizes.size)
    ]


def spectrum_entry(step: Any) -> dict[str, Any]:  # noqa: ANN401 - estimator
    """Return a figure of the eigenvalues."""
    note = (
        "Eigenvalues of the training graph. The first belongs to the constant function."
    )
    # Without a warm start these are learned, and may be out of order.
    values = np.sort(np.asarray(step.graph_eigenvalues_, dtype=np.float64))[::-1]
    svg = figure_svg(
        "spectrum",
        lambda ax: SpectrumDisplay.from_predictions(
            values, suggested_n_clusters=_marked(step, values.size), ax=ax
        ),
        accent=True,
    )
    return {"svg": svg, "note": note}


def _marked(step: Any, n_values: int) -> int | Literal["auto"] | None:  # noqa: ANN401
    """Return the gap to mark: that of the curve, if there is one."""
    curve = getattr(step, "cluster_curve_", None)
    if curve is None:
        return "auto"
    return curve.best if 1 < curve.best < n_values else None


def curve_entry(step: Any) -> dict[str, Any] | None:  # noqa: ANN401 - estimator
    """Return a figure of the strengths of all numbers of clusters, if there are any."""
    curve = getattr(step, "cluster_curve_", None)
    if curve is None:
        return None
    note = (
        f"Of {count_text(curve.n_clusters.size, 'number')} of clusters, {curve.best} "
        f"has the largest strength; {count_text(step.n_clusters_, 'cluster')} in use."
    )
    svg = figure_svg(
        "curve",
        lambda ax: ClusterCurveDisplay.from_estimator(step, ax=ax),
        accent=True,
    )
    return {"svg": svg, "note": note}


def training_entry(step: Any) -> dict[str, Any] | None:  # noqa: ANN401 - estimator
    """Return a figure of the losses, or a sentence if there was no step."""
    losses = getattr(step, "loss_curve_", None)
    if losses is None:
        return None
    if not len(losses):
        return {"svg": "", "note": " ".join(NO_STEPS["fine_tuning"].split())}
    note = f"Loss of {count_text(len(losses), 'step')} of fine-tuning."
    svg = figure_svg(
        "training",
        lambda ax: TrainingDisplay.from_estimator(step, smoothing=0.9, ax=ax),
        accent=True,
    )
    return {"svg": svg, "note": note}


def _sizes_svg(sizes: IntArray) -> str:
    height = height_of_bars(sizes.size) if sizes.size > MAX_VERTICAL else HEIGHT
    return figure_svg("sizes", ClusterSizesDisplay(sizes).plot, height=height)


def _confidence_svg(histogram: IntArray, unit: str) -> str:
    """Plot the number of rows or pixels by the probability of their cluster."""

    def draw(ax: Axes) -> None:
        width = 100 / histogram.size
        left = width * np.arange(histogram.size)
        ax.bar(left, histogram, width, align="edge", color=COLORS[0], linewidth=0)
        ax.set(xlabel="Probability of the cluster (%)", ylabel=unit, xlim=(0, 100))
        counted = histogram[histogram > 0]
        if counted.max() >= LOG_RANGE * counted.min():
            ax.set_yscale("log")
            # A count of 1 has a visible bar.
            ax.set_ylim(bottom=0.5)
        ax.yaxis.set_major_formatter("{x:,.10g}")

    return figure_svg("confidence", draw)
