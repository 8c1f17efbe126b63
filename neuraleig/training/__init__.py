"""Training: one loop, callbacks between its steps."""

from neuraleig.training._callbacks import (
    BaseCallback,
    Callback,
    EarlyStopping,
    TemperatureSchedule,
    TrainingState,
    cosine_schedule,
)
from neuraleig.training._device import resolve_device
from neuraleig.training._distributed import current_shard, fit_alone
from neuraleig.training._loop import Schedule, train
from neuraleig.training._optimizers import (
    OPTIMIZERS,
    Muon,
    OptimizerName,
    make_optimizers,
)

__all__ = [
    "OPTIMIZERS",
    "BaseCallback",
    "Callback",
    "EarlyStopping",
    "Muon",
    "OptimizerName",
    "Schedule",
    "TemperatureSchedule",
    "TrainingState",
    "cosine_schedule",
    "current_shard",
    "fit_alone",
    "make_optimizers",
    "resolve_device",
    "train",
]
