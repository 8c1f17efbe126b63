"""The fit of all estimators; it imports no estimator and no image."""

from neuraleig.fit._fit import Fitted, Task, fit
from neuraleig.fit._problem import Inputs, Problem, Sampler
from neuraleig.fit._progress import STAGES, Progress
from neuraleig.fit._row_problem import RowProblem
from neuraleig.fit._run import Run
from neuraleig.fit._settings import Settings
from neuraleig.fit._window_problem import WindowProblem

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
    "Task",
    "WindowProblem",
    "fit",
]
