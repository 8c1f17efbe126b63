"""What a fit went through, kept in memory."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from neuraleig.training._callbacks import BaseCallback, Callback, TrainingState


@dataclass
class PhaseHistory:
    """What one training went through.

    Parameters
    ----------
    losses : list of float
        Loss of every step.
    lrs : list of float
        Learning rate of every step; NaN for steps of an earlier process, from whose
        checkpoint the training went on.
    temperatures : list of float
        Temperature of the soft assignments at every step; NaN as for ``lrs``, and
        where the network has none.
    score_steps : list of int
        Steps done at every evaluation, 0 for the one before training.
    scores : list of float
        Held-out objective at every evaluation; empty where nothing is held out.
    """

    losses: list[float] = field(default_factory=list)
    lrs: list[float] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)
    score_steps: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


class TrainingHistory(BaseCallback):
    """Callback that remembers the losses, rates, temperatures and scores of a fit.

    Attributes
    ----------
    phases : dict of str to PhaseHistory
        ``"warm_start"`` and ``"fine_tuning"``, those of them that took steps, in their
        order; emptied when a fit begins.
    fit_id : str or None
        Which fit of an estimator it is about; ``None`` before the first.

    See Also
    --------
    neuraleig.plotting.TrainingDisplay : Draws them.

    Notes
    -----
    A phase that begins anew removes what was remembered of it and of those after it.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from neuraleig import NeuralEigenSpectralClustering
    >>> from neuraleig.training import Training
    >>> from neuraleig.training import TrainingHistory
    >>> X, _ = make_blobs(200, random_state=0)
    >>> history = TrainingHistory()
    >>> model = NeuralEigenSpectralClustering(
    ...     3,
    ...     hidden_sizes=(16,),
    ...     training=Training(max_iter=20),
    ...     callbacks=[history],
    ...     random_state=0,
    ... ).fit(X)
    >>> history.phases["fine_tuning"].losses == model.loss_curve_
    True
    """

    def __init__(self) -> None:
        self.phases: dict[str, PhaseHistory] = {}
        self.fit_id: str | None = None

    def on_fit_begin(self, fit_id: str) -> None:
        """Forget the fit before, of which the next one need not repeat any phase.

        Parameters
        ----------
        fit_id : str
            Of the fit that begins.
        """
        self.phases = {}
        self.fit_id = fit_id

    def on_train_begin(self, state: TrainingState) -> None:
        """Begin a phase, or go on where an earlier process has ended."""
        names = list(self.phases)
        if state.phase in names:
            for name in names[names.index(state.phase) :]:
                del self.phases[name]
        unknown = [math.nan] * state.step
        record = PhaseHistory(list(state.losses), unknown, list(unknown))
        if state.step > 0:
            # Saved at ends of epochs of equal length, each with its evaluation.
            at = np.linspace(0, state.step, len(state.scores)).round().astype(int)
            record.score_steps, record.scores = at.tolist(), list(state.scores)
        self.phases[state.phase] = record
        self._note_scores(state)

    def on_batch_end(self, state: TrainingState) -> None:
        """Remember a step."""
        record = self.phases[state.phase]
        record.losses.append(state.losses[-1])
        record.lrs.append(state.lr)
        assignment = getattr(state.network, "assignment", None)
        record.temperatures.append(float(getattr(assignment, "temperature", math.nan)))

    def on_epoch_end(self, state: TrainingState) -> None:
        """Remember how what was held out is scored."""
        self._note_scores(state)

    def _note_scores(self, state: TrainingState) -> None:
        record = self.phases[state.phase]
        for score in state.scores[len(record.scores) :]:
            record.score_steps.append(state.step)
            record.scores.append(score)


def begin_histories(callbacks: Iterable[Callback]) -> str:
    """Tell callbacks that a fit begins, which may have no training to tell of.

    Parameters
    ----------
    callbacks : iterable of Callback
        Those of the fit; of these, the ones that have ``on_fit_begin`` are told.

    Returns
    -------
    fit_id : str
        Of this fit alone, for the estimator to know its histories by.
    """
    # Not drawn from a seeded generator: equal fits are not the same one.
    fit_id = uuid.uuid4().hex
    for callback in callbacks:
        # Callbacks that have no base of ours need not have this hook.
        begin = getattr(callback, "on_fit_begin", None)
        if begin is not None:
            begin(fit_id)
    return fit_id
