"""The warm start: teach a network the exact eigenfunctions and the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from neuraleig._random import Seeds
from neuraleig._shard import Shard
from neuraleig._targets import Targets, judge_labels
from neuraleig._typing import IntArray
from neuraleig.discretize import MIN_GAIN
from neuraleig.estimators._steps import FitContext, Problem
from neuraleig.networks import EigenNetwork, RowLinear, least_squares
from neuraleig.sampling import NodeSampler
from neuraleig.training import (
    BaseCallback,
    SavedTraining,
    Schedule,
    TrainingState,
    make_optimizers,
    train,
)

# Rounds of training, of so many steps or of one pass over large data. They end once
# the network knows its targets; or after so many steps, which are fewer passes over
# large data than are needed. The learning rate stays: heads are solved for after
# every round, so there is no noise to settle.
# Not tuned to labels: what counts is how soon the network knows its targets, which are
# given. Other values are not on record.
ROUND_STEPS = 25
MAX_STEPS = 300
MIN_PASSES = 6
LR = 4e-3
# Known are labels of which this share is right in the mean cluster, and functions (of
# unit mean square) that err by this mean square.
# Not tuned: as little as fine-tuning changes, about 0.01 of the accuracy.
LEARNED_AGREEMENT = 0.99
LEARNED_ERROR = 0.005
# Rows that are looked at for it, and rows to which linear heads are fitted.
CHECK_ROWS = 4_096
SOLVE_ROWS = 8_192
# Every cluster has as many of them, if it has as many rows.
ROWS_PER_CLUSTER = 64
# Rows that go through the trunk at once.
SLICE_ROWS = 2_048
# Slices are filled up to a multiple of it, see eigenfunctions.py.
ROW_MULTIPLE = 32
# Largest factor of the scores of clusters that least squares gives: plain clusters
# would take any, and fine-tuning moves nothing that is certain.
# Not tuned: a softmax of 32 is certain in float32.
MAX_SHARPNESS = 32.0


class WarmStart(NamedTuple):
    """What a warm start has come to.

    Parameters
    ----------
    has_learned : bool
        Whether the network knows its targets.
    n_updates : int
        Least squares that were solved, and steps that were taken.
    """

    has_learned: bool
    n_updates: int


def warm_start(network: EigenNetwork, context: FitContext) -> WarmStart:
    """Teach the network the exact eigenfunctions and the labels.

    Linear heads are fitted to the untrained trunk by least squares, which is all that
    easy data needs. Rounds of training follow until labels and functions are known,
    or until every row was seen often enough.

    Notes
    -----
    Memory beyond the rows: what the trunk puts out for up to 8,192 of them, what it
    needs inside for 2,048, and n_hidden x n_hidden.
    """
    problem, targets, settings = context.problem, context.targets, context.settings
    if targets is None:
        return WarmStart(False, 0)
    seeds, device = context.seeds, context.device
    rows = problem.nodes
    drawn = _drawn(targets.labels, seeds)
    lesson = _Lesson.of(rows, targets, drawn, device, context.shard)
    lesson.solve_heads(network)
    sampler = NodeSampler(rows, settings.batch_size // 2, seed=seeds.sampling)
    one_pass = len(rows) / sampler.batch_size
    n_steps = max(ROUND_STEPS, int(one_pass))
    # Heads that are not solved for learn from scratch.
    enough: float = MAX_STEPS
    if network.has_solvable_labels:
        enough = min(MAX_STEPS, settings.max_passes * one_pass)
    n_rounds = int(np.ceil(max(MIN_PASSES * one_pass, enough) / n_steps))
    if lesson.is_known(network):
        return WarmStart(True, 1)
    optimizers = make_optimizers(
        settings.optimizer, network, network.hidden_matrices, LR
    )
    supervision = context.supervision
    with supervision.progress.stage("warm start", n_rounds) as stage:
        state = train(
            network,
            sampler,
            targets.regression(device),
            Schedule(n_rounds * n_steps, lr=LR, final_lr=LR),
            device=device,
            optimizers=optimizers,
            callbacks=[_Rounds(lesson, optimizers), stage, *supervision.callbacks],
            phase="warm_start",
            epoch_steps=n_steps,
            precision=settings.precision,
            compile=settings.compile,
            saved=SavedTraining(supervision.checkpoint, "warm_start"),
            shard=context.shard,
        )
    return WarmStart(lesson.is_known(network), 1 + state.step + state.epoch)


@torch.no_grad()
def refit_labels(network: EigenNetwork, context: FitContext) -> None:
    """Fit a linear label head anew, after the trunk was trained.

    The labels are those that the head has come to, or those of the warm start where
    these are worth more. Least squares on them says more of new rows than a head that
    was trained by steps, which bends to single rows.
    """
    if not network.has_solvable_labels or network.n_clusters == 1:
        return
    network.eval()
    problem, targets, shard = context.problem, context.targets, context.shard
    rows, device = problem.nodes, context.device
    mine = _in_slices(
        lambda part: network(part.to(device)).logits.argmax(dim=1).cpu(),
        rows[shard.part(len(rows))],
    )
    labels = shard.gathered(mine)
    if targets is not None:
        found, known = labels.numpy(), targets.labels.numpy()
        if not shard.first(lambda: _are_worth_more(problem, found, known)):
            labels = targets.labels
    drawn = _drawn(labels, context.seeds)
    own = shard.part(len(drawn))
    hidden = _in_slices(network.trunk, rows[drawn[own]].to(device))
    labels = labels[drawn].to(device)
    one_hot = F.one_hot(labels[own], network.n_clusters)
    system = least_squares(hidden, one_hot, shard)
    _set_labels(network.label_head, *system, hidden, labels, shard)


def _are_worth_more(problem: Problem, found: IntArray, known: IntArray) -> bool:
    """Whether labels cut no more than known ones, and not by giving up clusters."""
    if np.unique(found).size < np.unique(known).size:
        return False
    after, before = (judge_labels(problem.graph, part) for part in (found, known))
    return after.cut <= before.cut and after.modularity > before.modularity - MIN_GAIN


def _drawn(labels: Tensor, seeds: Seeds) -> Tensor:
    """Up to ``SOLVE_ROWS`` rows, drawn at random, with some of every cluster."""
    order = np.random.default_rng(seeds.check).permutation(len(labels))
    if len(order) > SOLVE_ROWS:
        shuffled = labels.numpy()[order]
        by_cluster = np.argsort(shuffled, kind="stable")
        sizes = np.bincount(shuffled)
        first = np.repeat(np.cumsum(sizes) - sizes, sizes)
        rank = np.empty(len(order), dtype=np.int64)
        rank[by_cluster] = np.arange(len(order)) - first
        order = order[np.argsort(rank >= ROWS_PER_CLUSTER, kind="stable")]
    return torch.from_numpy(order[:SOLVE_ROWS])


def _in_slices(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """What a function says of rows; its insides may be many times larger.

    Slices are filled up with zeros: a row then gets the same bits whichever process
    it falls to, and least squares would magnify any difference.
    """
    found = []
    # No rows at all are a slice as well, for the width of the result.
    for start in range(0, max(len(rows), 1), SLICE_ROWS):
        part = rows[start : start + SLICE_ROWS]
        missing = -len(part) % ROW_MULTIPLE if len(part) else ROW_MULTIPLE
        filled = torch.cat([part, part.new_zeros(missing, part.shape[1])])
        found.append(function(filled)[: len(part)])
    return torch.cat(found)


@dataclass(frozen=True)
class _Lesson:
    """Rows with their targets, by which heads are fitted and judged."""

    rows: Tensor
    functions: Tensor
    labels: Tensor
    shard: Shard

    @classmethod
    def of(
        cls,
        rows: Tensor,
        targets: Targets,
        drawn: Tensor,
        device: torch.device,
        shard: Shard,
    ) -> _Lesson:
        return cls(
            rows[drawn].to(device),
            targets.functions[drawn].to(device),
            targets.labels[drawn].to(device),
            shard,
        )

    @torch.no_grad()
    def solve_heads(self, network: EigenNetwork) -> None:
        """Fit linear heads to the trunk as it is."""
        network.eval()
        own = self.shard.part(len(self.rows))
        hidden = _in_slices(network.trunk, self.rows[own])
        one_hot = F.one_hot(self.labels[own], network.n_clusters)
        # One system for both.
        taught = torch.cat([self.functions[own], one_hot], 1)
        weight, bias = least_squares(hidden, taught, self.shard)
        n_functions = network.n_functions
        _set(network.function_head, weight[:n_functions], bias[:n_functions])
        weight, bias = weight[n_functions:], bias[n_functions:]
        label_head = network.label_head
        _set_labels(label_head, weight, bias, hidden, self.labels, self.shard)
        # Processes that drift apart by rounding meet again here.
        self.shard.align(network)

    @torch.no_grad()
    def is_known(self, network: EigenNetwork) -> bool:
        """Whether labels and functions are near enough to their targets."""
        network.eval()
        outputs = self.shard.forward(network, self.rows[:CHECK_ROWS])
        labels = self.labels[:CHECK_ROWS]
        error = (outputs.functions - self.functions[:CHECK_ROWS]).square().mean()
        right = labels[outputs.logits.argmax(dim=1) == labels]
        sizes = torch.bincount(labels)
        shares = torch.bincount(right, minlength=len(sizes)) / sizes
        agreement = shares[sizes > 0].mean()
        learned = agreement >= LEARNED_AGREEMENT and error <= LEARNED_ERROR
        return self.shard.first(lambda: bool(learned))


class _Rounds(BaseCallback):
    """Fit the heads anew after every round; end training once that is enough."""

    def __init__(
        self, lesson: _Lesson, optimizers: Sequence[torch.optim.Optimizer]
    ) -> None:
        self.lesson = lesson
        self.optimizers = optimizers

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Forget the momentum of the former round: its heads are gone."""
        for optimizer in self.optimizers:
            optimizer.state.clear()

    def on_epoch_end(self, state: TrainingState) -> None:
        """Fit the heads; stop where that is enough."""
        network = cast(EigenNetwork, state.network)
        self.lesson.solve_heads(network)
        state.stop = state.stop or self.lesson.is_known(network)
        network.train()


def _set_labels(
    head: nn.Module,
    weight: Tensor,
    bias: Tensor,
    hidden: Tensor,
    labels: Tensor,
    shard: Shard,
) -> None:
    """Set a label head, with scores that suit the softmax.

    Hidden units are those of the rows of this process, labels those of all.
    """
    n_checked = max(CHECK_ROWS - shard.part(len(labels)).start, 0)
    scores = shard.gathered(hidden[:n_checked].double() @ weight.T + bias)
    factor = _sharpness(scores, labels[:CHECK_ROWS])
    _set(head, factor * weight, factor * bias)


def _sharpness(scores: Tensor, labels: Tensor) -> float:
    """Factor of the scores that makes the labels most likely."""
    found = minimize_scalar(
        lambda factor: float(F.cross_entropy(factor * scores, labels)),
        bounds=(1.0, MAX_SHARPNESS),
        method="bounded",
    )
    return float(found.x)


def _set(head: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Set a linear head; others learn by steps alone."""
    if isinstance(head, RowLinear):
        head.weight.copy_(weight)
        head.bias.copy_(bias)
