"""Plots of a page as SVG elements."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting import (
    ClusterSizesDisplay,
    EmbeddingDisplay,
    SpectrumDisplay,
    TrainingDisplay,
)
from neuraleig.plotting._cluster_sizes import MAX_VERTICAL, height_of_bars
from neuraleig.plotting._matplotlib import svg_text
from neuraleig.plotting._palette import ACCENT, COLORS
from neuraleig.report._page import markup

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes

# Colour that is replaced by the text colour of the page, which may be light or dark.
INK = "#010203"
# Inches of most figures.
WIDTH, HEIGHT = 5.6, 3.2
# Ratio of the highest to the lowest bar from which the axis is logarithmic.
LOG_RANGE = 50
# Most clusters of a legend.
MAX_NAMED = 28

IDENTIFIER = re.compile(r'(?<=[\s"])id="([^"]*)"')
REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]+)')


def spectrum_svg(step: Any) -> str:  # noqa: ANN401 - estimator
    """Plot the eigenvalues of the graph and their gap."""
    # Without a warm start these are learned, and may be out of order.
    values = np.sort(np.asarray(step.graph_eigenvalues_, dtype=np.float64))[::-1]
    return _figure(
        "spectrum",
        lambda ax: SpectrumDisplay.from_predictions(values, ax=ax),
        accent=True,
    )


def sizes_svg(sizes: IntArray) -> str:
    """Plot the sizes of clusters."""
    height = HEIGHT
    if sizes.size > MAX_VERTICAL:
        height = max(HEIGHT, height_of_bars(sizes.size))
    return _figure(
        "sizes", lambda ax: ClusterSizesDisplay(sizes).plot(ax), height=height
    )


def training_svg(step: Any) -> str:  # noqa: ANN401 - estimator
    """Plot the losses of fine-tuning."""
    return _figure(
        "training",
        lambda ax: TrainingDisplay.from_estimator(step, smoothing=0.9, ax=ax),
        accent=True,
    )


def plane_svg(
    functions: FloatArray,
    eigenvalues: FloatArray,
    labels: IntArray | None,
    n_clusters: int,
) -> str:
    """Plot rows in the plane of two eigenfunctions."""
    return _figure(
        "plane",
        lambda ax: EmbeddingDisplay.from_predictions(
            functions,
            labels,
            eigenvalues=eigenvalues,
            label_order=None if labels is None else np.arange(n_clusters),
            legend_title="Cluster",
            legend=n_clusters <= MAX_NAMED,
            subsample=None,
            ax=ax,
        ),
        height=4.2,
    )


def confidence_svg(histogram: IntArray, unit: str) -> str:
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

    return _figure("confidence", draw)


def _figure(
    name: str,
    draw: Callable[[Axes], object],
    *,
    height: float = HEIGHT,
    accent: bool = False,
) -> str:
    text = inline_svg(svg_text(draw, (WIDTH, height), ink=INK, salt=name), name)
    text = text.replace(INK, "currentColor")
    if accent:
        text = text.replace(ACCENT, "var(--accent)")
    svg: str = markup(text)
    return svg


def inline_svg(text: str, name: str) -> str:
    """Return an SVG file of matplotlib as an element of a page.

    Prologue, namespaces, style rules and unused identifiers are removed. The others
    get the name of the figure as a prefix, so that figures do not share identifiers.
    """
    element = text[text.index("<svg") :]
    head, body = element.split(">", 1)
    head = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", head)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    used = set(REFERENCE.findall(body))

    def renamed(match: re.Match[str]) -> str:
        return f'id="{name}-{match[1]}"' if match[1] in used else ""

    body = IDENTIFIER.sub(renamed, body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    return f"{head}>{body}".strip()
