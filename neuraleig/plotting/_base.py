"""Base class of the displays."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from neuraleig.plotting._matplotlib import Layout, new_axes, require_matplotlib

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Figure


class Display:
    """Data of a plot as attributes, and its artists, which end in an underscore."""

    ax_: Axes
    figure_: Figure

    @classmethod
    def _require_matplotlib(cls, method: str) -> None:
        require_matplotlib(f"{cls.__name__}.{method}")

    def _begin(
        self,
        ax: Axes | None,
        size: tuple[float, float] | None = None,
        layout: Layout = "constrained",
    ) -> Axes:
        """Discard the artists of the last plot and return the axes of the next one."""
        if ax is None:
            self._require_matplotlib("plot")
            ax = new_axes(size, layout)
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        self.ax_ = ax
        self.figure_ = cast("Figure", ax.figure)
        return ax
