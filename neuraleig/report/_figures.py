"""Plots as SVG that stands in a page: the displays, and probabilities."""

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

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes

# Stands for the colour of the text of the page, which is light or dark.
INK = "#010203"
# Inches of most figures.
WIDTH, HEIGHT = 5.6, 3.2
# Bars of which one is so much higher than another are seen on a logarithmic axis.
LOG_RANGE = 50
# Clusters that a legend has room for.
MAX_NAMED = 28

IDENTIFIER = re.compile(r'(?<=[\s"])id="([^"]*)"')
REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]+)')


def spectrum_svg(step: Any) -> str:  # noqa: ANN401 - estimator
    """Eigenvalues of the graph, with the gap that suggests a number of clusters."""
    # Learned ones, where there are no others, need not be in order.
    values = np.sort(np.asarray(step.graph_eigenvalues_, dtype=np.float64))[::-1]
    return _figure(
        "spectrum",
        lambda ax: SpectrumDisplay.from_predictions(values, ax=ax),
        accent=True,
    )


def sizes_svg(sizes: IntArray) -> str:
    """Bars of the sizes of clusters."""
    height = HEIGHT
    if sizes.size > MAX_VERTICAL:
        height = max(HEIGHT, height_of_bars(sizes.size))
    return _figure(
        "sizes", lambda ax: ClusterSizesDisplay(sizes).plot(ax), height=height
    )


def training_svg(step: Any) -> str:  # noqa: ANN401 - estimator
    """Losses of fine-tuning."""
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
    """Rows in the plane of two eigenfunctions, the constant one left out."""
    return _figure(
        "plane",
        lambda ax: EmbeddingDisplay.from_predictions(
            functions,
            labels,
            eigenvalues=eigenvalues,
            label_order=None if labels is None else np.arange(n_clusters),
            legend_title="Cluster",
            legend=labels is not None and n_clusters <= MAX_NAMED,
            subsample=None,
            ax=ax,
        ),
        height=4.2,
    )


def confidence_svg(histogram: IntArray, what: str) -> str:
    """Rows or pixels by the probability of their cluster."""

    def draw(ax: Axes) -> None:
        width = 100 / histogram.size
        left = width * np.arange(histogram.size)
        ax.bar(left, histogram, width, align="edge", color=COLORS[0], linewidth=0)
        ax.set(xlabel="Probability of the cluster (%)", ylabel=what, xlim=(0, 100))
        counted = histogram[histogram > 0]
        if counted.max() >= LOG_RANGE * counted.min():
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:,g}")
            # A bar of one is to be seen.
            ax.set_ylim(bottom=0.5)

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
    return text.replace(ACCENT, "var(--accent)") if accent else text


def inline_svg(text: str, name: str) -> str:
    """SVG of a file as an element of a page.

    Parameters
    ----------
    text : str
        What matplotlib writes.
    name : str
        Of the figure: identifiers begin with it, for they must not meet others.

    Returns
    -------
    element : str
        Without prologue, namespaces, rules of style, and identifiers that nothing
        refers to. Two figures of a page may each have what they refer to.
    """
    element = text[text.index("<svg") :]
    head, body = element.split(">", 1)
    head = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", head)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    wanted = set(REFERENCE.findall(body))

    def renamed(match: re.Match[str]) -> str:
        return f'id="{name}-{match[1]}"' if match[1] in wanted else ""

    body = IDENTIFIER.sub(renamed, body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    return f"{head}>{body}".strip()
