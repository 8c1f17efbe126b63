"""Training in TensorBoard."""

from __future__ import annotations

import os
from typing import Any

from neuraleig._extras import missing
from neuraleig.training._callbacks import TrainingState
from neuraleig.training._metrics import MetricLogger


class TensorBoardLogger(MetricLogger):
    """Callback that writes losses and scores for TensorBoard.

    Parameters
    ----------
    log_dir : str or PathLike
        Folder of the event files; one per training.
    every : int, default=10
        Steps between two losses that are logged.

    Raises
    ------
    ImportError
        When training begins, if tensorboard is not installed.
    """

    def __init__(self, log_dir: str | os.PathLike[str], every: int = 10) -> None:
        super().__init__(every)
        self.log_dir = log_dir
        self._writer: Any = None

    def on_train_begin(self, state: TrainingState) -> None:
        """Open an event file."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                missing("TensorBoardLogger", "tensorboard", "tensorboard")
            ) from error
        self._writer = SummaryWriter(self.log_dir)
        super().on_train_begin(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Log what the epoch has come to, for whoever is looking."""
        super().on_epoch_end(state)
        self._writer.flush()

    def on_train_end(self, state: TrainingState) -> None:
        """Close the event file: what is left can be copied and pickled."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _log(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)
