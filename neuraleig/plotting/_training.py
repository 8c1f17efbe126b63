"""Display of the losses of a training."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._typing import FloatArray
from neuraleig.plotting._base import Display
from neuraleig.plotting._checks import check_choice
from neuraleig.plotting._curves import (
    NO_STEPS,
    Phase,
    Scale,
    check_curve_options,
    checked_curves,
    recorded_curves,
    scale_of,
    smoothed,
)
from neuraleig.plotting._matplotlib import (
    has_panel,
    merged_style,
    panel_below,
    twin_of,
)
from neuraleig.plotting._palette import ACCENT, COLORS, NEUTRAL, StyleOption

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, Line2D, Text

# Opacity of the losses behind their mean.
FAINT = 0.3
# Share of the height for the panel of temperatures.
TEMPERATURE_SHARE = 0.28


@dataclass(eq=False, repr=False)
class TrainingDisplay(Display):
    """Loss by training step, with the validation score and the temperature.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    loss_curve : ndarray of shape (n_steps,)
        Loss of each step; may be empty.
    validation_steps : ndarray of shape (n_evaluations,) or None, default=None
        Number of steps before each evaluation of the validation score.
    validation_scores : ndarray of shape (n_evaluations,) or None, default=None
        Objective on the validation data; lower is better.
    temperatures : ndarray of shape (n_steps,) or None, default=None
        Temperature of the soft assignments at each step.
    no_steps : str, default="No step of training."
        Text in place of an empty loss curve.

    Attributes
    ----------
    loss_line_ : Line2D or None
        Loss of each step.
    smoothed_line_ : Line2D or None
        Exponential mean of the losses.
    validation_line_ : Line2D or None
        Validation scores. They have a y axis of their own at the right, since their
        objective may differ from the loss.
    best_ : Line2D or None
        Marker of the lowest validation score, where early stopping keeps the weights.
    temperature_line_ : Line2D or None
        Temperatures, in a panel below.
    empty_ : Text or None
        Text in place of an empty loss curve.
    legend_ : Legend or None
        Legend above the axes, if there is more than one line.
    ax_ : Axes
        Axes of the losses.
    validation_ax_, temperature_ax_ : Axes or None
        Axes of the validation scores and of the temperatures.
    figure_ : Figure
        Figure of the axes.

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

    loss_curve: FloatArray
    _: KW_ONLY
    validation_steps: FloatArray | None = None
    validation_scores: FloatArray | None = None
    temperatures: FloatArray | None = None
    no_steps: str = "No step of training."
    loss_line_: Line2D | None = field(init=False, default=None)
    smoothed_line_: Line2D | None = field(init=False, default=None)
    validation_line_: Line2D | None = field(init=False, default=None)
    best_: Line2D | None = field(init=False, default=None)
    temperature_line_: Line2D | None = field(init=False, default=None)
    empty_: Text | None = field(init=False, default=None)
    legend_: Legend | None = field(init=False, default=None)
    validation_ax_: Axes | None = field(init=False, default=None)
    temperature_ax_: Axes | None = field(init=False, default=None)

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
        """Plot the training of a fitted estimator.

        An estimator keeps the losses of fine-tuning in ``loss_curve_``. Validation
        scores, annealed temperatures and the warm start are available if a
        :class:`neuraleig.training.TrainingHistory` was among its ``callbacks``.

        Parameters
        ----------
        estimator : estimator
            Fitted ``NeuralEigenSpectralClustering``, ``NeuralSpectralEmbedding`` or
            ``DenseSegmenter``, or a pipeline that ends in one.
        phase : {"fine_tuning", "warm_start"}, default="fine_tuning"
            Phase of the fit. If it took no step, a text replaces the curve.
        yscale, smoothing, legend, ax, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : TrainingDisplay
            Display that was drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator has no ``loss_curve_``.
        ValueError
            If an option is out of range, or the warm start was not recorded.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> from neuraleig.plotting import TrainingDisplay
        >>> X, _ = make_blobs(200, random_state=0, cluster_std=0.5)
        >>> model = NeuralEigenSpectralClustering(3, random_state=0).fit(X)
        >>> print(TrainingDisplay.from_estimator(model).empty_.get_text())
        No step of fine-tuning: the warm start was sufficient,
        or fine-tuning was switched off (max_iter=0).
        """
        cls._require_matplotlib("from_estimator")
        check_curve_options(yscale, smoothing)
        check_choice("phase", phase, NO_STEPS)
        return cls(**recorded_curves(estimator, phase)).plot(
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
        """Plot given losses.

        Parameters
        ----------
        loss_curve : array-like of shape (n_steps,)
            Loss of each step; may be empty.
        validation_steps : array-like of shape (n_evaluations,) or None, default=None
            Number of steps before each evaluation, 0 for one before training. Pass it
            together with ``validation_scores``.
        validation_scores : array-like of shape (n_evaluations,) or None, default=None
            Objective on the validation data; lower is better.
        temperatures : array-like of shape (n_steps,) or None, default=None
            Temperature of the soft assignments at each step.
        yscale, smoothing, legend, ax, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : TrainingDisplay
            Display that was drawn.

        Raises
        ------
        ValueError
            If values are not finite, lengths do not match, or an option is out of
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
        cls._require_matplotlib("from_predictions")
        curves = checked_curves(
            loss_curve, validation_steps, validation_scores, temperatures
        )
        return cls(**curves).plot(
            ax, yscale=yscale, smoothing=smoothing, legend=legend, **kwargs
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
        """Plot the losses.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure. A panel of temperatures
            takes their lower part.
        yscale : {"auto", "linear", "log"}, default="auto"
            Scale of the losses. ``"auto"``: logarithmic if all losses are positive and
            the largest is at least 20 times the smallest.
        smoothing : float or None, default=None
            Weight of the past, between 0 and 1, in an exponential mean of the losses
            that is drawn over them. ``None``: no mean.
        legend : bool, default=True
            Whether to draw a legend if there is more than one line.
        **kwargs : dict
            Keywords of ``Axes.plot`` for the losses.

        Returns
        -------
        display : TrainingDisplay
            This display.

        Raises
        ------
        ValueError
            If an option is out of range, or ``yscale="log"`` and a loss is not
            positive.
        """
        check_curve_options(yscale, smoothing)
        scale = scale_of(yscale, self.loss_curve)
        ax = self._begin(ax)
        ax.set(xlabel="" if has_panel(ax) else "Step", ylabel="Loss")
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        if self.loss_curve.size == 0:
            ax.set(xticks=[], yticks=[])
            self.empty_ = ax.text(
                0.5,
                0.5,
                self.no_steps,
                transform=ax.transAxes,
                ha="center",
                va="center",
            )
            return self
        self._draw_losses(ax, smoothing, kwargs)
        ax.set_yscale(scale)
        if self.temperatures is not None:
            self._draw_temperatures(ax, self.temperatures)
        scores, steps = self.validation_scores, self.validation_steps
        if scores is not None and steps is not None and scores.size:
            self._draw_validation(twin_of(ax), steps, scores)
        if legend:
            self._draw_legend(ax)
        return self

    def _draw_losses(
        self, ax: Axes, smoothing: float | None, kwargs: dict[str, StyleOption]
    ) -> None:
        steps = np.arange(1, self.loss_curve.size + 1)
        default = {"color": COLORS[0], "linewidth": 1.2, "label": "Loss"}
        if smoothing is not None:
            default["alpha"] = FAINT
        if steps.size == 1:
            # A line of one point would be invisible.
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
            label="Validation (right axis)",
        )
        lowest = np.argmin(scores)
        (self.best_,) = ax.plot(
            steps[lowest],
            scores[lowest],
            color=ACCENT,
            linestyle="none",
            marker="*",
            markersize=13,
            markeredgecolor="white",
            label=f"Lowest: step {steps[lowest]:g}",
        )
        ax.set_ylabel("Validation objective")
        self.validation_ax_ = ax

    def _draw_temperatures(self, ax: Axes, temperatures: FloatArray) -> None:
        panel = panel_below(ax, TEMPERATURE_SHARE)
        steps = np.arange(1, temperatures.size + 1)
        (self.temperature_line_,) = panel.plot(steps, temperatures, color=NEUTRAL)
        panel.set(xlabel="Step", ylabel="Temperature")
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
        self.temperature_ax_ = panel

    def _draw_legend(self, ax: Axes) -> None:
        losses = (self.loss_line_, self.smoothed_line_)
        lines = (*losses, self.validation_line_, self.best_)
        shown = [line for line in lines if line is not None]
        if len(shown) > 1:
            # Above the axes: losses leave no corner free.
            self.legend_ = ax.legend(
                handles=shown,
                loc="lower left",
                bbox_to_anchor=(0.0, 1.01),
                ncols=2,
                fontsize="small",
                frameon=False,
                borderaxespad=0.0,
            )
