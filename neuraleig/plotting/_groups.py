"""Rows in the plane, drawn label by label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from neuraleig._typing import FloatArray
from neuraleig.plotting._matplotlib import legend_beside, merged_style, not_formula
from neuraleig.plotting._palette import colors_of, marker_of

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, PathCollection

# Most labels of a legend; more would not fit into the figure.
MAX_LEGEND_LABELS = 40
# Most rows drawn by default; more would cover each other.
SUBSAMPLE = 10_000
# Number of rows above which markers shrink, and vector files hold them as one picture.
MANY_ROWS = 2_000
# Areas of markers in square points.
MARK_SIZE, MIN_MARK_SIZE, LEGEND_MARK_SIZE = 18.0, 2.0, 40.0


def draw_groups(
    ax: Axes,
    plane: FloatArray,
    labels: NDArray[Any] | None,
    label_order: NDArray[Any] | None,
    *,
    legend_title: str | None,
    style: Mapping[str, Any],
    names: Mapping[Any, str] | None = None,
) -> tuple[list[PathCollection], Legend | None]:
    """Draw rows (n_rows, 2) by label, and a legend unless ``legend_title`` is None.

    ``names`` has the texts of labels in the legend that are not the labels themselves.
    """
    n_rows = max(len(plane), 1)
    default: dict[str, Any] = {
        "s": max(MARK_SIZE * min(1.0, MANY_ROWS / n_rows), MIN_MARK_SIZE),
        "linewidths": 0,
        "rasterized": n_rows > MANY_ROWS,
    }
    colors = colors_of(1 if label_order is None else len(label_order))
    scatters = []
    for position, name, rows in _groups(plane, labels, label_order):
        look = {"color": colors[position], "marker": marker_of(position)}
        text = None if name is None else not_formula((names or {}).get(name, str(name)))
        merged = merged_style("PathCollection", default | look | {"label": text}, style)
        scatters.append(ax.scatter(rows[:, 0], rows[:, 1], **merged))
    n_shown = 0 if labels is None else len(scatters)
    if legend_title is None or not 0 < n_shown <= MAX_LEGEND_LABELS:
        return scatters, None
    legend = legend_beside(ax, scatters, legend_title)
    handles: list[Any] = list(legend.legend_handles)
    for handle in handles:
        # Visible, however small and transparent the markers of rows are.
        handle.set(sizes=[LEGEND_MARK_SIZE], alpha=1.0)
    return scatters, legend


def _groups(
    plane: FloatArray, labels: NDArray[Any] | None, label_order: NDArray[Any] | None
) -> Iterator[tuple[int, Any, FloatArray]]:
    """Yield position, label and coordinates of each label that occurs."""
    if labels is None or label_order is None:
        yield 0, None, plane
        return
    for position, label in enumerate(label_order):
        members = labels == label
        if members.any():
            yield position, label, plane[members]
