"""Curves of a training: validation, records of callbacks, scale and smoothing."""

from __future__ import annotations

from itertools import accumulate
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._typing import FloatArray
from neuraleig.plotting._checks import check_choice, check_finite, check_lengths
from neuraleig.plotting._fitted import fitted_step, history_of
from neuraleig.training import PhaseHistory

Phase: TypeAlias = Literal["fine_tuning", "warm_start"]
Scale: TypeAlias = Literal["auto", "linear", "log"]
# Ratio of the largest to the smallest loss from which "auto" is logarithmic.
LOG_RANGE = 20.0
# Text in place of an empty curve.
NO_STEPS = {
    "fine_tuning": (
        "No step of fine-tuning: the warm start was sufficient,\n"
        "or fine-tuning was switched off (max_iter=0)."
    ),
    "warm_start": (
        "No step of a warm start: least squares were sufficient,\n"
        'or the fit began from random weights (init="random").'
    ),
}


def checked_curves(
    loss_curve: ArrayLike,
    validation_steps: ArrayLike | None,
    validation_scores: ArrayLike | None,
    temperatures: ArrayLike | None,
) -> dict[str, Any]:
    """Return the constructor's arguments from those of ``from_predictions``."""
    if (validation_steps is None) != (validation_scores is None):
        raise ValueError(
            "validation_steps and validation_scores must be given together, one step "
            "per score."
        )
    given = {
        "loss_curve": loss_curve,
        "validation_steps": validation_steps,
        "validation_scores": validation_scores,
        "temperatures": temperatures,
    }
    curves = {
        name: check_finite(name, values, 1, "a sequence of numbers")
        for name, values in given.items()
        if values is not None
    }
    for name, other in (
        ("validation_steps", "validation_scores"),
        ("temperatures", "loss_curve"),
    ):
        if name in curves:
            check_lengths(name, curves[name], curves[other].size, f"value of {other}")
    return curves


def recorded_curves(estimator: Any, phase: Phase) -> dict[str, Any]:  # noqa: ANN401
    """Return the constructor's arguments from a fitted estimator and its callbacks."""
    step = fitted_step(estimator, "loss_curve_")
    history = history_of(step)
    if history is None and phase == "warm_start":
        raise ValueError(
            "phase='warm_start' was not recorded in this fit; pass "
            "callbacks=[TrainingHistory()], of neuraleig.training, to the estimator "
            "and fit it again."
        )
    record = PhaseHistory(list(step.loss_curve_ if phase == "fine_tuning" else []))
    if history is not None:
        record = history.phases.get(phase, record)
    temperatures = np.array(record.temperatures, dtype=np.float64)
    is_annealed = np.unique(temperatures[~np.isnan(temperatures)]).size > 1
    evaluations = np.array([record.score_steps, record.scores], dtype=np.float64)
    # A user's objective may not be finite everywhere.
    steps, scores = evaluations[:, np.isfinite(evaluations[1])]
    return {
        "loss_curve": np.array(record.losses, dtype=np.float64),
        "validation_steps": steps if scores.size else None,
        "validation_scores": scores if scores.size else None,
        "temperatures": temperatures if is_annealed else None,
        "no_steps": NO_STEPS[phase],
    }


def smoothed(values: FloatArray, weight: float) -> FloatArray:
    """Return exponential means of shape (n,) of a series, with weights of sum 1."""
    sums = list(accumulate((1 - weight) * values, lambda a, b: weight * a + b))
    means: FloatArray = np.array(sums) / (1 - weight ** np.arange(1, len(sums) + 1))
    return means


def scale_of(yscale: Scale, losses: FloatArray) -> Literal["linear", "log"]:
    """Return the scale of the y axis; ``"log"`` needs positive losses."""
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
    """Raise a ValueError unless both options are in their range."""
    check_choice("yscale", yscale, ("auto", "linear", "log"))
    if smoothing is not None and (
        not isinstance(smoothing, Real) or not 0 < smoothing < 1
    ):
        raise ValueError(
            f"smoothing={smoothing!r} must be a number between 0 and 1, or None."
        )
