"""Display of what a training went through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._typing import FloatArray
from neuraleig.plotting._checks import check_choice
from neuraleig.plotting._curves import (
    Curves,
    Phase,
    Scale,
    check_curve_options,
    checked_curves,
    recorded_phase,
    scale_of,
    smoothed,
)
from neuraleig.plotting._fitted import fitted_step
from neuraleig.plotting._matplotlib import (
    has_panel,
    legend_above,
    merged_style,
    panel_below,
    require_matplotlib,
    resolve_axes,
    twin_of,
)
from neuraleig.plotting._palette import ACCENT, COLORS, NEUTRAL, StyleOption

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, Line2D, Text

# Opacity of a curve that stands behind its smoothed one.
FAINT = 0.3
# Share of the height that the panel of temperatures takes.
TEMPERATURE_SHARE = 0.28


class TrainingDisplay:
    """Loss by the step of a training, and what was held out to judge it.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    loss_curve : ndarray of shape (n_steps,)
        Loss of every step; may be empty.
    validation_steps : ndarray of shape (n_evaluations,) or None, default=None
        Steps done at every evaluation of what was held out.
    validation_scores : ndarray of shape (n_evaluations,) or None, default=None
        Held-out objective at these steps.
    temperatures : ndarray of shape (n_steps,) or None, default=None
        Temperature of the soft assignments at every step.
    no_steps : str, default="There was no step of training."
        Written where the loss curve is empty.

    Attributes
    ----------
    loss_line_ : Line2D or None
        Loss of every step; ``None`` where there was none.
    smoothed_line_ : Line2D or None
        Smoothed loss, where it was asked for.
    validation_line_ : Line2D or None
        Held-out objective, on an axis of its own at the right: it need not be the
        objective that is trained.
    best_ : Line2D or None
        Its lowest value, at the state that early stopping keeps.
    temperature_line_ : Line2D or None
        Temperatures, in a panel below.
    empty_ : Text or None
        Says that there was no step.
    legend_ : Legend or None
        Names what is drawn.
    ax_, validation_ax_, temperature_ax_ : Axes
        Where the loss, the held-out objective and the temperatures are drawn; ``None``
        for the last two where they are not.
    figure_ : Figure
        Figure of ``ax_``.

    See Also
    --------
    neuraleig.training.TrainingHistory : Callback that records a fit.

    Examples
    --------
    >>> from neuraleig.plotting import TrainingDisplay
    >>> display = TrainingDisplay.from_predictions([3.0, 2.0, 1.5, 1.4], smoothing=0.5)
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['Loss', 'Smoothed loss (weight 0.5)']
    >>> display.figure_.savefig("training.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        loss_curve: FloatArray,
        *,
        validation_steps: FloatArray | None = None,
        validation_scores: FloatArray | None = None,
        temperatures: FloatArray | None = None,
        no_steps: str = "There was no step of training.",
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_steps = validation_steps
        self.validation_scores = validation_scores
        self.temperatures = temperatures
        self.no_steps = no_steps

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        *,
        phase: Phase = "fine_tuning",
        yscale: Scale = "auto",
        smoothing: float | None = None,
        legend: bool = True,
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw how a fitted estimator was trained.

        An estimator keeps the losses of fine-tuning (``loss_curve_``). What was held
        out, the temperatures if they were annealed, and the warm start are known where
        a :class:`neuraleig.training.TrainingHistory` was among its ``callbacks``.

        Parameters
        ----------
        estimator : estimator
            A fitted ``NeuralEigenSpectralClustering``, ``NeuralSpectralEmbedding`` or
            ``DenseSegmenter``, or a pipeline that ends in one.
        phase : {"fine_tuning", "warm_start"}, default="fine_tuning"
            Which training to draw. One that took no step is said to have taken none.
        yscale : {"auto", "linear", "log"}, default="auto"
            Of the losses. ``"auto"``: logarithmic where all are positive and the
            largest is 20 times the smallest.
        smoothing : float or None, default=None
            Weight, between 0 and 1, of what came before in an exponential mean that is
            drawn over the losses; ``None``: no mean.
        legend : bool, default=True
            Whether to name what is drawn.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the losses.

        Returns
        -------
        display : TrainingDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no ``loss_curve_``.
        ValueError
            If an option is out of range, or nothing recorded the warm start.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> from neuraleig.plotting import TrainingDisplay
        >>> X, _ = make_blobs(200, random_state=0, cluster_std=0.5)
        >>> model = NeuralEigenSpectralClustering(3, random_state=0).fit(X)
        >>> print(TrainingDisplay.from_estimator(model).empty_.get_text())
        There was no step of fine-tuning: the warm start sufficed,
        or none was asked for (max_iter).
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_curve_options(yscale, smoothing)
        check_choice("phase", phase, ("fine_tuning", "warm_start"))
        curves = recorded_phase(fitted_step(estimator, "loss_curve_"), phase)
        display = cls._of(curves)
        return display.plot(
            ax, yscale=yscale, smoothing=smoothing, legend=legend, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        loss_curve: ArrayLike,
        *,
        validation_steps: ArrayLike | None = None,
        validation_scores: ArrayLike | None = None,
        temperatures: ArrayLike | None = None,
        yscale: Scale = "auto",
        smoothing: float | None = None,
        legend: bool = True,
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw given losses.

        Parameters
        ----------
        loss_curve : array-like of shape (n_steps,)
            Loss of every step; may be empty.
        validation_steps : array-like of shape (n_evaluations,) or None, default=None
            Steps done at every evaluation, 0 for one before training; to be given
            with ``validation_scores``.
        validation_scores : array-like of shape (n_evaluations,) or None, default=None
            Held-out objective at these steps; lower is better.
        temperatures : array-like of shape (n_steps,) or None, default=None
            Temperature of the soft assignments at every step.
        yscale, smoothing, legend
            As for :meth:`from_estimator`.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the losses.

        Returns
        -------
        display : TrainingDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the numbers are not finite, do not go together, or an option is out of
            range.

        Examples
        --------
        >>> from neuraleig.plotting import TrainingDisplay
        >>> display = TrainingDisplay.from_predictions(
        ...     [3.0, 2.0, 1.0], validation_steps=[0, 3], validation_scores=[2.5, 1.5]
        ... )
        >>> display.best_.get_xdata().tolist()
        [3.0]
        """
        require_matplotlib(f"{cls.__name__}.from_predictions")
        check_curve_options(yscale, smoothing)
        curves = checked_curves(
            loss_curve, validation_steps, validation_scores, temperatures
        )
        display = cls._of(curves)
        return display.plot(
            ax, yscale=yscale, smoothing=smoothing, legend=legend, **kwargs
        )

    @classmethod
    def _of(cls, curves: Curves) -> Self:
        """Display of checked curves, not drawn yet."""
        return cls(
            curves.losses,
            validation_steps=curves.score_steps,
            validation_scores=curves.scores,
            temperatures=curves.temperatures,
            no_steps=curves.no_steps,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        yscale: Scale = "auto",
        smoothing: float | None = None,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure. A panel of temperatures takes the
            lower part of them.
        yscale : {"auto", "linear", "log"}, default="auto"
            Of the losses. ``"auto"``: logarithmic where all are positive and the
            largest is 20 times the smallest.
        smoothing : float or None, default=None
            Weight, between 0 and 1, of what came before in an exponential mean that is
            drawn over the losses; ``None``: no mean.
        legend : bool, default=True
            Whether to name what is drawn.
        **kwargs : dict
            Passed to ``Axes.plot`` for the losses.

        Returns
        -------
        display : TrainingDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If an option is out of range, or a logarithm asked for of losses that are
            not positive.
        """
        check_curve_options(yscale, smoothing)
        scale = scale_of(yscale, self.loss_curve)
        ax = resolve_axes(ax, "TrainingDisplay.plot")
        self._begin(ax)
        if self.loss_curve.size == 0:
            self._say_nothing(ax)
            return self
        self._draw_losses(ax, smoothing, kwargs)
        ax.set_yscale(scale)
        if self.temperatures is not None:
            self._draw_temperatures(ax, self.temperatures)
        scores, steps = self.validation_scores, self.validation_steps
        if scores is not None and steps is not None and scores.size:
            self._draw_validation(twin_of(ax), steps, scores)
        if legend:
            self._explain(ax)
        return self

    def _begin(self, ax: Axes) -> None:
        """Set all attributes, most of them to nothing yet."""
        self.loss_line_: Line2D | None = None
        self.smoothed_line_: Line2D | None = None
        self.validation_line_: Line2D | None = None
        self.best_: Line2D | None = None
        self.temperature_line_: Line2D | None = None
        self.empty_: Text | None = None
        self.legend_: Legend | None = None
        self.validation_ax_: Axes | None = None
        self.temperature_ax_: Axes | None = None
        ax.set(xlabel="" if has_panel(ax) else "Step", ylabel="Loss")
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        self.ax_ = ax
        self.figure_ = ax.figure

    def _say_nothing(self, ax: Axes) -> None:
        ax.set(xticks=[], yticks=[])
        place = ax.transAxes
        self.empty_ = ax.text(
            0.5, 0.5, self.no_steps, transform=place, ha="center", va="center"
        )

    def _draw_losses(
        self, ax: Axes, smoothing: float | None, kwargs: dict[str, StyleOption]
    ) -> None:
        steps = np.arange(1, self.loss_curve.size + 1)
        default = {"color": COLORS[0], "linewidth": 1.2, "label": "Loss"}
        if smoothing is not None:
            default["alpha"] = FAINT
        if steps.size == 1:
            # A line of one point is nothing to see.
            default["marker"] = "o"
        style = merged_style("Line2D", default, kwargs)
        (self.loss_line_,) = ax.plot(steps, self.loss_curve, **style)
        if smoothing is not None:
            (self.smoothed_line_,) = ax.plot(
                steps,
                smoothed(self.loss_curve, smoothing),
                color=self.loss_line_.get_color(),
                linewidth=2.0,
                label=f"Smoothed loss (weight {smoothing:g})",
            )

    def _draw_validation(self, ax: Axes, steps: FloatArray, scores: FloatArray) -> None:
        (self.validation_line_,) = ax.plot(
            steps,
            scores,
            color=ACCENT,
            linestyle="--",
            marker="s",
            markersize=4,
            label="Held out (right axis)",
        )
        lowest = int(np.argmin(scores))
        (self.best_,) = ax.plot(
            [steps[lowest]],
            [scores[lowest]],
            color=ACCENT,
            linestyle="none",
            marker="*",
            markersize=13,
            markeredgecolor="white",
            label=f"Lowest: step {steps[lowest]:g}",
        )
        ax.set_ylabel("Held-out objective")
        self.validation_ax_ = ax

    def _draw_temperatures(self, ax: Axes, temperatures: FloatArray) -> None:
        panel = panel_below(ax, TEMPERATURE_SHARE)
        steps = np.arange(1, temperatures.size + 1)
        (self.temperature_line_,) = panel.plot(steps, temperatures, color=NEUTRAL)
        panel.set(xlabel="Step", ylabel="Temperature")
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
        self.temperature_ax_ = panel

    def _explain(self, ax: Axes) -> None:
        losses = (self.loss_line_, self.smoothed_line_)
        lines = (*losses, self.validation_line_, self.best_)
        shown = [line for line in lines if line is not None]
        if len(shown) > 1:
            # Losses have no corner that they leave free.
            self.legend_ = legend_above(ax, shown)
