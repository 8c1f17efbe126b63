"""The only module that imports matplotlib, and only when something is drawn."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from neuraleig._extras import missing
from neuraleig._typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.collections import PathCollection as PathCollection
    from matplotlib.container import BarContainer as BarContainer
    from matplotlib.figure import Figure as Figure
    from matplotlib.image import AxesImage as AxesImage
    from matplotlib.legend import Legend as Legend
    from matplotlib.lines import Line2D as Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text as Text

# Both make room for a legend beside the axes; only "compressed" takes into account
# that the axes of an image are smaller than their cell.
Layout: TypeAlias = Literal["constrained", "compressed"]
# Entries per column of a legend at the height of a default figure; a legend with more
# entries has smaller text.
LEGEND_ROWS = 14
# Settings of what is drawn in the colour of the text.
INKED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
    "legend.labelcolor",
)


def require_matplotlib(caller: str) -> None:
    """Raise an ImportError that names the extra to install if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(missing(caller, "matplotlib", "plot")) from error


def new_axes(size: tuple[float, float] | None, layout: Layout) -> Axes:
    """Return the axes of a new pyplot figure of a size in inches."""
    from matplotlib import pyplot

    return pyplot.subplots(layout=layout, figsize=size)[1]


def merged_style(
    artist: Literal["Line2D", "PathCollection", "Patch"],
    defaults: Mapping[str, Any],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Return keywords of an artist; given values replace defaults, also by aliases."""
    from matplotlib import collections, lines, patches
    from matplotlib.cbook import normalize_kwargs

    homes = {"Line2D": lines, "PathCollection": collections, "Patch": patches}
    kind: Any = getattr(homes[artist], artist)
    own = normalize_kwargs(dict(given), kind)
    style = {**normalize_kwargs(dict(defaults), kind), **own}
    # matplotlib refuses or ignores a second keyword of colour.
    if {"c", "facecolor"} & own.keys() and "color" not in own:
        style.pop("color", None)
    return style


def check_one_style(style: Mapping[str, Any]) -> None:
    """Refuse keywords of ``scatter`` that differ by row if rows are drawn by label."""
    from matplotlib.colors import is_color_like

    if "label" in style:
        raise ValueError(
            f"label={style['label']!r} would be the name of all groups; leave it out."
        )
    for name in ("c", "s", "sizes", "color", "facecolors", "edgecolors", "linewidths"):
        value: Any = style.get(name)
        if value is not None and not is_color_like(value) and np.size(value) != 1:
            raise ValueError(
                f"{name} has {np.asarray(value).shape} values; with labels, which are "
                "drawn group by group, it must be a single one. Give no labels."
            )


def legend_beside(
    ax: Axes, handles: Iterable[Any], title: str, n_rows: int = LEGEND_ROWS
) -> Legend:
    """Draw a legend to the right of the axes, in columns of at most ``n_rows``."""
    shown = list(handles)
    return ax.legend(
        handles=shown,
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        ncols=max(1, -(-len(shown) // n_rows)),
        fontsize="small" if len(shown) > LEGEND_ROWS else "medium",
        # Markers are centred on their text.
        scatteryoffsets=[0.5],
        frameon=False,
        borderaxespad=0.0,
    )


def not_formula(text: str) -> str:
    """Text that matplotlib draws as it is, dollar signs included."""
    return text.replace("$", r"\$")


def label_at(ax: Axes, place: FloatArray, label: str) -> Text:
    """Write a label at a place (2,), legible on marks of any colour."""
    x, y = place.tolist()
    return ax.text(
        x,
        y,
        not_formula(label),
        ha="center",
        va="center",
        fontsize="small",
        fontweight="bold",
        color="black",
        bbox={
            "boxstyle": "round,pad=0.15",
            "facecolor": "white",
            "alpha": 0.75,
            "linewidth": 0,
        },
    )


def swatches(colors: Iterable[Any], labels: Iterable[str]) -> list[Patch]:
    """Return coloured patches with labels, as entries of a legend."""
    from matplotlib.patches import Patch

    pairs = zip(colors, labels, strict=True)
    return [Patch(facecolor=color, label=label) for color, label in pairs]


def panel_below(ax: Axes, share: float) -> Axes:
    """Return the panel in the lower part of axes, which are divided once."""
    panel = _companion(ax, "panel")
    if panel is None:
        panel = vars(ax)["_neuraleig_panel"] = _divided(ax, share)
        twin, spec = _companion(ax, "twin"), ax.get_subplotspec()
        if twin is not None and spec is not None:
            twin.set_subplotspec(spec)
    return panel


def has_panel(ax: Axes) -> bool:
    """Return whether axes have a panel below."""
    return _companion(ax, "panel") is not None


def twin_of(ax: Axes) -> Axes:
    """Return axes with a y axis of their own at the right; always the same ones."""
    twin = _companion(ax, "twin")
    if twin is None:
        twin = vars(ax)["_neuraleig_twin"] = ax.twinx()
    return twin


def _companion(ax: Axes, role: str) -> Axes | None:
    """Return the panel or twin of axes, unless it was removed from the figure."""
    figure: Any = ax.figure
    found = vars(ax).get(f"_neuraleig_{role}")
    return found if found in figure.axes else None


def _divided(ax: Axes, share: float) -> Axes:
    """Shrink axes to their upper part and return new axes below."""
    figure: Any = ax.figure
    spec = ax.get_subplotspec()
    if spec is not None:
        parts = spec.subgridspec(2, 1, height_ratios=[1 - share, share])
        ax.set_subplotspec(parts[0])
        below: Axes = figure.add_subplot(parts[1], sharex=ax)
        return below
    left, bottom, width, height = ax.get_position().bounds
    gap = 0.05 * height
    ax.set_position(
        (left, bottom + share * height + gap, width, (1 - share) * height - gap)
    )
    placed: Axes = figure.add_axes((left, bottom, width, share * height), sharex=ax)
    return placed


def standalone_axes(
    n_rows: int, n_columns: int, size: tuple[float, float]
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure outside of pyplot, its size in inches, and its axes by row."""
    require_matplotlib("A figure")
    from matplotlib.figure import Figure as Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex="row", sharey="row")
    return figure, axes.tolist()


def svg_text(
    draw: Callable[[Axes], object], size: tuple[float, float], *, ink: str, salt: str
) -> str:
    """Return the transparent SVG of a figure that ``draw`` draws, its size in inches.

    Axes and text have the colour ``ink``; ``salt`` seeds the identifiers. Equal figures
    give equal text, whatever the user's settings of matplotlib.
    """
    require_matplotlib("A figure")
    import matplotlib as mpl

    style: dict[Any, Any] = dict.fromkeys(INKED, ink) | {
        "svg.hashsalt": salt,
        "svg.fonttype": "none",
        "legend.framealpha": 0.0,
        "legend.edgecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        figure, ((ax,),) = standalone_axes(1, 1, size)
        draw(ax)
        buffer = io.StringIO()
        # None leaves an entry out; a date would differ each time.
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    return buffer.getvalue()
