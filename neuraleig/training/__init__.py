"""Training: one loop, callbacks between its steps."""

from neuraleig.training._callbacks import (
    BaseCallback,
    Callback,
    EarlyStopping,
    TemperatureSchedule,
    TrainingState,
    cosine_schedule,
)
from neuraleig.training._checkpoint import CheckpointError
from neuraleig.training._distributed import fit_alone
from neuraleig.training._history import (
    PhaseHistory,
    TrainingHistory,
)
from neuraleig.training._loop import Schedule, train
from neuraleig.training._mlflow import MLflowLogger
from neuraleig.training._optimizers import Muon
from neuraleig.training._settings import Training
from neuraleig.training._tensorboard import TensorBoardLogger

__all__ = [
    "BaseCallback",
    "Callback",
    "CheckpointError",
    "EarlyStopping",
    "MLflowLogger",
    "Muon",
    "PhaseHistory",
    "Schedule",
    "TemperatureSchedule",
    "TensorBoardLogger",
    "Training",
    "TrainingHistory",
    "TrainingState",
    "cosine_schedule",
    "fit_alone",
    "train",
]
