"""Which numbers of a training are logged, and when."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral

from neuraleig.training._callbacks import BaseCallback, TrainingState


class MetricLogger(BaseCallback):
    """Logs losses, learning rates and held-out scores; a subclass says where to.

    A name is that of the phase and of the number: ``"fine_tuning/loss"``.

    Parameters
    ----------
    every : int
        Steps between two losses that are logged, at least 1. The last one of an epoch
        is, too.

    Raises
    ------
    ValueError
        If ``every`` is no such number.
    """

    def __init__(self, every: int) -> None:
        # Here and not in a fit, which would have begun by then.
        if isinstance(every, bool) or not isinstance(every, Integral) or every < 1:
            raise ValueError(f"every={every!r} must be an integer of at least 1.")
        self.every: int = every

    @abstractmethod
    def _log(self, name: str, value: float, step: int) -> None:
        """Log one number."""

    def on_train_begin(self, state: TrainingState) -> None:
        """Log what the state before training scores."""
        if state.step == 0:
            self._log_score(state)

    def on_batch_end(self, state: TrainingState) -> None:
        """Log the loss and the learning rate, if it is time."""
        if state.step % self.every == 0:
            self._log_step(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Log what the epoch has come to."""
        if state.losses and state.step % self.every != 0:
            self._log_step(state)
        self._log_score(state)

    def _log_step(self, state: TrainingState) -> None:
        self._log(f"{state.phase}/loss", state.losses[-1], state.step)
        self._log(f"{state.phase}/lr", state.lr, state.step)

    def _log_score(self, state: TrainingState) -> None:
        if state.scores:
            self._log(f"{state.phase}/held_out", state.scores[-1], state.step)
