"""The one file that imports matplotlib, and only when something is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

__all__ = [
    "Axes",
    "Figure",
    "Legend",
    "Line2D",
    "require_matplotlib",
    "resolve_axes",
    "save_png",
    "standalone_axes",
]


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
        raise ImportError(
            f"{caller} needs matplotlib, which cannot be imported; install it with "
            'pip install "neuraleig[plot]"'
        ) from error


def resolve_axes(ax: Axes | None, caller: str) -> Axes:
    """Return the given axes, or those of a new figure of pyplot.

    Parameters
    ----------
    ax : Axes or None
        Axes of the caller; pyplot is not even imported for them.
    caller : str
        What draws, for the error where matplotlib is missing.

    Returns
    -------
    ax : Axes
        Axes to draw on.
    """
    if ax is not None:
        return ax
    require_matplotlib(caller)
    from matplotlib import pyplot

    # Constrained layout makes room for a legend beside the axes.
    return pyplot.subplots(layout="constrained")[1]


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
