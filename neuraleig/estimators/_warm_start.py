"""The warm start: teach a network the exact eigenfunctions and the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from neuraleig._random import Seeds
from neuraleig.estimators._steps import Problem, Settings, Targets, judge_labels
from neuraleig.networks import EigenNetwork, RowLinear, least_squares
from neuraleig.sampling import NodeSampler
from neuraleig.training import Schedule, make_optimizers, train

# Rounds of training, of so many steps or of one pass over large data. They end once
# the network knows its targets; or after so many steps, which are more passes over
# small data than help, and fewer over large data than are needed. The learning rate
# stays: heads are solved for after every round, so there is no noise to settle.
ROUND_STEPS = 25
MAX_STEPS = 300
MIN_PASSES, MAX_PASSES = 6, 25
LR = 4e-3
# Known are labels of which this share is right in the mean cluster, and functions (of
# unit mean square) that err by this mean square.
LEARNED_AGREEMENT = 0.99
LEARNED_ERROR = 0.005
# Rows that are looked at for it, and rows to which linear heads are fitted.
CHECK_ROWS = 4_096
SOLVE_ROWS = 8_192
# Largest factor of the scores of clusters that least squares gives.
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


def warm_start(
    network: EigenNetwork,
    problem: Problem,
    targets: Targets,
    settings: Settings,
    seeds: Seeds,
    device: torch.device,
) -> WarmStart:
    """Teach the network the exact eigenfunctions and the labels.

    Linear heads are fitted to the untrained trunk by least squares, which is all that
    easy data needs. Rounds of training follow until labels and functions are known,
    or until every row was seen often enough.

    Notes
    -----
    Memory beyond the rows is O(n_hidden) for each of up to 8,192 of them.
    """
    rows = problem.nodes
    if targets.index.size < len(rows):
        rows = rows[torch.from_numpy(targets.index)]
    drawn = _shuffled(len(rows), seeds)[:SOLVE_ROWS]
    lesson = _Lesson.of(rows, targets, drawn, device)
    lesson.solve_heads(network)
    sampler = NodeSampler(rows, settings.batch_size // 2, seed=seeds.sampling)
    one_pass = len(rows) / sampler.batch_size
    n_steps = max(ROUND_STEPS, int(one_pass))
    # Heads that are not solved for learn from scratch.
    enough: float = MAX_STEPS
    if network.has_linear_labels:
        enough = min(MAX_STEPS, MAX_PASSES * one_pass)
    n_rounds = int(np.ceil(max(MIN_PASSES * one_pass, enough) / n_steps))
    for done in range(n_rounds):
        if lesson.is_known(network):
            return WarmStart(True, 1 + done * (n_steps + 1))
        train(
            network,
            sampler,
            targets.regression(device),
            Schedule(n_steps, lr=LR, final_lr=LR),
            device=device,
            optimizers=make_optimizers(
                settings.optimizer, network, network.hidden_matrices, LR
            ),
        )
        lesson.solve_heads(network)
    return WarmStart(lesson.is_known(network), 1 + n_rounds * (n_steps + 1))


@torch.no_grad()
def refit_labels(
    network: EigenNetwork,
    problem: Problem,
    targets: Targets | None,
    seeds: Seeds,
    device: torch.device,
) -> None:
    """Fit a linear label head anew, after the trunk was trained.

    The labels are those that the head has come to, or those of the warm start where
    they cut less. Least squares on them says more of new rows than a head that was
    trained by steps, which bends to single rows.
    """
    if not network.has_linear_labels:
        return
    network.eval()
    starts = range(0, len(problem.nodes), SOLVE_ROWS)
    parts = (problem.nodes[i : i + SOLVE_ROWS].to(device) for i in starts)
    labels = torch.cat([network(part).logits.argmax(dim=1).cpu() for part in parts])
    if targets is not None and targets.index.size == len(labels):
        graph = problem.graph
        found, known = labels.numpy(), targets.labels.numpy()
        is_poorer = np.unique(found).size < np.unique(known).size
        if is_poorer or judge_labels(graph, known).cut < judge_labels(graph, found).cut:
            labels = targets.labels
    drawn = _shuffled(len(labels), seeds)[:SOLVE_ROWS]
    hidden = network.trunk(problem.nodes[drawn].to(device))
    labels = labels[drawn].to(device)
    system = least_squares(hidden, F.one_hot(labels, network.n_clusters))
    _set_labels(network.label_head, *system, hidden, labels)


def _shuffled(n_rows: int, seeds: Seeds) -> Tensor:
    """Numbers of all rows in random order: rows may come in any."""
    return torch.from_numpy(np.random.default_rng(seeds.check).permutation(n_rows))


@dataclass(frozen=True)
class _Lesson:
    """Rows with their targets, by which heads are fitted and judged."""

    rows: Tensor
    functions: Tensor
    labels: Tensor

    @classmethod
    def of(
        cls, rows: Tensor, targets: Targets, drawn: Tensor, device: torch.device
    ) -> _Lesson:
        drawn_tensors = (rows[drawn], targets.functions[drawn], targets.labels[drawn])
        return cls(*(tensor.to(device) for tensor in drawn_tensors))

    @torch.no_grad()
    def solve_heads(self, network: EigenNetwork) -> None:
        """Fit linear heads to the trunk as it is."""
        network.eval()
        hidden = network.trunk(self.rows)
        one_hot = F.one_hot(self.labels, network.n_clusters)
        # One system for both.
        weight, bias = least_squares(hidden, torch.cat([self.functions, one_hot], 1))
        n_functions = network.n_functions
        _set(network.function_head, weight[:n_functions], bias[:n_functions])
        weight, bias = weight[n_functions:], bias[n_functions:]
        _set_labels(network.label_head, weight, bias, hidden, self.labels)

    @torch.no_grad()
    def is_known(self, network: EigenNetwork) -> bool:
        """Whether labels and functions are near enough to their targets."""
        network.eval()
        outputs = network(self.rows[:CHECK_ROWS])
        labels = self.labels[:CHECK_ROWS]
        error = (outputs.functions - self.functions[:CHECK_ROWS]).square().mean()
        right = outputs.logits.argmax(dim=1) == labels
        sizes = torch.bincount(labels)
        shares = torch.bincount(labels, weights=right.double()) / sizes
        agreement = shares[sizes > 0].mean()
        return bool(agreement >= LEARNED_AGREEMENT and error <= LEARNED_ERROR)


def _set_labels(
    head: nn.Module, weight: Tensor, bias: Tensor, hidden: Tensor, labels: Tensor
) -> None:
    """Set a label head, with scores that suit the softmax."""
    checked = slice(CHECK_ROWS)
    factor = _sharpness(hidden[checked].double() @ weight.T + bias, labels[checked])
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
