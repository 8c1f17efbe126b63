"""Time and memory of a step of training on whole windows of tokens.

    python examples/benchmarks/token_step.py [--sizes ...] [--networks ...]

Without a backbone: features of windows are read from memory, in half precision as from
a cache, and a step is a batch with its graph, the forward and backward pass and the
step of the optimiser. Every size is a process of its own; its memory is the peak of
all that is resident, and less that after the imports.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import children
import numpy as np
import report
import torch
import trial

from neuraleig.networks import TokenAttention, make_network
from neuraleig.objectives import NeuralEF, NormalizedCut, Rayleigh, SumObjective
from neuraleig.sampling import TokenWindow, WindowSampler
from neuraleig.training._optimizers import make_optimizers

SIZES = (2_500, 5_000, 10_000, 20_000)
# Tokens of a window: 50 by 50.
SIDE = 50
# Three levels of a small vision transformer, the last of which makes the graph.
N_CHANNELS, N_LEVELS = 384, 3
N_CLUSTERS = 27
# Regions of a window along each side, and how far features scatter about their class.
N_REGIONS, SCATTER = 5, 1.0
PARTS = ("batch and graph", "forward", "loss and backward", "optimiser")
LR = 1e-3
NETWORKS: dict[str, dict[str, Any]] = {
    "default": {
        "network": TokenAttention(),
        "n_functions": 64,
        "n_clusters": N_CLUSTERS,
    },
    "published": {
        "network": TokenAttention(width=None, n_heads=18, mlp_width=576),
        "n_functions": 256,
        "n_clusters": 256,
        "head": "orthogonal",
        "assignment": "gumbel_softmax",
    },
}


class Scenes:
    """Windows of random regions of a few classes of features."""

    def __init__(self, n_windows: int) -> None:
        self.sizes = [(SIDE, SIDE)] * n_windows
        self._classes = torch.randn(N_CLUSTERS, N_LEVELS * N_CHANNELS)
        self._stored = [self._scene() for _ in range(n_windows)]

    def __getitem__(self, index: int) -> TokenWindow:
        """Tokens of a window."""
        return self._stored[index]

    def _scene(self) -> TokenWindow:
        regions = torch.randint(N_CLUSTERS, (N_REGIONS, N_REGIONS))
        repeats = SIDE // N_REGIONS
        classes = regions.repeat_interleave(repeats, 0).repeat_interleave(repeats, 1)
        features = self._classes[classes]
        features = features + SCATTER * torch.randn_like(features)
        shade = (classes / N_CLUSTERS)[:, :, None]
        colors = (shade + 0.1 * torch.rand(SIDE, SIDE, 3)).clamp(0, 1)
        return TokenWindow(features.half(), colors)


def measure(name: str, n_tokens: int, options: argparse.Namespace) -> None:
    """Seconds of the parts of steps and the peak memory, in this process."""
    record = trial.Record(options.folder)
    record.add(imports=trial.peak_mebibytes())
    torch.manual_seed(0)
    n_windows = n_tokens // SIDE**2
    sampler = WindowSampler(
        Scenes(n_windows),
        n_windows,
        seed=0,
        n_graph_channels=N_CHANNELS,
        n_neighbors=options.n_neighbors,
    )
    network = make_network(n_features=N_LEVELS * N_CHANNELS, **NETWORKS[name])
    if name == "published":
        objective, optimizer = NeuralEF(20.48 / 256, discrete=True), "adam"
    else:
        objective = SumObjective((1.0, Rayleigh()), (1.0, NormalizedCut()))
        optimizer = "muon"
    optimizers = make_optimizers(optimizer, network, network.hidden_matrices, LR)
    batches, seconds = iter(sampler), []
    for _ in range(options.repeats + 1):
        seconds.append(step(network, batches, objective, optimizers, record))
        # The first step compiles and allocates.
        record.add(
            parts=np.median(seconds[1:] or seconds, axis=0).tolist(),
            seconds=float(np.median(np.sum(seconds[1:] or seconds, axis=1))),
            peak=trial.peak_mebibytes(),
        )


def step(network, batches, objective, optimizers, record) -> list[float]:
    """Take one step; return the seconds of its parts."""
    times = [time.perf_counter()]
    batch = next(batches)
    times.append(time.perf_counter())
    outputs = network(batch.inputs)
    times.append(time.perf_counter())
    loss = objective(outputs, batch)
    network.zero_grad(set_to_none=True)
    loss.backward()
    times.append(time.perf_counter())
    for optimizer in optimizers:
        optimizer.step()
    times.append(time.perf_counter())
    record.add(n_edges=int(batch.affinity.weight.numel()), loss=float(loss.detach()))
    return np.diff(times).tolist()


def exponent(sizes: list[int], values: np.ndarray) -> float:
    """Exponent ``a`` of ``n^a``, by least squares of the logarithms of all sizes."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def table(name: str, found: dict[int, dict[str, Any]]) -> str:
    """Every size of one network, and the exponents."""
    header = [f"{name}: tokens", "edges", "step, seconds", *PARTS]
    rows = []
    for n_tokens, cell in found.items():
        numbers = [cell["seconds"], *cell["parts"]]
        memory = [cell["peak"], cell["peak"] - cell["imports"]]
        rows.append(
            [f"{n_tokens:,}", f"{cell['n_edges']:,}"]
            + [f"{value:.2f}" for value in numbers]
            + [f"{value:,.0f}" for value in memory]
        )
    if len(found) > 1:
        sizes = list(found)
        columns = np.transpose([[c["seconds"], *c["parts"]] for c in found.values()])
        powers = [f"{exponent(sizes, column):.2f}" for column in columns]
        rows.append(["exponent", "", *powers, "", ""])
    return report.markdown([*header, "peak MiB", "less imports"], rows)


def run(name: str, n_tokens: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one size in a process of its own."""
    folder = options.folder / f"{name}-{n_tokens}"
    flags = ["--child", name, str(n_tokens), "--folder", str(folder)]
    flags += ["--repeats", str(options.repeats)]
    flags += ["--n-neighbors", str(options.n_neighbors)]
    command = [sys.executable, str(Path(__file__)), *flags]
    found = children.run_once(command, folder, children.Limits(options.limit))
    print(name, n_tokens, found, flush=True)
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument(
        "--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS
    )
    parser.add_argument("--n-neighbors", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600, help="seconds a process")
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument(
        "--folder", type=Path, default=Path("build/benchmarks/token_step")
    )
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parse()
    if options.child:
        name, n_tokens = options.child
        measure(name, int(n_tokens), options)
        return
    if options.folder.exists() and not options.resume:
        shutil.rmtree(options.folder)
    cells = {
        name: {n: run(name, n, options) for n in sorted(options.sizes)}
        for name in options.networks
    }
    finished = {
        name: {n: cell for n, cell in found.items() if cell["failure"] is None}
        for name, found in cells.items()
    }
    report.write(
        options.output,
        "token_step",
        f"A step of training on tokens, {options.n_neighbors} neighbours",
        [table(name, found) for name, found in finished.items() if found],
        cells,
    )


if __name__ == "__main__":
    main()
