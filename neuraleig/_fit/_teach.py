"""The warm start: teach a network the exact eigenfunctions and the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from neuraleig._fit._problem import Inputs, Problem
from neuraleig._fit._run import Run
from neuraleig._fit._settings import Settings
from neuraleig._fit._targets import Targets
from neuraleig._shard import Shard
from neuraleig._typing import IntArray
from neuraleig.networks import EigenNetwork, RowLinear, least_squares
from neuraleig.reading import judge_labels
from neuraleig.reading._judge import MIN_GAIN
from neuraleig.training import BaseCallback, Schedule, TrainingState, train
from neuraleig.training._optimizers import make_optimizers
from neuraleig.training._resume import SavedTraining

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
# Known are labels of which this share is right in the mean cluster.
# Not tuned: as little as fine-tuning changes, about 0.01 of the accuracy.
LEARNED_AGREEMENT = 0.99
# Once labels are known, a round has to lower the error of the functions by this share.
LEAST_GAIN = 0.1
# Nodes that are looked at for it.
CHECK_ROWS = 4_096
# Largest factor of the scores of clusters that least squares gives: plain clusters
# would take any, and fine-tuning moves nothing that is certain.
# Not tuned: a softmax of 32 is certain in float32.
MAX_SHARPNESS = 32.0


class WarmStart(NamedTuple):
    """Result of a warm start.

    Parameters
    ----------
    has_learned : bool
        Whether the network knows its targets; or the labels of all rows, where these
        are all that is read off it.
    n_updates : int
        Least squares that were solved, and steps that were taken.
    """

    has_learned: bool
    n_updates: int


def teach(
    network: EigenNetwork,
    problem: Problem,
    targets: Targets,
    settings: Settings,
    run: Run,
) -> WarmStart:
    """Teach the network the exact eigenfunctions and the labels.

    Linear heads are fitted to the untrained trunk by least squares, which is all that
    easy data needs. Rounds of training follow until labels and functions are known,
    or until every node was seen often enough.

    Parameters
    ----------
    network : EigenNetwork
        Trained in place.
    problem : Problem
        Nodes, and their network inputs.
    targets : Targets
        Of the nodes.
    settings : Settings
        Of training.
    run : Run
        Circumstances.

    Returns
    -------
    result : WarmStart
        Whether the network knows its targets, and at what price.

    Notes
    -----
    Memory beyond the rows: the outputs of the trunk for up to 8,192 of them, its
    activations for 2,048, and n_hidden x n_hidden.
    """
    sampler, one_pass = problem.teaching_batches(settings, run.seeds.sampling)
    n_rounds, n_steps = _rounds_of(network, settings, one_pass)
    with run.progress.stage("warm start", n_rounds) as stage:
        lesson, exam = _lessons(problem, targets, run)
        lesson.solve_heads(network)
        score = exam.score(network)
        if score.is_known(settings):
            stage.result = "heads by least squares, no steps"
            return WarmStart(True, 1)
        optimizers = make_optimizers(
            settings.optimizer, network, network.hidden_matrices, LR
        )
        rounds = _Rounds(lesson, exam, optimizers, settings, score.error)
        state = train(
            network,
            sampler,
            targets.regression(run.device),
            Schedule(n_rounds * n_steps, lr=LR, final_lr=LR, warmup=problem.warmup),
            device=run.device,
            optimizers=optimizers,
            callbacks=[rounds, stage, *run.callbacks],
            phase="warm_start",
            epoch_steps=n_steps,
            precision=settings.precision,
            compile=settings.compile,
            saved=SavedTraining(run.checkpoint, "warm_start", memories=[rounds]),
            shard=run.shard,
        )
        has_learned = exam.score(network).is_enough(settings, of_all=exam is lesson)
    return WarmStart(has_learned, 1 + state.step + state.epoch)


def _lessons(problem: Problem, targets: Targets, run: Run) -> tuple[_Lesson, _Lesson]:
    """Nodes to which heads are fitted, and those by which they are judged."""
    drawn = problem.drawn(targets.labels, run.seeds.check)
    lesson = _Lesson.of(problem, targets, drawn, run)
    judges = problem.judges(drawn, CHECK_ROWS, run.seeds.check)
    if judges is drawn:
        return lesson, lesson
    return lesson, _Lesson.of(problem, targets, judges, run)


def _rounds_of(
    network: EigenNetwork, settings: Settings, one_pass: float
) -> tuple[int, int]:
    """Most rounds, and the steps of each, where so many steps are one pass."""
    n_steps = max(ROUND_STEPS, int(one_pass))
    # Heads that are not solved for learn from scratch.
    enough: float = MAX_STEPS
    if network.has_solvable_labels:
        enough = min(MAX_STEPS, settings.max_passes * one_pass)
    return int(np.ceil(max(MIN_PASSES * one_pass, enough) / n_steps)), n_steps


@torch.no_grad()
def refit_labels(
    network: EigenNetwork, problem: Problem, targets: Targets | None, run: Run
) -> None:
    """Fit a linear label head anew, after the trunk was trained.

    The labels are those of the head, or those of the warm start where these are worth
    more. Least squares generalise better than a head that was trained by steps, which
    bends to single rows.

    Parameters
    ----------
    network : EigenNetwork
        Its label head is set in place; an orthogonal one is left alone.
    problem : Problem
        Nodes, and their network inputs.
    targets : Targets or None
        Of the warm start, if there was one.
    run : Run
        Circumstances.
    """
    if not network.has_solvable_labels or network.n_clusters == 1:
        return
    network.eval()
    shard = run.shard
    everything = problem.inputs(None, run.device)
    mine = everything.mapped(
        lambda part: network(part).logits.argmax(dim=1).cpu(),
        shard.part(len(everything)),
    )
    labels = shard.gathered(mine)
    if targets is not None:
        found, known = labels.numpy(), targets.labels.numpy()
        if not shard.first(lambda: _are_worth_more(problem, found, known)):
            labels = targets.labels
    drawn = problem.drawn(labels, run.seeds.check)
    own = shard.part(len(drawn))
    hidden = problem.inputs(drawn, run.device).mapped(network.trunk, own)
    labels = labels[drawn].to(run.device)
    one_hot = F.one_hot(labels[own], network.n_clusters)
    system = least_squares(hidden, one_hot, shard)
    _set_labels(network.label_head, *system, hidden, labels, shard)


def _are_worth_more(problem: Problem, found: IntArray, known: IntArray) -> bool:
    """Whether labels cut no more than known ones, and not by giving up clusters."""
    if np.unique(found).size < np.unique(known).size:
        return False
    after, before = (judge_labels(problem.graph, part) for part in (found, known))
    return after.cut <= before.cut and after.modularity > before.modularity - MIN_GAIN


class _Score(NamedTuple):
    """Share of the labels that are right, and mean squared error of the functions."""

    agreement: float
    error: float

    @property
    def knows_labels(self) -> bool:
        """Whether the labels are learned."""
        return self.agreement >= LEARNED_AGREEMENT

    def is_known(self, settings: Settings) -> bool:
        """Whether labels and functions are near enough to their targets."""
        return self.knows_labels and self.error <= settings.learned_error

    def is_enough(self, settings: Settings, *, of_all: bool) -> bool:
        """Whether nothing is left for fine-tuning; ``of_all``: heads saw all nodes.

        Labels are all that a head gives. But on large data fine-tuning is short beside
        the warm start, and improves those of nodes that the heads were not fitted to.
        """
        by_labels = settings.by_head and of_all and self.knows_labels
        return by_labels or self.is_known(settings)


@dataclass(frozen=True)
class _Lesson:
    """Nodes with their targets, by which heads are fitted or judged."""

    inputs: Inputs
    functions: Tensor
    labels: Tensor
    shard: Shard

    @classmethod
    def of(cls, problem: Problem, targets: Targets, drawn: Tensor, run: Run) -> _Lesson:
        return cls(
            problem.inputs(drawn, run.device),
            targets.functions[drawn].to(run.device),
            targets.labels[drawn].to(run.device),
            run.shard,
        )

    @torch.no_grad()
    def solve_heads(self, network: EigenNetwork) -> None:
        """Fit linear heads to the trunk as it is."""
        network.eval()
        own = self.shard.part(len(self.inputs))
        hidden = self.inputs.mapped(network.trunk, own)
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
    def score(self, network: EigenNetwork) -> _Score:
        """How near labels and functions are to their targets; on some nodes."""
        network.eval()
        labels = self.labels[:CHECK_ROWS]
        own = self.shard.part(len(labels))
        found = self.shard.gathered(self.inputs.mapped(_both_heads(network), own))
        functions = found[:, : network.n_functions]
        logits = found[:, network.n_functions :]
        error = (functions - self.functions[:CHECK_ROWS]).square().mean()
        right = labels[logits.argmax(dim=1) == labels]
        sizes = torch.bincount(labels)
        shares = torch.bincount(right, minlength=len(sizes)) / sizes
        agreement = shares[sizes > 0].mean()
        # One for all processes: rounding must not make some of them stop.
        return self.shard.first(lambda: _Score(float(agreement), float(error)))


def _both_heads(network: EigenNetwork) -> Callable[[Tensor], Tensor]:
    """Functions and scores of a network, side by side."""

    def values(inputs: Tensor) -> Tensor:
        outputs = network(inputs)
        return torch.cat([outputs.functions, outputs.logits], dim=1)

    return values


class _Rounds(BaseCallback):
    """Fit the heads anew after every round; end training once that is enough."""

    def __init__(
        self,
        lesson: _Lesson,
        exam: _Lesson,
        optimizers: Sequence[torch.optim.Optimizer],
        settings: Settings,
        error: float,
    ) -> None:
        self.lesson = lesson
        self.exam = exam
        self.optimizers = optimizers
        self.settings = settings
        self._error = error

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Forget the momentum of the former round: its heads are gone."""
        for optimizer in self.optimizers:
            optimizer.state.clear()

    def on_epoch_end(self, state: TrainingState) -> None:
        """Fit the heads; stop where that is enough."""
        network = cast(EigenNetwork, state.network)
        self.lesson.solve_heads(network)
        score = self.exam.score(network)
        gains = score.error <= (1.0 - LEAST_GAIN) * self._error
        self._error = score.error
        is_enough = self.settings.by_head and score.knows_labels and not gains
        state.stop = state.stop or is_enough or score.is_known(self.settings)
        network.train()

    def state_dict(self) -> dict[str, Any]:
        """Error of the last round, to be saved with the training."""
        return {"error": self._error}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved training."""
        self._error = state["error"]


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
    factor = sharpness(scores, labels[:CHECK_ROWS])
    _set(head, factor * weight, factor * bias)


def sharpness(scores: Tensor, labels: Tensor) -> float:
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
