"""Stages of one fit, and what each costs at least, in a process of its own.

Started by ``stages.py``.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import predict_floor
import scipy.sparse as sp
import torch
import trial
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.affinity import Graph, NeighborAffinity, nearest_neighbors
from neuraleig.training import TrainingHistory

# Columns of the tables.
INPUT, NEIGHBORS, VECTORS = "input", "neighbours", "eigenvectors"
LABELS, THINNED = "labels", "thinned graph"
WARM, TUNING = "warm start", "fine-tuning"
ROWS, DENSITY, REST = "all rows", "density, calibration", "rest"
COLUMNS = (
    *(INPUT, NEIGHBORS, VECTORS, LABELS, THINNED),
    *(WARM, TUNING, ROWS, DENSITY, REST),
)
# Columns of the stages that the logger announces ...
STAGES = {
    "neighbours": NEIGHBORS,
    "eigenvectors": VECTORS,
    "labels": LABELS,
    "thinned graph": THINNED,
    "warm start": WARM,
    "fine-tuning": TUNING,
    "density": DENSITY,
    "calibration": DENSITY,
}
# ... and of the time before a stage: checks and standardising, the making of the
# network, and after the training functions and labels of all rows.
BEFORE = {
    "neighbours": INPUT,
    "eigenvectors": INPUT,
    "warm start": WARM,
    "fine-tuning": TUNING,
    "density": ROWS,
}
BEGINS = ": begins"
# Rows of a step of training, and rows to which heads are fitted.
STEP_ROWS, SOLVED_ROWS = {"warm_start": 256, "fine_tuning": 512}, 8_192
# Multiplications of a step for one of a forward pass: also gradients of the weights and
# of the inputs.
PER_STEP = 3
# Distances that are held at once.
SLICE_ELEMENTS = 2**24
TOLERANCE = 1e-6
REPEATS = 3


class Clock(NamedTuple):
    """Seconds of the wall and of the processor."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Clock:
        """Seconds so far."""
        return cls(time.perf_counter(), time.process_time())


class StageTimes(logging.Handler):
    """Seconds of every column, by the stages that the logger announces.

    Parameters
    ----------
    device : str
        Device of the fit; what it is still to do counts to the stage that asked for it.
    """

    def __init__(self, device: str) -> None:
        super().__init__(logging.DEBUG)
        self._device = device
        self.wall: Counter[str] = Counter()
        self.processor: Counter[str] = Counter()
        self.lines: list[str] = []
        self._last = Clock.now()

    def emit(self, record: logging.LogRecord) -> None:
        """Take the time of a beginning or an end of a stage."""
        line = record.getMessage()
        name = line.partition(":")[0]
        if name in STAGES and line.endswith(BEGINS):
            self.lap(BEFORE.get(name, REST))
        elif name in STAGES and record.levelno == logging.INFO:
            self.lap(STAGES[name])
            self.lines.append(line)

    def lap(self, column: str) -> None:
        """Add the time since the last call to a column."""
        synchronize(self._device)
        now = Clock.now()
        self.wall[column] += now.wall - self._last.wall
        self.processor[column] += now.processor - self._last.processor
        self._last = now


def timed_fit(
    X: np.ndarray, n_clusters: int, seed: int, device: str
) -> tuple[NeuralEigenSpectralClustering, TrainingHistory, StageTimes]:
    """Fit with defaults, and take the time of its stages."""
    history, logger = TrainingHistory(), logging.getLogger("neuraleig")
    model = NeuralEigenSpectralClustering(
        n_clusters, callbacks=[history], device=device, random_state=seed
    )
    level = logger.level
    logger.setLevel(logging.DEBUG)
    times = StageTimes(device)
    logger.addHandler(times)
    model.fit(X)
    times.lap(REST)
    logger.removeHandler(times)
    logger.setLevel(level)
    return model, history, times


def synchronize(device: str) -> None:
    """Wait for a GPU."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def standardized(X: np.ndarray) -> np.ndarray:
    """One pass for the centre and the unit, one for the rows."""
    centre = X.mean(axis=0)
    return (X - centre) / X.std()


def all_products(X: np.ndarray, device: str) -> Callable[[], None]:
    """Products of all pairs of rows by slices, each read once."""
    rows = torch.from_numpy(X).to(device)
    step = max(1, SLICE_ELEMENTS // len(rows))

    def products() -> None:
        for part in rows.split(step):
            (part @ rows.T).amax(dim=1)

    return products


def arpack(graph: Graph, n_vectors: int) -> np.ndarray:
    """Leading eigenvectors of the normalised affinity."""
    degrees = np.asarray(graph.weights.sum(axis=1)).ravel()
    scale = sp.diags_array(1 / np.sqrt(np.maximum(degrees, np.finfo(float).tiny)))
    start = np.random.default_rng(0).uniform(size=graph.n_nodes)
    matrix = scale @ graph.weights.astype(np.float64) @ scale
    return eigsh(matrix, n_vectors, which="LA", v0=start, tol=TOLERANCE)[1]


def head_products(n_rows: int, n_hidden: int, device: str) -> Callable[[], object]:
    """The product of a system of least squares."""
    hidden = torch.randn(n_rows, n_hidden, dtype=torch.float64, device=device)
    return lambda: hidden.T @ hidden


def measure_floors(
    record: trial.Record,
    X: np.ndarray,
    model: NeuralEigenSpectralClustering,
    history: TrainingHistory,
    device: str,
) -> None:
    """Least seconds of the stages, cheap ones first: the limit may end the last."""
    floors: dict[str, float] = {}

    def add(column: str, call: Callable[[], object], times: float = 1.0) -> None:
        def synced() -> None:
            call()
            synchronize(device)

        seconds = times * trial.median_seconds(synced, REPEATS)
        floors[column] = floors.get(column, 0.0) + seconds
        record.add(floors=floors)

    module, functions = model.eigenfunctions_, model.transform(X)
    n_clusters, n_drawn = model.n_clusters, min(len(X), SOLVED_ROWS)
    n_hidden = module.network.label_head.weight.shape[1]
    add(INPUT, lambda: standardized(X))
    add(LABELS, lambda: KMeans(n_clusters, n_init=1, random_state=0).fit(functions))
    add(ROWS, predict_floor.bare_products(module, len(X)))
    add(WARM, predict_floor.bare_products(module, n_drawn))
    add(WARM, head_products(n_drawn, n_hidden, device))
    for phase, column in (("warm_start", WARM), ("fine_tuning", TUNING)):
        taken = history.phases.get(phase)
        step = predict_floor.bare_products(module, STEP_ROWS[phase])
        add(column, step, PER_STEP * len(taken.losses) if taken else 0)
    graph = NeighborAffinity().build(X, seed=0, device=torch.device(device))
    if graph.neighbor_recall == 1.0:
        add(NEIGHBORS, all_products(X, device))
    else:
        where = torch.device(device)
        add(NEIGHBORS, lambda: nearest_neighbors(X, 10, device=where, seed=0))
    start = time.perf_counter()
    arpack(graph, min(model.graph_eigenvalues_.size, graph.n_nodes - 1))
    record.add(floors={**floors, VECTORS: time.perf_counter() - start})


def main() -> None:
    options = trial.options()
    data = trial.read_split(options.split)
    record = trial.Record(options.folder)
    warm_up = trial.warm_up_set()
    for init in ("spectral", "random"):
        model = NeuralEigenSpectralClustering(3, device=options.device, random_state=0)
        model.set_params(training__init=init, training__max_iter=2).fit(warm_up.X_train)
    start = time.perf_counter()
    model, history, times = timed_fit(
        data.X_train, data.n_classes, options.seed, options.device
    )
    record.add(
        fit_seconds=time.perf_counter() - start,
        wall=dict(times.wall),
        processor=dict(times.processor),
        lines=[re.sub(r" \(\S+ s\)$", "", line) for line in times.lines],
        steps={name: len(phase.losses) for name, phase in history.phases.items()},
    )
    if not options.fit_only:
        measure_floors(record, data.X_train, model, history, options.device)


if __name__ == "__main__":
    main()
