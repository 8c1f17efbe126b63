"""Time of predict against that of the bare matrix products of its network.

    python examples/benchmarks/predict_floor.py [--repeats 9]

The products have the shapes, the slices and the process of the prediction, and are
timed by turns with it. What is above a ratio of 1 are checks, standardisation,
activations and the choice of labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import report
import torch
from sklearn.datasets import make_blobs
from torch import Tensor

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.eigenfunctions import SLICE_ROWS, Eigenfunctions
from neuraleig.networks import RowLinear
from neuraleig.training import Training

# Features and clusters of the cases.
CASES = ((2, 2), (64, 10), (64, 50), (784, 10))
FITTED_ROWS, PREDICTED_ROWS = 2_000, 100_000


def fitted(n_features: int, n_clusters: int) -> NeuralEigenSpectralClustering:
    """Our estimator after a short fit: predict does not depend on how good it is."""
    X, _ = make_blobs(
        FITTED_ROWS, n_features=n_features, centers=n_clusters, random_state=0
    )
    model = NeuralEigenSpectralClustering(
        n_clusters, training=Training(max_iter=0), random_state=0
    )
    return model.fit(np.asarray(X / X.std(), dtype=np.float32))


def bare_products(module: Eigenfunctions, n_rows: int) -> Callable[[], None]:
    """The matrix products of ``module`` on ``n_rows`` rows, and nothing else.

    Inputs are made beforehand, of one slice each and stored as the network has them.
    """
    layers = [m for m in module.modules() if isinstance(m, RowLinear)]
    maps = [(layer.weight.detach(), layer.bias.detach()) for layer in layers]
    rotation = module.rotation.T
    device = rotation.device
    maps.append((rotation, torch.zeros(rotation.shape[0], device=device)))
    sizes = [min(SLICE_ROWS, n_rows - start) for start in range(0, n_rows, SLICE_ROWS)]
    inputs = {
        (weight.shape[1], count): torch.randn(weight.shape[1], count, device=device)
        for weight, _ in maps
        for count in set(sizes)
    }

    def products() -> None:
        with torch.inference_mode():
            for count in sizes:
                for weight, bias in maps:
                    _product(weight, bias, inputs[weight.shape[1], count])

    return products


def _product(weight: Tensor, bias: Tensor, columns: Tensor) -> Tensor:
    """A :class:`RowLinear` on rows that are stored column by column."""
    return torch.addmm(bias[:, None], weight, columns)


def by_turns(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of calls that alternate, after a turn that warms up."""
    seconds: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats + 1):
        for spent, call in zip(seconds, calls, strict=True):
            start = time.perf_counter()
            call()
            if repeat > 0:
                spent.append(time.perf_counter() - start)
    return [float(np.median(spent)) for spent in seconds]


def measure(n_features: int, n_clusters: int, repeats: int) -> dict[str, float]:
    """Both times of one case."""
    model = fitted(n_features, n_clusters)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(PREDICTED_ROWS, n_features)).astype(np.float32)
    products = bare_products(model.eigenfunctions_, len(X))
    whole, bare = by_turns([lambda: model.predict(X), products], repeats)
    return {
        "features": n_features,
        "clusters": n_clusters,
        "predict": whole,
        "products": bare,
        "ratio": whole / bare,
        "rows_per_second": len(X) / whole,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="predict_floor")
    options = parser.parse_args()
    found = [measure(*case, options.repeats) for case in CASES]
    rows = [
        [
            f"{case['features']}",
            f"{case['clusters']}",
            f"{case['predict']:.3f}",
            f"{case['products']:.3f}",
            f"{case['ratio']:.2f}",
            f"{case['rows_per_second']:,.0f}",
        ]
        for case in found
    ]
    header = ["features", "clusters", "predict, s", "products, s", "ratio", "rows/s"]
    title = f"Predict of {PREDICTED_ROWS:,} rows against its matrix products"
    tables = [report.markdown(header, rows)]
    report.write(options.output, options.name, title, tables, found)


if __name__ == "__main__":
    main()
