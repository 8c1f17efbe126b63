"""Problem of a fit to tokens that a network sees window by window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from neuraleig._fit._problem import Inputs, Problem, Sampler, graph_text
from neuraleig._fit._run import Run
from neuraleig._fit._settings import Settings
from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, IntArray
from neuraleig.affinity import Graph, TokenAffinity
from neuraleig.affinity._token_affinity import TOKEN_NEIGHBORS
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.sampling import Windows, WindowSampler, padded_inputs

# Tokens of a batch, where its size is left open: enough for a graph among them.
BATCH_TOKENS = 6_400
# Tokens to which linear heads are fitted, about.
SOLVE_TOKENS = 8_192


@dataclass(frozen=True)
class WindowInputs:
    """Some windows of tokens, by their numbers, each one input of the network."""

    windows: Windows
    numbers: Sequence[int]
    device: torch.device

    @property
    def _ends(self) -> IntArray:
        """Position after the last token of every window."""
        sizes = [math.prod(self.windows.sizes[number]) for number in self.numbers]
        return np.cumsum(sizes, dtype=np.int64)

    def __len__(self) -> int:
        """Number of tokens."""
        return int(self._ends[-1])

    def mapped(self, function: Callable[[Tensor], Tensor], part: slice) -> Tensor:
        """Apply a function to the windows that hold some tokens, one by one."""
        start, stop, _ = part.indices(len(self))
        ends = self._ends
        # No tokens at all need a window as well, for the width of the result.
        first = min(int(np.searchsorted(ends, start, side="right")), len(ends) - 1)
        last = max(int(np.searchsorted(ends, stop, side="left")), first)
        before = 0 if first == 0 else int(ends[first - 1])
        found = [
            function(padded_inputs([self.windows[number].features]).to(self.device))
            for number in self.numbers[first : last + 1]
        ]
        return torch.cat(found)[start - before : stop - before]


class WindowProblem(Problem):
    """Tokens of some windows, their graph, and batches of whole windows.

    Tokens are standardised already.

    Parameters
    ----------
    sample : Windows
        Their tokens are the nodes, window by window and row by row.
    graph : Graph
        Of all of these tokens.
    windows : Windows
        All windows, of which fine-tuning draws batches.
    n_graph_channels : int or None
        Number of last channels by which the tokens of a batch are compared.
    n_neighbors : int
        Neighbours of a token in the graph of a batch.
    pixel_weight : float
        Weight of the graphs of pixels in that of a batch.
    device : torch.device
        Device on which the graphs of batches are built.
    """

    # Attention diverges without.
    warmup = 0.05
    validation_size = 16
    # A tenth of 40 windows.
    fewest_validation = 4

    def __init__(
        self,
        sample: Windows,
        graph: Graph,
        windows: Windows,
        *,
        n_graph_channels: int | None,
        n_neighbors: int,
        pixel_weight: float,
        device: torch.device,
    ) -> None:
        self.sample = sample
        self.graph = graph
        self.windows = windows
        self.n_features = int(sample[0].features.shape[2])
        self.standardization = Standardization(np.zeros(self.n_features), 1.0)
        self._graph_of_batches: dict[str, Any] = {
            "n_graph_channels": n_graph_channels,
            "n_neighbors": n_neighbors,
            "pixel_weight": pixel_weight,
            "device": device,
        }

    @classmethod
    def build(
        cls,
        sample: Windows,
        windows: Windows,
        affinity: TokenAffinity,
        rows: Array,
        run: Run,
        *,
        n_jobs: int | None = None,
        matrix: sp.csr_array | None = None,
        groups: IntArray | None = None,
    ) -> WindowProblem:
        """Build the graph of the tokens of the sample, or recall it.

        ``rows`` are these tokens; see :meth:`~neuraleig.affinity.Affinity.build`.
        """
        with run.progress.stage("neighbours") as stage:
            graph = run.graph_of(
                affinity, rows, n_jobs=n_jobs, matrix=matrix, groups=groups
            )
            problem = cls(
                sample,
                graph,
                windows,
                n_graph_channels=affinity.n_channels,
                n_neighbors=getattr(affinity.inner(), "n_neighbors", TOKEN_NEIGHBORS),
                pixel_weight=affinity.weight_of_pixels,
                device=run.device,
            )
            stage.result = graph_text(graph)
        return problem

    def drawn(self, labels: Tensor, seed: int) -> Tensor:
        """Tokens of whole windows, about 8,192 and some of every label."""
        spans = self._spans()
        order = np.random.default_rng(seed).permutation(len(spans))
        chosen: list[int] = []
        n_tokens, missing = 0, set(labels.tolist())
        for number in order.tolist():
            own = labels[slice(*spans[number])]
            holds = missing.intersection(own.tolist())
            if n_tokens + len(own) <= SOLVE_TOKENS or holds or not chosen:
                chosen.append(number)
                n_tokens += len(own)
                missing -= holds
        return torch.cat([torch.arange(*spans[number]) for number in chosen])

    def inputs(self, nodes: Tensor | None, device: torch.device) -> Inputs:
        """Windows of the tokens that :meth:`drawn` returned, or all."""
        numbers: Sequence[int] = range(len(self.sample.sizes))
        if nodes is not None:
            starts = np.array([start for start, _ in self._spans()])
            found = np.searchsorted(starts, nodes.numpy(), side="right") - 1
            # In the order in which they come.
            numbers = list(dict.fromkeys(found.tolist()))
        return WindowInputs(self.sample, numbers, device)

    def teaching_batches(self, settings: Settings, seed: int) -> tuple[Sampler, float]:
        """Batches of windows of the sample; tokens are looked at one by one."""
        sizes = self.sample.sizes
        sampler = WindowSampler(
            self.sample, batch_windows(sizes, None), seed=seed, n_neighbors=0
        )
        return sampler, len(sizes) / sampler.batch_size

    def n_judges(self, settings: Settings) -> int:
        """Number of windows."""
        return len(self.windows.sizes)

    def tuning_batches(
        self, settings: Settings, held_out: float, seed: int
    ) -> tuple[Sampler, bool]:
        """Batches of all windows, with the published graph of their tokens."""
        batch_size = batch_windows(self.windows.sizes, settings.batch_size)
        sampler = WindowSampler(
            self.windows,
            batch_size,
            seed=seed,
            held_out=held_out,
            **self._graph_of_batches,
        )
        return sampler, False

    def evaluate(
        self, eigenfunctions: Eigenfunctions, shard: Shard = ALONE
    ) -> tuple[Array, Array]:
        """Eigenfunctions and scores of clusters at the tokens; see :class:`Problem`."""
        device = eigenfunctions.shift.device
        n_components = eigenfunctions.n_components

        def values(inputs: Tensor) -> Tensor:
            return torch.cat(eigenfunctions(inputs), dim=1).cpu()

        inputs = self.inputs(None, device)
        with torch.inference_mode():
            mine = inputs.mapped(values, shard.part(len(inputs)))
        found: Array = shard.gathered(mine).numpy()
        return found[:, :n_components], found[:, n_components:]

    def _spans(self) -> list[tuple[int, int]]:
        """First token of every window of the sample, and the one after its last."""
        ends = np.cumsum([math.prod(size) for size in self.sample.sizes]).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))


def batch_windows(sizes: Sequence[tuple[int, int]], batch_size: int | None) -> int:
    """Windows of a batch: as asked for, or as many as have some thousand tokens."""
    if batch_size is not None:
        return batch_size
    mean = sum(h * w for h, w in sizes) / len(sizes)
    return max(1, round(BATCH_TOKENS / mean))
