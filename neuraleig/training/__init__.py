"""Training: one loop, callbacks between its steps."""

from neuraleig.training._callbacks import (
    BaseCallback,
    Callback,
    EarlyStopping,
    TemperatureSchedule,
    TrainingState,
    check_callbacks,
    cosine_schedule,
)
from neuraleig.training._checkpoint import (
    NOTHING_KEPT,
    Checkpoint,
    CheckpointError,
    CheckpointFolder,
)
from neuraleig.training._device import resolve_device
from neuraleig.training._distributed import current_shard, fit_alone
from neuraleig.training._history import (
    PhaseHistory,
    TrainingHistory,
    begin_histories,
)
from neuraleig.training._loop import EPOCH_STEPS, Schedule, train
from neuraleig.training._mlflow import MLflowLogger
from neuraleig.training._optimizers import (
    OPTIMIZERS,
    Muon,
    OptimizerName,
    make_optimizers,
)
from neuraleig.training._precision import (
    PRECISIONS,
    MixedPrecision,
    Precision,
    resolve_precision,
)
from neuraleig.training._resume import SavedTraining, Stateful
from neuraleig.training._settings import Training
from neuraleig.training._tensorboard import TensorBoardLogger

__all__ = [
    "EPOCH_STEPS",
    "NOTHING_KEPT",
    "OPTIMIZERS",
    "PRECISIONS",
    "BaseCallback",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "CheckpointFolder",
    "EarlyStopping",
    "MLflowLogger",
    "MixedPrecision",
    "Muon",
    "OptimizerName",
    "PhaseHistory",
    "Precision",
    "SavedTraining",
    "Schedule",
    "Stateful",
    "TemperatureSchedule",
    "TensorBoardLogger",
    "Training",
    "TrainingHistory",
    "TrainingState",
    "begin_histories",
    "check_callbacks",
    "cosine_schedule",
    "current_shard",
    "fit_alone",
    "make_optimizers",
    "resolve_device",
    "resolve_precision",
    "train",
]
