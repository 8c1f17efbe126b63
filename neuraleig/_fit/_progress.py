"""Progress of a fit: lines on stderr, a logger, scikit-learn's callbacks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from neuraleig._sklearn import FitTask
from neuraleig._terminal import Advance, live_bar, write_line
from neuraleig.training import BaseCallback, TrainingState

# Programs decide what becomes of it; by itself it writes nothing.
LOGGER = logging.getLogger("neuraleig")
LOGGER.addHandler(logging.NullHandler())
_LAST = ("fine-tuning", "density", "calibration")
# Stages of a fit by init, at most: what leaves nothing to do is left out.
STAGES = {
    "spectral": (
        "neighbours",
        "eigenvectors",
        "labels",
        "thinned graph",
        "warm start",
        *_LAST,
    ),
    "random": ("neighbours", *_LAST),
}
# Verbosity from which epochs are told of, too.
WITH_EPOCHS = 2


class Stage(BaseCallback):
    """One stage of a fit; of a training, a callback that tells of its epochs.

    Attributes
    ----------
    result : str
        What the stage has come to, in a few words.
    """

    def __init__(
        self, name: str, progress: Progress, task: FitTask, advance: Advance
    ) -> None:
        self.name = name
        self._progress = progress
        self._advance = advance
        self._done = 0
        self.result = ""
        self._task = task
        self._epoch: FitTask | None = None

    def advance(self, done: int, total: int) -> None:
        """Show how much of the stage is done."""
        if not self._done:
            self._advance.set_total(total)
        self._advance(done - self._done)
        self._done = done

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Begin a task."""
        self._epoch = self._task.subtask("epoch")

    def on_epoch_end(self, state: TrainingState) -> None:
        """End the task, and say how far training is."""
        assert self._epoch is not None
        if self._epoch.end():
            state.stop = True
        self.advance(state.step, state.n_steps)
        self._progress.report(f"{self.name}: {_standing(state)}", logging.DEBUG)

    def on_train_end(self, state: TrainingState) -> None:
        """Keep what training has come to."""
        self.result = _standing(state)


class Progress:
    """Reports the stages of a fit.

    Lines go to stderr as ``verbose`` asks for, and to the logger ``neuraleig`` always:
    stages as INFO, epochs and beginnings of stages as DEBUG.

    Parameters
    ----------
    verbose : int, default=0
        0: nothing on stderr; 1: a line per stage; 2: also one per epoch.
    task : FitTask or None, default=None
        The fit, as scikit-learn's callbacks see it; ``None``: nobody does.
    is_first : bool, default=True
        Whether this process reports; of several, one does for all.
    """

    def __init__(
        self, verbose: int = 0, task: FitTask | None = None, *, is_first: bool = True
    ) -> None:
        self._verbose = verbose if is_first else 0
        self._is_first = is_first
        self._task = FitTask(None, None) if task is None else task

    @contextmanager
    def stage(self, name: str, n_epochs: int = 0) -> Iterator[Stage]:
        """One stage, begun and ended by the block."""
        begin = time.perf_counter()
        self._log(f"{name}: begins", logging.DEBUG)
        task = self._task.subtask(name, n_epochs)
        with live_bar(f"neuraleig: {name}", shown=self._verbose > 0) as advance:
            stage = Stage(name, self, task, advance)
            yield stage
        task.end()
        seconds = time.perf_counter() - begin
        self.report(f"{name}: {stage.result} ({seconds:.1f} s)")

    def report(self, line: str, level: int = logging.INFO) -> None:
        """Write and log a line; one of level DEBUG is written to verbose fits alone."""
        self._log(line, level)
        if self._verbose >= (1 if level >= logging.INFO else WITH_EPOCHS):
            write_line(f"neuraleig: {line}")

    def _log(self, line: str, level: int) -> None:
        if self._is_first:
            LOGGER.log(level, line)


# For parts of a fit that are no stages of their own.
SILENT = Progress(is_first=False)


def _standing(state: TrainingState) -> str:
    """How far training is, and how well it does."""
    parts = [f"step {state.step} of at most {state.n_steps}"]
    for name, values in (("loss", state.losses), ("held out", state.scores)):
        if values:
            parts.append(f"{name} {values[-1]:.4g}")
    return ", ".join(parts)
