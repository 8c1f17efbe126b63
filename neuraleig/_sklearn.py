"""Names of scikit-learn that are private, or that its older versions lack.

The one file that imports them; all else imports them from here. The tests say on which
versions each was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing as rows_at
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from neuraleig._typing import IntArray, Rows

if TYPE_CHECKING:
    # Late: they bring half of scikit-learn.
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer

Method = TypeVar("Method", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as decorator
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this version of scikit-learn has no callbacks."""

    def decorator(method: Method) -> Method:
        """Return the method as it is."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "FitTask",
    "Interval",
    "StrOptions",
    "check_parameters",
    "check_values",
    "column_places",
    "imputed_dtype",
    "infrequent_places",
    "rows_at",
    "transform_output",
    "used_places",
    "with_callbacks",
]


def check_parameters(
    estimator: BaseEstimator, prefix: str = "", owner: str = ""
) -> None:
    """Check the parameters of an estimator against its ``_parameter_constraints``.

    Errors name them with the prefix, as parameters of the class ``owner``.
    """
    rules, values = estimator._parameter_constraints, estimator.get_params(deep=False)
    check_values(
        {prefix + name: rule for name, rule in rules.items()},
        {prefix + name: value for name, value in values.items()},
        owner or type(estimator).__name__,
    )


def check_values(
    constraints: Mapping[str, list[Any]], values: Mapping[str, object], owner: str
) -> None:
    """Check values against constraints, as parameters of the class ``owner``."""
    validate_parameter_constraints(dict(constraints), dict(values), caller_name=owner)


def transform_output(estimator: BaseEstimator) -> str | None:
    """Container that ``set_output(transform=)`` asked for, if it was called."""
    config: dict[str, str] = getattr(estimator, "_sklearn_output_config", {})
    return config.get("transform")


def column_places(columns: ColumnTransformer) -> dict[str, list[int]]:
    """Columns of the parts of a fitted transformer, and of ``"remainder"``."""
    places = columns._transformer_to_input_indices.items()
    return {name: [int(place) for place in found] for name, found in places}


def used_places(columns: ColumnTransformer) -> list[int]:
    """Columns that a fitted transformer does not drop, in ascending order."""
    places = column_places(columns)
    return sorted(
        {
            place
            for name, step, _ in columns.transformers_
            if not (isinstance(step, str) and step == "drop")
            for place in places[name]
        }
    )


def infrequent_places(encoder: BaseEstimator) -> list[IntArray | None] | None:
    """Places of infrequent categories by feature, if an encoder joins any."""
    found: list[IntArray | None] | None = getattr(encoder, "_infrequent_indices", None)
    return found


def imputed_dtype(imputer: SimpleImputer) -> np.dtype[Any]:
    """Type of the cells that an imputer was fitted to."""
    return cast("np.dtype[Any]", imputer._fit_dtype)


def with_callbacks(method: Method) -> Method:
    """Let scikit-learn end what its callbacks began, however the method ends."""
    return cast(Method, decorator(method))


class FitTask:
    """A task of a fit, as scikit-learn's callbacks see it; they may be absent.

    Parameters
    ----------
    estimator : BaseEstimator or None
        Being fitted.
    context : sklearn.callback.CallbackContext or None
        Of this task.
    data : dict
        ``X`` and ``y``, of the task that is the fit itself.
    """

    def __init__(
        self,
        estimator: BaseEstimator | None,
        context: Any,  # noqa: ANN401
        **data: Any,  # noqa: ANN401
    ) -> None:
        self._estimator = estimator
        self._context = context
        if context is not None:
            context.call_on_fit_task_begin(estimator=estimator, **data)

    @classmethod
    def of_fit(cls, estimator: BaseEstimator, X: Rows, n_subtasks: int) -> FitTask:
        """Begin a fit; to be called once, in a method ``with_callbacks``."""
        context = None
        if hasattr(estimator, "_init_callback_context"):
            context = estimator._init_callback_context(max_subtasks=n_subtasks)
        return cls(estimator, context, X=X, y=None)

    def subtask(self, name: str, n_subtasks: int = 0) -> FitTask:
        """Begin a part of this task."""
        context = None
        if self._context is not None:
            context = self._context.subcontext(name, max_subtasks=n_subtasks)
        return FitTask(self._estimator, context)

    @contextmanager
    def handed_on(self, name: str, estimator: BaseEstimator) -> Iterator[None]:
        """Part of this task that is the fit of another estimator, in the block."""
        if self._context is None:
            yield
            return
        context = self._context.subcontext(name)
        task = FitTask(self._estimator, context)
        with context.propagate_callback_context(estimator):
            yield
        task.end()

    def end(self) -> bool:
        """End the task; whether a callback wants its siblings left out."""
        if self._context is None:
            return False
        return bool(self._context.call_on_fit_task_end(estimator=self._estimator))
