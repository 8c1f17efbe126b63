"""The fit of all estimators; it imports no estimator and no image."""

from neuraleig._fit._fit import Fitted, fit
from neuraleig._fit._problem import Inputs, Problem, Sampler
from neuraleig._fit._progress import STAGES, Progress, Stage
from neuraleig._fit._row_problem import RowProblem
from neuraleig._fit._run import Run
from neuraleig._fit._settings import Settings
from neuraleig._fit._task import Task
from neuraleig._fit._window_problem import WindowProblem

__all__ = [
    "STAGES",
    "Fitted",
    "Inputs",
    "Problem",
    "Progress",
    "RowProblem",
    "Run",
    "Sampler",
    "Settings",
    "Stage",
    "Task",
    "WindowProblem",
    "fit",
]
