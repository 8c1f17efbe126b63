"""Models of row estimators, from rows to functions and labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.onnx._fitted import (
    RowEstimator,
    calibration_of,
    discretizer_of,
    names_metadata,
    projection_of,
)
from neuraleig.onnx._heads import (
    FunctionHead,
    Standardize,
    frozen_copy,
    frozen_network,
)
from neuraleig.onnx._model import Axes, Axis, Model
from neuraleig.onnx._steps import Projected, steps_module
from neuraleig.reading import Calibration, Discretizer

DTYPES = {"float32": torch.float32, "float64": torch.float64}
N_ROWS = Axis("n_rows")
# Number of rows of the two examples.
SIZES = 3, 5


class RowModule(nn.Module):
    """``transform`` of an embedding, or all that a clustering predicts.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Fitted; copied.
    discretizer : Discretizer or None
        Fitted discretiser of a clustering, ``None`` for an embedding.
    calibration : Calibration or None
        Of its probabilities.
    """

    def __init__(
        self,
        eigenfunctions: Eigenfunctions,
        discretizer: Discretizer | None,
        calibration: Calibration | None,
    ) -> None:
        super().__init__()
        network = frozen_network(eigenfunctions)
        self.standardize = Standardize(eigenfunctions)
        self.trunk = network.trunk
        predicts = discretizer is not None
        self.functions = FunctionHead(network.function_head, eigenfunctions, predicts)
        self.scores = network.label_head if predicts else None
        self.probabilities = None if discretizer is None else frozen_copy(discretizer)
        self.calibration = None if calibration is None else frozen_copy(calibration)

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        """Return labels and probabilities of a clustering, and functions of rows."""
        hidden = self.trunk(self.standardize(X))
        functions = self.functions(hidden)
        if self.scores is None or self.probabilities is None:
            return (functions,)
        scores = self.scores(hidden)
        probabilities = self.probabilities(functions, scores)
        # Before rounding, as in predict: float32 would make ties.
        labels = probabilities.argmax(dim=1)
        if self.calibration is not None:
            probabilities = self.calibration(functions, scores, probabilities)
        return labels, probabilities.float(), functions


class Prepared(nn.Module):
    """Module of rows behind steps of a pipeline or a projection, in float64."""

    def __init__(self, steps: nn.Module, rows: nn.Module) -> None:
        super().__init__()
        self.steps = steps
        self.rows = rows

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of the module for prepared rows."""
        outputs: tuple[Tensor, ...] = self.rows(self.steps(X.double()))
        return outputs


def _prepared(
    module: nn.Module, estimator: RowEstimator, dtype: str, before: Sequence[Any]
) -> nn.Module:
    """Module behind the steps of a pipeline and a projection, if there are any."""
    ahead = [steps_module(before, DTYPES[dtype])] if before else []
    projection = projection_of(estimator)
    if projection is not None:
        ahead.append(Projected(projection))
    return Prepared(nn.Sequential(*ahead), module) if ahead else module


def row_model(
    estimator: RowEstimator, dtype: str, before: Sequence[tuple[str, Any]] = ()
) -> Model:
    """Return the model of a fitted estimator with an input of a type of ``DTYPES``.

    ``before`` are the steps of its pipeline.
    """
    outputs: dict[str, Axes] = {"functions": (N_ROWS, None)}
    steps = [*(step for _, step in before), estimator]
    entry = next(step for step in steps if hasattr(step, "n_features_in_"))
    n_features = int(entry.n_features_in_)
    metadata = {"n_features": str(n_features)}
    discretizer = calibration = None
    if isinstance(estimator, NeuralEigenSpectralClustering):
        discretizer = discretizer_of(estimator)
        calibration = calibration_of(estimator)
        labels: dict[str, Axes] = {"labels": (N_ROWS,), "probabilities": (N_ROWS, None)}
        outputs = labels | outputs
        metadata |= names_metadata(estimator)
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn(n, n_features, generator=generator, device="cpu").to(DTYPES[dtype])
        for n in SIZES
    )
    names = getattr(entry, "feature_names_in_", None)
    if names is not None:
        metadata["feature_names"] = json.dumps(list(names))
    module = RowModule(estimator.eigenfunctions_, discretizer, calibration)
    return Model(
        _prepared(module, estimator, dtype, before).eval(),
        "X",
        (N_ROWS, None),
        (first, second),
        outputs,
        f"the network of this {type(estimator).__name__}",
        "A custom network must consist of operations of ONNX, which depend neither on "
        "the number of rows nor on their values.",
        metadata,
    )
