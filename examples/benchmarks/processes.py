"""Time of the parts of a fit by one process and by two, with one thread each.

    python examples/benchmarks/processes.py [--rows 20000] [--steps 20]

Each number of processes is started for itself, by torchrun where it is more than one.
Medians over steps and repeats are reported: seconds on the clock, and seconds of the
processor that the busiest process took, which leave out what it waits for. Those on the
clock mean something only where every process has a core of its own; those of the
processor hardly change where it has not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import report
import torch
from sklearn.datasets import make_blobs

from neuraleig._shard import Shard
from neuraleig._standardize import Standardization
from neuraleig.affinity import Graph, NeighborAffinity
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import EigenNetwork, least_squares, make_network
from neuraleig.objectives import NormalizedCut, Rayleigh, SumObjective
from neuraleig.sampling import EdgeSampler
from neuraleig.training import BaseCallback, Schedule, TrainingState, train
from neuraleig.training._distributed import current_shard
from neuraleig.training._optimizers import make_optimizers

N_PROCESSES = (1, 2)
N_FEATURES = (64, 784)
BATCH_SIZES = (512, 4_096, 16_384)
N_CLUSTERS = 10
# As many as the warm start solves its heads by.
HEAD_ROWS = 8_192
# Left out: the first steps allocate memory.
WARM_UP = 3
LR = 1e-3
CPU = torch.device("cpu")


def now() -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


class Stopwatch(BaseCallback):
    """Seconds of every step, the sampling of its batch included."""

    def __init__(self) -> None:
        self.times = [now()]

    def on_step_end(self, state: TrainingState) -> None:
        """Stop the time."""
        self.times.append(now())


def slowest(seconds: np.ndarray, shard: Shard) -> list[float]:
    """Medians of the process that took longest."""
    medians = torch.from_numpy(np.median(seconds, axis=0))[None]
    return shard.gathered(medians).amax(dim=0).tolist()


def median_seconds(
    call: Callable[[], object], shard: Shard, repeats: int = 3
) -> list[float]:
    """Median seconds of a call that all processes begin together."""
    seconds = []
    for _ in range(repeats):
        shard.total(torch.zeros(1))
        start = now()
        call()
        seconds.append(np.subtract(now(), start))
    return slowest(np.array(seconds), shard)


def step_seconds(
    network: EigenNetwork,
    nodes: torch.Tensor,
    graph: Graph,
    batch_size: int,
    n_steps: int,
    shard: Shard,
) -> list[float]:
    """Median seconds of a step of fine-tuning."""
    watch = Stopwatch()
    shard.total(torch.zeros(1))
    train(
        network,
        EdgeSampler(nodes, graph, batch_size // 2, seed=0),
        SumObjective((1.0, Rayleigh()), (1.0, NormalizedCut())),
        Schedule(n_steps + WARM_UP, LR),
        device=CPU,
        optimizers=make_optimizers("muon", network, network.hidden_matrices, LR),
        callbacks=[watch],
        shard=shard,
    )
    return slowest(np.diff(watch.times, axis=0)[WARM_UP:], shard)


def measure(n_rows: int, n_features: int, n_steps: int) -> dict[str, list[float]]:
    """Seconds of every part, on blobs."""
    shard = current_shard()
    X, _ = make_blobs(n_rows, n_features, centers=N_CLUSTERS, random_state=0)
    X = X.astype(np.float32)
    affinity = NeighborAffinity()
    found = {}
    graph = affinity.build(X, seed=0, shard=shard)
    found["neighbour search"] = median_seconds(
        lambda: affinity.build(X, seed=0, shard=shard), shard
    )
    standardization = Standardization.of(X)
    nodes = standardization.apply(X)
    torch.manual_seed(0)
    network = make_network(
        "mlp",
        n_features=n_features,
        n_functions=N_CLUSTERS,
        n_clusters=N_CLUSTERS,
        rows=nodes,
    )
    for batch_size in BATCH_SIZES:
        found[f"step, batch of {batch_size:,}"] = step_seconds(
            network, nodes, graph, batch_size, n_steps, shard
        )
    rows = nodes[:HEAD_ROWS]
    own = rows[shard.part(len(rows))]
    targets = own[:, :N_CLUSTERS]
    with torch.no_grad():
        found[f"heads, {len(rows):,} rows"] = median_seconds(
            lambda: least_squares(network.trunk(own), targets, shard), shard
        )
    parts = (network, standardization, nodes, graph.weights, graph.degrees)
    found["Rayleigh-Ritz"] = median_seconds(
        lambda: Eigenfunctions.from_graph(*parts, shard=shard), shard
    )
    return found


def launch(n_processes: int, arguments: list[str]) -> dict[str, dict]:
    """Measure in processes of their own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    start = [sys.executable]
    if n_processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone"]
        start += [*launcher, f"--nproc-per-node={n_processes}"]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "seconds.json"
        command = [*start, __file__, *arguments, "--worker", str(result)]
        subprocess.run(command, check=True, env=environment)
        return json.loads(result.read_text())


def work(rows: int, steps: int, result: Path) -> None:
    """Measure as one of the processes; the first writes what it found."""
    torch.set_num_threads(1)
    found = {str(d): measure(rows, d, steps) for d in N_FEATURES}
    if current_shard().rank == 0:
        result.write_text(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--worker", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        work(options.rows, options.steps, options.worker)
        return
    torch.set_num_threads(1)
    arguments = ["--rows", str(options.rows), "--steps", str(options.steps)]
    raw = {n: launch(n, arguments) for n in N_PROCESSES}
    rows = []
    for n_features, alone in raw[1].items():
        for part, seconds in alone.items():
            rows.append([n_features, part])
            for one, two in zip(seconds, raw[2][n_features][part], strict=True):
                rows[-1] += [f"{1e3 * one:.1f}", f"{1e3 * two:.1f}", f"{one / two:.2f}"]
    kinds = ("clock", "processor")
    header = ["features", "part"] + [
        cell for k in kinds for cell in (f"1, {k}, ms", f"2, {k}, ms", "ratio")
    ]
    title = f"One process and two, {options.rows:,} rows"
    report.write(
        options.output, "processes", title, [report.markdown(header, rows)], raw
    )


if __name__ == "__main__":
    main()
