"""Curves of a measure against the number of rows, with their exponents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, NullLocator

Curve = tuple[list[int], list[float]]

# Below this many rows fixed costs hide the exponent.
FROM_ROWS = 10_000
# Okabe and Ito's colours, which colour-blind readers tell apart; ours is the dark one.
COLOURS = {
    "KMeans": "#E69F00",
    "SC + kNN": "#009E73",
    "exact + kNN by parts": "#56B4E9",
    "Nystroem + KMeans": "#CC79A7",
    "UMAP + k-means": "#0072B2",
    "SpectralNet": "#D55E00",
    "ours": "#000000",
}
# Least distance of two labels, as a share of the height.
LABEL_GAP = 0.055
# Labels begin at this multiple of the last size.
LABEL_STEP = 1.12
# What a logarithmic axis shows of nothing at all.
LEAST = 1e-3


def exponent(sizes: list[int], values: list[float]) -> float | None:
    """Exponent ``a`` of ``n^a``, by least squares of the logarithms.

    From 10,000 rows; from the first where fewer than two sizes are that large.
    """
    n, values_ = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    positive = values_ > 0
    large = positive & (n >= FROM_ROWS)
    chosen = large if large.sum() >= 2 else positive
    if chosen.sum() < 2:
        return None
    return float(np.polyfit(np.log(n[chosen]), np.log(values_[chosen]), 1)[0])


def save(path: Path, curves: dict[str, Curve], title: str) -> None:
    """Draw the curves of all methods that finished anything."""
    figure = Figure(figsize=(8, 5), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    drawn = {name: curve for name, curve in curves.items() if curve[0]}
    for name, (sizes, values) in drawn.items():
        ours = name == "ours"
        axes.loglog(
            sizes,
            np.maximum(values, LEAST),
            color=COLOURS.get(name, "grey"),
            linewidth=2.6 if ours else 1.6,
            marker="o",
            markersize=6 if ours else 4,
            zorder=3 if ours else 2,
        )
    _style(axes, title)
    if drawn:
        _label(axes, drawn)
    figure.savefig(path)


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=13, pad=12)
    axes.set_xlabel("Rows")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(which="major", color="0.9")
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_number))
        axis.set_minor_locator(NullLocator())


def _number(value: float, position: int | None = None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _label(axes: Axes, curves: dict[str, Curve]) -> None:
    """Name every curve at its end, clear of the other names there."""
    low, high = np.log(axes.get_ylim())
    last = max(sizes[-1] for sizes, _ in curves.values())
    for end in sorted({sizes[-1] for sizes, _ in curves.values()}):
        heights = {
            name: (np.log(max(values[-1], LEAST)) - low) / (high - low)
            for name, (sizes, values) in curves.items()
            if sizes[-1] == end
        }
        for name, height in spread(heights).items():
            sizes, values = curves[name]
            power = exponent(sizes, values)
            stopped = end < last
            axes.annotate(
                name if power is None else f"{name}, $n^{{{power:.1f}}}$",
                xy=(end, max(values[-1], LEAST)),
                # A curve that stops early has others to its right.
                xytext=(end, height + LABEL_GAP)
                if stopped
                else (end * LABEL_STEP, height),
                textcoords=axes.get_xaxis_transform(),
                color=COLOURS.get(name, "grey"),
                fontweight="bold" if name == "ours" else "normal",
                horizontalalignment="right" if stopped else "left",
                verticalalignment="center",
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": "0.8", "linewidth": 0.8},
                path_effects=[withStroke(linewidth=3, foreground="white")],
                zorder=4,
            )


def spread(heights: dict[str, float]) -> dict[str, float]:
    """Move labels up, by as little as keeps them apart, from the lowest on."""
    placed: dict[str, float] = {}
    last = -np.inf
    for name in sorted(heights, key=heights.__getitem__):
        last = max(heights[name], last + LABEL_GAP)
        placed[name] = last
    return placed
