"""A program as users write it: `mypy --strict` must have nothing to say of it.

`.ci/run` checks it against the installed wheel. `assert_type` fails where an annotation
is too wide, such as Any.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import neuraleig
from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
)
from neuraleig.affinity import Affinity, NeighborAffinity, RBFAffinity
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.metrics import clustering_accuracy
from neuraleig.reading import Alignment
from neuraleig.training import BaseCallback, Training

Labels = NDArray[np.int64]
Values = NDArray[np.floating[Any]]


class Exchanged:
    """An array of another library."""

    def __dlpack__(self, *, stream: object = None) -> object:
        raise NotImplementedError

    def __dlpack_device__(self) -> tuple[int, int]:
        raise NotImplementedError


def kernel(left: Values, right: Values) -> Values:
    return np.asarray(np.exp(-np.square(left[:, None] - right).sum(axis=2)))


def trunk(n_features: int) -> nn.Module:
    return nn.Linear(n_features, 8)


def batches(X: Values) -> Iterator[Values]:
    yield X[:10]
    yield X[10:]


def cluster(X: Values) -> Labels:
    model = NeuralEigenSpectralClustering(
        3,
        affinity=kernel,
        network=trunk,
        hidden_sizes=[16],
        callbacks=[BaseCallback()],
        checkpoint=Path("fit"),
        random_state=np.random.RandomState(0),
    )
    fitted = model.fit(X)
    assert_type(fitted, NeuralEigenSpectralClustering)
    assert_type(model.partial_fit(X), NeuralEigenSpectralClustering)
    assert_type(model.labels_, Labels)
    assert_type(model.eigenvalues_, NDArray[np.float64])
    assert_type(model.graph_eigenvalues_, NDArray[np.float64])
    assert_type(model.eigenfunctions_, Eigenfunctions)
    assert_type(model.ncut_, float)
    assert_type(model.loss_curve_, list[float])
    assert_type(model.n_iter_, int)
    assert_type(model.n_samples_seen_, int)
    assert_type(model.n_clusters_, int)
    assert_type(model.n_connected_components_, int)
    assert_type(model.device_, str)
    assert_type(model.predict_proba(X), Values)
    assert_type(model.transform(X), Values)
    assert_type(model.fit_transform(X), Values)
    assert_type(model.fit_predict(X, affinity_matrix=None), Labels)
    assert_type(model.score(X, affinity_matrix=X @ X.T), float)
    assert_type(clustering_accuracy(model.labels_, model.predict(X)), float)
    return model.predict(X)


def refit(X: Values) -> Alignment | None:
    former = NeuralEigenSpectralClustering(3).fit(X)
    assert_type(former.name_clusters({0: "gold"}), NeuralEigenSpectralClustering)
    assert_type(former.cluster_names_, dict[int, str])
    model = NeuralEigenSpectralClustering(3).fit(X, align_to=former)
    assert_type(model.fit_predict(X, align_to=Path("model.safetensors")), Labels)
    assert_type(model.fit_transform(X, align_to="model.safetensors"), Values)
    if model.alignment_ is not None:
        assert_type(model.alignment_.agreement, float)
        assert_type(model.alignment_.former, tuple[int | None, ...])
    return model.alignment_


def other_rows(X: Values) -> Labels:
    rows = torch.from_numpy(X)
    model = NeuralEigenSpectralClustering(3)
    loader = DataLoader(TensorDataset(rows), batch_size=32)
    model.fit([[0.0, 1.0], [1.0, 0.0]])
    model.fit(Exchanged())
    model.fit(loader)
    for labels in model.iter_predict(batches(X)):
        assert_type(labels, Labels)
    for functions in model.iter_transform(loader):
        assert_type(functions, Values)
    model.fit(rows, affinity_matrix=rows @ rows.T)
    return model.predict(rows)


def across_batches(X: Values, batch: list[str]) -> float:
    model = NeuralEigenSpectralClustering(
        3,
        affinity=NeighborAffinity(15, across_groups=True),
        training=Training(max_iter=100, temperature=[1.0, 0.3]),
    ).set_params(training__lr=1e-3, affinity__weights="binary")
    assert_type(model, NeuralEigenSpectralClustering)
    assert_type(model.fit(X, groups=batch), NeuralEigenSpectralClustering)
    assert_type(model.fit_predict(X, groups=np.array(batch)), Labels)
    assert_type(model.affinity_, Affinity)
    assert_type(model.training, Training | None)
    return model.score(X, groups=batch)


def width(X: Values) -> float:
    kernel = RBFAffinity(n_landmarks=500)
    graph = kernel.build(X)
    assert_type(graph.n_nodes, int)
    return kernel.gamma_


def embed(X: Values) -> Values:
    model = NeuralSpectralEmbedding(2).fit(X)
    assert_type(model, NeuralSpectralEmbedding)
    assert_type(model.embedding_, Values)
    assert_type(model.fit_transform(X), Values)
    return model.transform(X)


def derivative(model: NeuralSpectralEmbedding, rows: Tensor) -> Tensor:
    module = model.eigenfunctions_
    functions, logits = module.forward(module.standardize(rows))
    assert_type(logits, Tensor)
    (gradient,) = torch.autograd.grad(functions.sum(), rows)
    return gradient


def segment(images: list[NDArray[np.uint8]]) -> DenseSegmenter:
    model = DenseSegmenter(4, backbone="color_texture", random_state=0).fit(images)
    assert_type(model, DenseSegmenter)
    model.predict(images[0])
    model.name_clusters({0: "road"})
    model.fit(images, align_to=model)
    neuraleig.save(model, "model.safetensors")
    neuraleig.load(Path("model.safetensors"))
    return model
