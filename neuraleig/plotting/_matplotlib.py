"""The one file that imports matplotlib, and only when something is drawn."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neuraleig._extras import missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

__all__ = [
    "Axes",
    "AxesImage",
    "BarContainer",
    "Figure",
    "Legend",
    "Line2D",
    "Patch",
    "PathCollection",
    "Text",
    "check_one_style",
    "has_panel",
    "legend_above",
    "legend_beside",
    "merged_style",
    "panel_below",
    "require_matplotlib",
    "resolve_axes",
    "save_png",
    "set_all",
    "standalone_axes",
    "svg_text",
    "swatches",
    "twin_of",
]

# Labels per column of a legend beside the axes, at the height of a default figure, and
# beyond how many labels they are written smaller.
LEGEND_ROWS = 14
CROWDED = 14
# What is drawn in the colour of the text.
INKED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
    "legend.labelcolor",
)


def require_matplotlib(caller: str) -> None:
    """Raise an error that names the extra to install where matplotlib is missing.

    Parameters
    ----------
    caller : str
        What needs it.

    Raises
    ------
    ImportError
        If matplotlib cannot be imported.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(missing(caller, "matplotlib", "plot")) from error


def resolve_axes(
    ax: Axes | None,
    caller: str,
    size: tuple[float, float] | None = None,
    *,
    keeps_aspect: bool = False,
) -> Axes:
    """Return the given axes, or those of a new figure of pyplot.

    Parameters
    ----------
    ax : Axes or None
        Axes of the caller; pyplot is not even imported for them.
    caller : str
        What draws, for the error where matplotlib is missing.
    size : tuple of two floats or None, default=None
        Width and height of a new figure in inches; ``None``: matplotlib's.
    keeps_aspect : bool, default=False
        Whether an image is drawn, whose shape the axes take.

    Returns
    -------
    ax : Axes
        Axes to draw on.
    """
    if ax is not None:
        return ax
    require_matplotlib(caller)
    from matplotlib import pyplot

    # Both make room for a legend beside the axes; only the second knows that axes of
    # an image are smaller than their place.
    layout: Literal["constrained", "compressed"] = "constrained"
    if keeps_aspect:
        layout = "compressed"
    return pyplot.subplots(layout=layout, figsize=size)[1]


def merged_style(
    artist: Literal["Line2D", "PathCollection", "Patch"],
    defaults: Mapping[str, Any],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Keywords of an artist where those of the user replace the defaults.

    Parameters
    ----------
    artist : {"Line2D", "PathCollection", "Patch"}
        Whose keywords they are: ``lw`` replaces ``linewidth``.
    defaults, given : mapping of str to object
        Keywords.

    Returns
    -------
    style : dict of str to object
        Without any keyword under two names.
    """
    from matplotlib import collections, lines, patches
    from matplotlib.cbook import normalize_kwargs

    kinds = {
        "Line2D": lines.Line2D,
        "PathCollection": collections.PathCollection,
        "Patch": patches.Patch,
    }
    kind: Any = kinds[artist]
    own = normalize_kwargs(dict(given), kind)
    style = {**normalize_kwargs(dict(defaults), kind), **own}
    # Colours have more than one keyword, and matplotlib refuses or ignores a second.
    if {"c", "facecolor"} & own.keys() and "color" not in own:
        style.pop("color", None)
    return style


def check_one_style(style: Mapping[str, Any]) -> None:
    """Refuse what cannot hold for every group of rows that has a label.

    Parameters
    ----------
    style : mapping of str to object
        Keywords of ``Axes.scatter``.

    Raises
    ------
    ValueError
        If a colour or size is one per row, or there is one label for all.
    """
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
    """Put a legend to the right of the axes, where it hides nothing.

    Parameters
    ----------
    ax : Axes
        Which it explains.
    handles : iterable of Artist
        With labels, in their order.
    title : str
        Above them.
    n_rows : int, default=14
        Most labels of a column.

    Returns
    -------
    legend : Legend
        In as many columns as it takes, of smaller letters where they are many.
    """
    shown = list(handles)
    return ax.legend(
        handles=shown,
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        ncols=max(1, -(-len(shown) // n_rows)),
        fontsize="small" if len(shown) > CROWDED else "medium",
        # The shapes stand at the height of the letters.
        scatteryoffsets=[0.5],
        frameon=False,
        borderaxespad=0.0,
    )


def legend_above(ax: Axes, handles: list[Any]) -> Legend:
    """Put a legend of few and long labels above the axes, in two columns."""
    return ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.01),
        ncols=2,
        fontsize="small",
        frameon=False,
        borderaxespad=0.0,
    )


def panel_below(ax: Axes, share: float) -> Axes:
    """Give the lower part of axes to others, which have the same values along x.

    Parameters
    ----------
    ax : Axes
        They keep the upper part.
    share : float
        Of the height that the panel gets, the gap between both not counted.

    Returns
    -------
    panel : Axes
        Below; the one that is there already, if the axes were divided before.
    """
    former = _companion(ax, "panel")
    if former is not None:
        return former
    panel = _companions(ax)["panel"] = _divided(ax, share)
    twin = _companion(ax, "twin")
    spec = ax.get_subplotspec()
    if twin is not None and spec is not None:
        twin.set_subplotspec(spec)
    return panel


def has_panel(ax: Axes) -> bool:
    """Whether others have the lower part of axes."""
    return _companion(ax, "panel") is not None


def twin_of(ax: Axes) -> Axes:
    """Axes with a scale of their own at the right; one for all that is drawn."""
    twin = _companion(ax, "twin")
    if twin is None:
        twin = _companions(ax)["twin"] = ax.twinx()
    return twin


def _companions(ax: Axes) -> dict[str, Axes]:
    """Axes that were put beside others, kept with these as long as they live."""
    found: dict[str, Axes] = vars(ax).setdefault("_neuraleig_companions", {})
    return found


def _companion(ax: Axes, role: str) -> Axes | None:
    """One of them, if it was not removed since."""
    figure: Any = ax.figure
    found = _companions(ax).get(role)
    return found if found in figure.axes else None


def _divided(ax: Axes, share: float) -> Axes:
    """New axes in the lower part of others."""
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


def set_all(artists: Iterable[Any], **properties: Any) -> None:  # noqa: ANN401
    """Set properties of several artists."""
    for artist in artists:
        artist.set(**properties)


def swatches(colors: Iterable[Any], labels: Iterable[str]) -> list[Patch]:
    """Make patches of colours for a legend."""
    from matplotlib.patches import Patch

    pairs = zip(colors, labels, strict=True)
    return [Patch(facecolor=color, label=label) for color, label in pairs]


def standalone_axes(
    n_rows: int, n_columns: int, size: tuple[float, float]
) -> tuple[Figure, list[list[Axes]]]:
    """Make a figure that pyplot does not know, to be saved without a display.

    Parameters
    ----------
    n_rows, n_columns : int
        Shape of the grid of axes; those of one row share their limits.
    size : tuple of two floats
        Width and height of the figure in inches.

    Returns
    -------
    figure : Figure
        Saved as PNG by ``figure.savefig``, whatever backend is set.
    axes : list of list of Axes
        Row by row.
    """
    require_matplotlib("A figure")
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex="row", sharey="row")
    return figure, axes.tolist()


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure at a resolution that is sharp on paper and screen."""
    figure.savefig(path, format="png", dpi=160)


def svg_text(
    draw: Callable[[Axes], object],
    size: tuple[float, float],
    *,
    ink: str,
    salt: str,
) -> str:
    """Draw a figure, and return it as SVG.

    Parameters
    ----------
    draw : callable
        Is given the axes of a figure of its own.
    size : tuple of two floats
        Width and height of the figure in inches.
    ink : str
        Colour of axes, ticks and text.
    salt : str
        Enters the identifiers, which are random otherwise.

    Returns
    -------
    text : str
        The same for the same figure, whatever style the caller has set; texts are
        texts, and the paper is transparent.
    """
    require_matplotlib("A figure")
    import matplotlib as mpl

    style: dict[Any, Any] = dict.fromkeys(INKED, ink)
    style |= {
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
        # None leaves an entry out: a date would be another one every time.
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    return buffer.getvalue()
