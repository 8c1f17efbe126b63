"""Steps before the network of a row estimator, as modules of float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from torch import Tensor, nn

from neuraleig._sklearn import column_places, imputed_dtype
from neuraleig._typing import Array

# Norms that scikit-learn takes for zero, in units of the rounding of the rows.
ZERO_NORM = 10
NORMS: dict[str, float] = {"l1": 1, "l2": 2, "max": torch.inf}


class Affine(nn.Module):
    """Rows minus a shift, times a matrix, divided by a scale, within bounds."""

    shift: Tensor
    scale: Tensor
    matrix: Tensor | None

    def __init__(
        self,
        shift: ArrayLike | None,
        scale: ArrayLike | None,
        matrix: ArrayLike | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("shift", _tensor(0.0 if shift is None else shift))
        self.register_buffer("scale", _tensor(1.0 if scale is None else scale))
        self.register_buffer("matrix", None if matrix is None else _tensor(matrix))
        self.bounds = bounds

    def forward(self, X: Tensor) -> Tensor:
        """Return the rows."""
        moved = X - self.shift
        if self.matrix is not None:
            moved = moved @ self.matrix
        moved = moved / self.scale
        return moved if self.bounds is None else moved.clamp(*self.bounds)


class Unit(nn.Module):
    """Rows divided by their norms."""

    def __init__(self, norm: str, eps: float) -> None:
        super().__init__()
        self.order = NORMS[norm]
        self.least = ZERO_NORM * eps

    def forward(self, X: Tensor) -> Tensor:
        """Return the rows."""
        norms = torch.linalg.vector_norm(X, self.order, dim=1, keepdim=True)
        return X / torch.where(norms < self.least, torch.ones_like(norms), norms)


class Projected(nn.Module):
    """Rows projected onto columns, at their own lengths."""

    matrix: Tensor

    def __init__(self, matrix: Array) -> None:
        super().__init__()
        # In the type of the model, half as large as the products.
        self.register_buffer("matrix", torch.from_numpy(matrix))

    def forward(self, X: Tensor) -> Tensor:
        """Return the rows."""
        found = X @ self.matrix.double()
        lengths, left = (
            torch.linalg.vector_norm(rows, dim=1, keepdim=True) for rows in (X, found)
        )
        factors = lengths / torch.where(left > 0, left, torch.ones_like(left))
        projected: Tensor = found * factors
        return projected


class Imputed(nn.Module):
    """Rows without missing values, and with indicators of some."""

    missing: Tensor
    statistics: Tensor
    kept: Tensor
    indicated: Tensor

    def __init__(self, imputer: SimpleImputer, missing: Tensor) -> None:
        super().__init__()
        statistics = imputer.statistics_.astype(np.float64)
        kept = np.flatnonzero(imputer.keep_empty_features | ~np.isnan(statistics))
        indicator = imputer.indicator_
        indicated = [] if indicator is None else indicator.features_
        # A buffer: the exporter rounds plain numbers to float32.
        self.register_buffer("missing", missing)
        self.register_buffer("statistics", _tensor(statistics))
        self.register_buffer("kept", torch.as_tensor(kept))
        self.register_buffer("indicated", torch.as_tensor(indicated, dtype=torch.int64))
        self.is_nan = bool(missing.isnan())

    def forward(self, X: Tensor) -> Tensor:
        """Return the rows."""
        is_missing = X.isnan() if self.is_nan else X == self.missing
        filled = torch.where(is_missing, self.statistics, X)[:, self.kept]
        if self.indicated.numel() == 0:
            return filled
        return torch.cat([filled, is_missing[:, self.indicated].double()], dim=1)


class Columns(nn.Module):
    """Outputs of the steps of some columns each, side by side."""

    def __init__(
        self, steps: list[nn.Module], columns: list[list[int]], weights: list[float]
    ) -> None:
        super().__init__()
        self.steps, self.weights = nn.ModuleList(steps), weights
        for place, found in enumerate(columns):
            self.register_buffer(f"columns_{place}", torch.tensor(found))

    def forward(self, X: Tensor) -> Tensor:
        """Return the rows."""
        parts = [
            weight * step(X[:, self.get_buffer(f"columns_{place}")])
            for place, (step, weight) in enumerate(
                zip(self.steps, self.weights, strict=True)
            )
        ]
        return torch.cat(parts, dim=1)


def steps_module(
    steps: Sequence[tuple[str, Any]], dtype: torch.dtype, path: str = ""
) -> nn.Module:
    """Return the module of fitted steps, one after the other, of rows of a type.

    Raises
    ------
    TypeError
        If one is of a class that is not exported.
    ValueError
        If one takes texts.
    """
    parts = [_module(step, dtype, _inside(path, name)) for name, step in steps]
    return nn.Sequential(*parts)


def _module(step: Any, dtype: torch.dtype, path: str) -> nn.Module:  # noqa: ANN401
    if step is None or isinstance(step, str):
        return nn.Identity()
    if type(step) not in MODULES:
        names = ", ".join(kind.__name__ for kind in MODULES)
        raise TypeError(
            f"the step {path!r} is a {type(step).__name__}, which cannot be exported: "
            f"models take rows of numbers, and their steps are {names}. Export the "
            "last step of the pipeline, and prepare the rows for it by other means."
        )
    return MODULES[type(step)](step, dtype, path)


def _scaled(step: Any, *_: object) -> nn.Module:  # noqa: ANN401
    return Affine(step.mean_ if step.with_mean else None, step.scale_)


def _robust(step: Any, *_: object) -> nn.Module:  # noqa: ANN401
    return Affine(step.center_, step.scale_)


def _within(step: Any, *_: object) -> nn.Module:  # noqa: ANN401
    scale = 1 / np.asarray(step.scale_, np.float64)
    bounds = step.feature_range if step.clip else None
    return Affine(-step.min_ * scale, scale, bounds=bounds)


def _projected(step: Any, *_: object) -> nn.Module:  # noqa: ANN401
    scale = None
    if step.whiten:
        scale = np.sqrt(step.explained_variance_)
        scale = np.maximum(scale, np.finfo(scale.dtype).eps)
    return Affine(step.mean_, scale, step.components_.T)


def _multiplied(step: Any, *_: object) -> nn.Module:  # noqa: ANN401
    return Affine(None, None, step.components_.T)


def _unit(step: Any, dtype: torch.dtype, _: str) -> nn.Module:  # noqa: ANN401
    return Unit(step.norm, torch.finfo(dtype).eps)


def _imputed(step: Any, dtype: torch.dtype, path: str) -> nn.Module:  # noqa: ANN401
    if imputed_dtype(step).kind == "O":
        raise ValueError(
            f"the step {path!r} imputes texts, and models take rows of numbers; export "
            "the last step of the pipeline, and prepare the rows for it by other means."
        )
    # A value that is missing is rounded as the rows are.
    return Imputed(step, torch.tensor(step.missing_values, dtype=dtype).double())


def _columns(step: Any, dtype: torch.dtype, path: str) -> nn.Module:  # noqa: ANN401
    places, weights = column_places(step), step.transformer_weights or {}
    asked = [part for _, part, _ in step.transformers] + [step.remainder]
    found = [
        (name, part if isinstance(part, str) else fitted)
        for part, (name, fitted, _) in zip(asked, step.transformers_, strict=False)
        if places[name] and not (isinstance(part, str) and part == "drop")
    ]
    return Columns(
        [_module(part, dtype, _inside(path, name)) for name, part in found],
        [places[name] for name, _ in found],
        [weights.get(name, 1.0) for name, _ in found],
    )


def _steps(step: Any, dtype: torch.dtype, path: str) -> nn.Module:  # noqa: ANN401
    return steps_module(step.steps, dtype, path)


def _inside(path: str, name: str) -> str:
    return f"{path}__{name}" if path else name


def _tensor(values: ArrayLike) -> Tensor:
    return torch.tensor(np.asarray(values, np.float64))


MODULES: dict[type, Callable[[Any, torch.dtype, str], nn.Module]] = {
    StandardScaler: _scaled,
    RobustScaler: _robust,
    MinMaxScaler: _within,
    Normalizer: _unit,
    PCA: _projected,
    TruncatedSVD: _multiplied,
    SimpleImputer: _imputed,
    ColumnTransformer: _columns,
    Pipeline: _steps,
}
