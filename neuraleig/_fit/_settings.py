"""Settings of training with every open value resolved."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

from neuraleig.networks import Assignment, Head
from neuraleig.training import Training
from neuraleig.training._optimizers import OptimizerName
from neuraleig.training._precision import resolve_precision

# Most steps of fine-tuning where max_iter is None.
MAX_ITER = {"spectral": 300, "random": 1_000}
# Most passes over the rows from a warm start on where labels are those of the label
# head, which gain nothing by more; what is read off the functions does. On the 21 sets
# of the ablation 300 steps always had 0.9763 held out, and this 0.9760.
MAX_PASSES = 25
# Mean squared error of the functions (of unit mean square) below which they are known;
# the first where labels are those of the label head.
LEARNED_ERRORS = 0.01, 0.005
# Rows per step where batch_size is None, and from so many rows on, after an exact warm
# start: fewer steps see as many rows in less time. On MNIST (60,000 rows, three seeds)
# 512, 1,024 and 2,048 have 0.9580, 0.9585 and 0.9585 held out, in 86, 64 and 65 s.
BATCH_ROWS, LARGE_BATCH_ROWS = 512, 1_024
MANY_ROWS = 50_000


@dataclass(frozen=True)
class Settings:
    """Parameters of :class:`~neuraleig.training.Training`, resolved for a fit.

    Parameters
    ----------
    init, objective, label_objective, walk_length, head, assignment
        As in :class:`~neuraleig.training.Training`.
    lr, optimizer, early_stopping, validation_fraction, n_iter_no_change, tol
        As in :class:`~neuraleig.training.Training`.
    compile, checkpoint_interval
        As in :class:`~neuraleig.training.Training`.
    by_edges : bool
        Whether batches are edges of the stored graph; rows otherwise.
    max_iter : int
        Most steps of fine-tuning.
    tunes_anyway : bool
        Whether steps were asked for, even if the warm start has learned its targets.
    by_head : bool
        Whether labels are those of the label head: once these are known, training ends
        where the functions hardly improve.
    max_passes : float
        Most passes over the rows from a warm start on.
    learned_error : float
        Mean squared error of the functions below which they are known.
    batch_size : int or None
        Windows per step; ``None``: what suits the problem.
    batch_rows : int
        Rows per step of a problem of rows.
    temperature : tuple of two floats
        At the first and the last step.
    precision : torch.dtype
        Type of the products of the trunk.
    """

    init: str
    objective: str
    label_objective: str
    by_edges: bool
    walk_length: int
    head: Head
    assignment: Assignment
    temperature: tuple[float, float]
    max_iter: int
    tunes_anyway: bool
    by_head: bool
    max_passes: float
    learned_error: float
    batch_size: int | None
    batch_rows: int
    lr: float
    optimizer: OptimizerName
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    precision: torch.dtype
    compile: bool
    checkpoint_interval: int

    @classmethod
    def of(
        cls,
        training: Training,
        *,
        by_edges: bool,
        n_rows: int,
        by_head: bool,
        device: torch.device,
    ) -> Settings:
        """Resolve settings that were checked.

        Parameters
        ----------
        training : Training
            Settings.
        by_edges : bool
            Whether the graph is stored, so that its edges can be drawn.
        n_rows : int
            Rows of the fit.
        by_head : bool
            Whether labels are those of the label head.
        device : torch.device
            Device of the network.

        Returns
        -------
        settings : Settings
            Without open values.
        """
        resolved = {
            field.name: getattr(training, field.name)
            for field in fields(cls)
            if hasattr(training, field.name)
        }
        is_spectral = training.init == "spectral"
        is_large = is_spectral and n_rows >= MANY_ROWS
        batch_rows = training.batch_size or (
            LARGE_BATCH_ROWS if is_large else BATCH_ROWS
        )
        max_passes = MAX_PASSES if by_head else math.inf
        max_iter = training.max_iter
        if max_iter is None:
            max_iter = MAX_ITER[training.init]
            if is_spectral:
                max_iter = math.ceil(min(max_passes * n_rows / batch_rows, max_iter))
        start, end = training.temperature
        resolved.update(
            by_edges=by_edges and training.sampling != "nodes",
            max_iter=max_iter,
            batch_rows=batch_rows,
            # What is known exactly cannot improve, unless steps are asked for.
            tunes_anyway=training.max_iter is not None,
            by_head=by_head,
            max_passes=max_passes,
            learned_error=LEARNED_ERRORS[0 if by_head else 1],
            temperature=(float(start), float(end)),
            precision=resolve_precision(training.precision, device),
        )
        return cls(**resolved)
