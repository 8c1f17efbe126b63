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
from neuraleig.training._loop import Schedule, train

__all__ = [
    "BaseCallback",
    "Callback",
    "EarlyStopping",
    "Schedule",
    "TemperatureSchedule",
    "TrainingState",
    "cosine_schedule",
    "resolve_device",
    "train",
]
