"""Curves of a training: those that were recorded, smoothed ones, their scale."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter

from neuraleig._typing import FloatArray
from neuraleig.plotting._checks import check_choice, check_lengths, check_series
from neuraleig.training import PhaseHistory, TrainingHistory

Phase: TypeAlias = Literal["fine_tuning", "warm_start"]
Scale: TypeAlias = Literal["auto", "linear", "log"]
# Losses that are positive and fall by this factor are read off a logarithmic axis.
LOG_RANGE = 20.0
# What an empty curve means.
NO_STEPS = {
    "fine_tuning": (
        "There was no step of fine-tuning: the warm start sufficed,\n"
        "or none was asked for (max_iter)."
    ),
    "warm_start": (
        "There was no step of a warm start: least squares sufficed,\n"
        'or the fit began from random weights (init="random").'
    ),
}


@dataclass(frozen=True)
class Curves:
    """What is known of one training.

    Parameters
    ----------
    losses : ndarray of shape (n_steps,)
        Loss of every step.
    score_steps, scores : ndarray of shape (n_evaluations,) or None
        Held-out objective and when it was evaluated, if it was.
    temperatures : ndarray of shape (n_steps,) or None
        Temperature of every step, if it was annealed.
    no_steps : str
        What it means if there are no losses.
    """

    losses: FloatArray
    score_steps: FloatArray | None
    scores: FloatArray | None
    temperatures: FloatArray | None
    no_steps: str = "There was no step of training."


def checked_curves(
    loss_curve: ArrayLike,
    validation_steps: ArrayLike | None,
    validation_scores: ArrayLike | None,
    temperatures: ArrayLike | None,
) -> Curves:
    """Check given curves.

    The parameters are those of :meth:`TrainingDisplay.from_predictions`.
    """
    losses = check_series("loss_curve", loss_curve)
    if (validation_steps is None) != (validation_scores is None):
        raise ValueError(
            "validation_steps and validation_scores must be given together: the steps "
            "of the evaluations, and what they came to."
        )
    steps = scores = None
    if validation_steps is not None and validation_scores is not None:
        scores = check_series("validation_scores", validation_scores)
        steps = check_series("validation_steps", validation_steps)
        check_lengths(
            "validation_steps", steps, scores.size, "value of validation_scores"
        )
    if temperatures is not None:
        temperatures = check_series("temperatures", temperatures)
        check_lengths("temperatures", temperatures, losses.size, "value of loss_curve")
    return Curves(losses, steps, scores, temperatures)


def recorded_phase(step: Any, phase: Phase) -> Curves:  # noqa: ANN401
    """Read one training off a fitted estimator and its callbacks.

    Parameters
    ----------
    step : estimator
        Fitted, with ``loss_curve_``.
    phase : {"fine_tuning", "warm_start"}
        Which training.

    Returns
    -------
    recorded : Curves
        The losses alone where nothing recorded the fit.

    Raises
    ------
    ValueError
        If nothing recorded the warm start.
    """
    history = _history_of(step)
    if history is None and phase == "warm_start":
        raise ValueError(
            "phase='warm_start' was not recorded in this fit; pass "
            "callbacks=[TrainingHistory()], of neuraleig.training, to the estimator "
            "and fit it again."
        )
    losses = step.loss_curve_ if phase == "fine_tuning" else []
    record = PhaseHistory(list(losses))
    if history is not None:
        record = history.phases.get(phase, record)
    temperatures = np.asarray(record.temperatures, dtype=np.float64)
    known = temperatures[~np.isnan(temperatures)]
    is_annealed = known.size > 0 and np.ptp(known) > 0
    steps = np.asarray(record.score_steps, dtype=np.float64)
    scores = np.asarray(record.scores, dtype=np.float64)
    # An objective of the user may not be finite everywhere.
    steps, scores = steps[np.isfinite(scores)], scores[np.isfinite(scores)]
    return Curves(
        np.asarray(record.losses, dtype=np.float64),
        steps if scores.size else None,
        scores if scores.size else None,
        temperatures if is_annealed else None,
        NO_STEPS[phase],
    )


def _history_of(step: Any) -> TrainingHistory | None:  # noqa: ANN401
    """Callback that recorded this very fit, if one did."""
    # Estimators that were loaded from a file do not know.
    fit_id = getattr(step, "_fit_id", None)
    if fit_id is None:
        return None
    callbacks = getattr(step, "callbacks", None) or ()
    histories = [c for c in callbacks if isinstance(c, TrainingHistory)]
    # They may have seen another fit since.
    return next((h for h in histories if h.fit_id == fit_id), None)


def smoothed(values: FloatArray, weight: float) -> FloatArray:
    """Exponential mean of a series.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Series.
    weight : float
        Of what came before, between 0 and 1.

    Returns
    -------
    means : ndarray of shape (n,)
        Weighted means of all values so far, whose weights sum to 1 from the first on.
    """
    sums = lfilter([1 - weight], [1, -weight], values)
    means: FloatArray = sums / (1 - weight ** np.arange(1, values.size + 1))
    return means


def scale_of(yscale: Scale, losses: FloatArray) -> Literal["linear", "log"]:
    """Scale of the axis of the losses.

    Parameters
    ----------
    yscale : {"auto", "linear", "log"}
        As asked for.
    losses : ndarray of shape (n_steps,)
        To be drawn.

    Returns
    -------
    scale : {"linear", "log"}
        For ``"auto"`` logarithmic where losses are positive and fall by a factor of 20.

    Raises
    ------
    ValueError
        If a logarithm is asked for of losses that are not positive.
    """
    is_positive = losses.size > 0 and losses.min() > 0
    if yscale == "log" and losses.size > 0 and not is_positive:
        raise ValueError(
            f"yscale='log' needs positive losses, but the least is {losses.min():.4g}; "
            "use yscale='linear'."
        )
    if yscale == "auto":
        falls = is_positive and losses.max() >= LOG_RANGE * losses.min()
        return "log" if falls else "linear"
    return yscale


def check_curve_options(yscale: str, smoothing: float | None) -> None:
    """Refuse scales and weights that there are not."""
    check_choice("yscale", yscale, ("auto", "linear", "log"))
    if smoothing is not None and (
        not isinstance(smoothing, Real) or not 0 < smoothing < 1
    ):
        raise ValueError(
            f"smoothing={smoothing!r} must be a number between 0 and 1, or None."
        )
