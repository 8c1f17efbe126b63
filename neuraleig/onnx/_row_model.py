"""Models of the estimators of rows: from a row to its functions and its label."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuraleig._standardize import FARTHEST
from neuraleig._typing import Array, FloatArray
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.onnx._heads import FunctionHead, frozen_network
from neuraleig.onnx._model import Axes, Axis, Model
from neuraleig.reading import (
    Argmax,
    ClusterQR,
    Discretizer,
    NearestCentre,
    Renumbered,
    diffusion_weights,
)

DTYPES = {"float32": torch.float32, "float64": torch.float64}
N_ROWS = Axis("n_rows")
# Rows of the two examples.
SIZES = 3, 5

RowEstimator = NeuralEigenSpectralClustering | NeuralSpectralEmbedding


class Standardize(nn.Module):
    """Rows as the network takes them, as ``Standardization.apply`` makes them.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Whose centre and unit these are.
    """

    shift: Tensor

    def __init__(self, eigenfunctions: Eigenfunctions) -> None:
        super().__init__()
        self.register_buffer("shift", eigenfunctions.shift.cpu().clone())
        self.scale = float(eigenfunctions.scale)

    def forward(self, X: Tensor) -> Tensor:
        """Standardised rows in float32."""
        reach = FARTHEST * self.scale
        moved = (X.double() - self.shift).clamp(-reach, reach)
        return (moved / self.scale).float()


class HeadLabels(nn.Module):
    """Probabilities of :class:`~neuraleig.reading.Argmax`.

    Parameters
    ----------
    discretizer : Argmax
        Fitted.
    """

    clusters: Tensor

    def __init__(self, discretizer: Argmax) -> None:
        super().__init__()
        self.register_buffer("clusters", torch.from_numpy(discretizer.clusters))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Probabilities (n_rows, n_clusters) in float64."""
        return _softmax(logits[:, self.clusters])


class CentreLabels(nn.Module):
    """Probabilities of :class:`~neuraleig.reading.NearestCentre`.

    Parameters
    ----------
    discretizer : NearestCentre
        Fitted.
    """

    weights: Tensor
    centres: Tensor

    def __init__(self, discretizer: NearestCentre) -> None:
        super().__init__()
        centres = discretizer.centres
        self.register_buffer("weights", _weights(discretizer, centres.shape[1]))
        self.register_buffer("centres", _constant(centres))
        self.spread = 2 * max(discretizer.spread, float(np.finfo(np.float64).eps))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Probabilities (n_rows, n_clusters) in float64."""
        rows = _diffused(functions, self.weights)
        squared = (rows[:, None] - self.centres).square().sum(dim=2)
        return _softmax(-squared / self.spread)


class RotatedLabels(nn.Module):
    """Probabilities of :class:`~neuraleig.reading.ClusterQR`.

    Parameters
    ----------
    discretizer : ClusterQR
        Fitted.
    """

    weights: Tensor
    rotation: Tensor

    def __init__(self, discretizer: ClusterQR) -> None:
        super().__init__()
        rotation = discretizer.rotation
        self.register_buffer("weights", _weights(discretizer, rotation.shape[0]))
        self.register_buffer("rotation", _constant(rotation))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Probabilities (n_rows, n_clusters) in float64."""
        squared = (_diffused(functions, self.weights) @ self.rotation).square()
        total = squared.sum(dim=1, keepdim=True)
        shares = squared / torch.where(total > 0, total, 1.0)
        return torch.where(total > 0, shares, 1.0 / self.rotation.shape[1])


class RenumberedLabels(nn.Module):
    """Probabilities of clusters that a stream has given other numbers.

    Parameters
    ----------
    discretizer : Renumbered
        Fitted.
    """

    order: Tensor

    def __init__(self, discretizer: Renumbered) -> None:
        super().__init__()
        self.probabilities = label_module(discretizer.discretizer)
        self.register_buffer("order", torch.from_numpy(discretizer.order))

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Probabilities (n_rows, n_clusters) in float64."""
        probabilities: Tensor = self.probabilities(functions, logits)
        return probabilities[:, self.order]


LABELS: dict[type, Callable[[Any], nn.Module]] = {
    Argmax: HeadLabels,
    NearestCentre: CentreLabels,
    ClusterQR: RotatedLabels,
    Renumbered: RenumberedLabels,
}


def label_module(discretizer: Discretizer) -> nn.Module:
    """Module that says what a fitted discretiser says."""
    return LABELS[type(discretizer)](discretizer)


class EmbeddingModule(nn.Module):
    """What ``transform`` of an embedding gives.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Fitted; copied.
    """

    def __init__(self, eigenfunctions: Eigenfunctions) -> None:
        super().__init__()
        network = frozen_network(eigenfunctions)
        self.standardize = Standardize(eigenfunctions)
        self.trunk = network.trunk
        self.functions = FunctionHead(network.function_head, eigenfunctions, False)

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        """Functions of rows."""
        return (self.functions(self.trunk(self.standardize(X))),)


class ClusteringModule(nn.Module):
    """What a clustering says of rows.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Fitted; copied.
    discretizer : Discretizer
        Fitted.
    """

    def __init__(
        self, eigenfunctions: Eigenfunctions, discretizer: Discretizer
    ) -> None:
        super().__init__()
        network = frozen_network(eigenfunctions)
        self.standardize = Standardize(eigenfunctions)
        self.trunk = network.trunk
        self.scores = network.label_head
        self.functions = FunctionHead(network.function_head, eigenfunctions)
        self.probabilities = label_module(discretizer)

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        """Labels, probabilities and functions of rows."""
        hidden = self.trunk(self.standardize(X))
        functions = self.functions(hidden)
        probabilities = self.probabilities(functions, self.scores(hidden))
        # Before they are rounded, as in the library: rounding makes ties.
        labels = probabilities.argmax(dim=1)
        return labels, probabilities.float(), functions


def row_model(estimator: RowEstimator, dtype: str) -> Model:
    """Model of a fitted estimator of rows.

    Parameters
    ----------
    estimator : NeuralEigenSpectralClustering or NeuralSpectralEmbedding
        Fitted; left as it is.
    dtype : {"float32", "float64"}
        Type of the input.

    Returns
    -------
    model : Model
        From rows ``X`` to what the estimator says of them.
    """
    module: nn.Module
    outputs: dict[str, Axes] = {"functions": (N_ROWS, None)}
    eigenfunctions = estimator.eigenfunctions_
    if isinstance(estimator, NeuralSpectralEmbedding):
        module = EmbeddingModule(eigenfunctions)
    else:
        module = ClusteringModule(eigenfunctions, estimator._discretizer)
        labels: dict[str, Axes] = {"labels": (N_ROWS,), "probabilities": (N_ROWS, None)}
        outputs = labels | outputs
    n_features = int(estimator.n_features_in_)
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn(n, n_features, generator=generator, device="cpu").to(DTYPES[dtype])
        for n in SIZES
    )
    names = getattr(estimator, "feature_names_in_", None)
    return Model(
        module.eval(),
        "X",
        (N_ROWS, None),
        (first, second),
        outputs,
        f"the network of this {type(estimator).__name__}",
        "A network of your own must be made of operations that ONNX has, and neither "
        "the number of rows nor their values may decide which.",
        {"n_features": str(n_features)}
        | ({} if names is None else {"feature_names": json.dumps(list(names))}),
    )


def _constant(values: Array) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))


def _weights(discretizer: NearestCentre | ClusterQR, n_used: int) -> Tensor:
    """Weights of the functions."""
    eigenvalues: FloatArray = discretizer.eigenvalues[:n_used]
    return _constant(diffusion_weights(eigenvalues, discretizer.diffusion_time))


def _diffused(functions: Tensor, weights: Tensor) -> Tensor:
    """Weighted rows of unit norm in float64, as ``diffused_rows`` makes them."""
    rows = functions[:, : weights.shape[0]].double() * weights
    norms = rows.square().sum(dim=1, keepdim=True).sqrt()
    return rows / torch.where(norms > 0, norms, 1.0)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax in float64, in the steps of the library's own."""
    scores = scores.double()
    exponentials = (scores - scores.amax(dim=1, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=1, keepdim=True)
