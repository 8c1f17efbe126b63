import math
import operator

import pytest
import torch
from torch import nn

from neuraleig._batch import Batch, Edges
from neuraleig.training import (
    BaseCallback,
    EarlyStopping,
    TemperatureSchedule,
    TrainingState,
    cosine_schedule,
)
from neuraleig.training._callbacks import HOOKS, check_callbacks

BATCH = Batch(torch.zeros(2, 1), Edges.paired(1), torch.arange(2))


class Number(nn.Module):
    """A network that is one number, whatever the rows."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, inputs):
        return self.value


def run(scores, n_steps=None, **options):
    """Let a network take given scores after every step."""
    network = Number(scores[0])
    stopping = EarlyStopping(lambda outputs, batch: outputs, BATCH, **options)
    state = TrainingState(network, n_steps or len(scores) - 1)
    stopping.on_train_begin(state)
    for score in scores[1:]:
        with torch.no_grad():
            network.value.fill_(score)
        state.step += 1
        stopping.on_epoch_end(state)
        if state.stop:
            break
    last = float(network.value.detach())
    stopping.on_train_end(state)
    return stopping, state, last, float(network.value.detach())


def test_cosine_schedule():
    assert cosine_schedule(3.0, 1.0, 0.0) == 3.0
    assert cosine_schedule(3.0, 1.0, 0.5) == pytest.approx(2.0)
    assert cosine_schedule(3.0, 1.0, 1.0) == pytest.approx(1.0)
    assert cosine_schedule(1.0, 0.0, 1 / 3) == pytest.approx(0.75)


def test_temperature_runs_from_start_to_end():
    assignment = nn.Module()
    schedule = TemperatureSchedule(assignment, 1.0, 0.3)
    state = TrainingState(nn.Module(), 5)
    seen = []
    for state.step in range(5):
        schedule.on_batch_begin(state)
        seen.append(assignment.temperature)
    assert (seen[0], seen[-1]) == pytest.approx((1.0, 0.3))
    assert seen[2] == pytest.approx(0.65)
    assert seen == sorted(seen, reverse=True)


def test_temperature_of_a_single_step_is_the_first():
    assignment = nn.Module()
    schedule = TemperatureSchedule(assignment, 1.0, 0.3)
    schedule.on_batch_begin(TrainingState(nn.Module(), 1))
    assert assignment.temperature == 1.0


def test_the_best_weights_come_back():
    _, state, last, restored = run([5.0, 3.0, 1.0, 2.0, 4.0])
    assert state.scores == [5.0, 3.0, 1.0, 2.0, 4.0]
    assert (last, restored) == (4.0, 1.0)
    assert not state.stop


def test_the_start_comes_back_where_training_only_harms():
    _, _, last, restored = run([1.0, 2.0, 3.0])
    assert (last, restored) == (3.0, 1.0)


def test_training_stops_after_more_than_patience_evaluations():
    _, state, last, restored = run([3.0, 2.0, *[4.0, 5.0, 6.0, 7.0]], patience=2)
    assert state.stop
    assert (state.step, last, restored) == (4, 6.0, 2.0)
    assert state.scores == [3.0, 2.0, 4.0, 5.0, 6.0]


def test_an_improvement_starts_the_count_again():
    _, state, _, restored = run([3.0, 4.0, 4.0, 2.0, 4.0, 4.0, 1.0], patience=2)
    assert not state.stop
    assert restored == 1.0


def test_improvements_below_the_tolerance_do_not_count_but_are_kept():
    scores = [1.0, 0.999, 0.998, 0.997, 0.996]
    _, state, _, restored = run(scores, patience=1, tol=0.01)
    assert (state.stop, state.step) == (True, 2)
    assert restored == pytest.approx(0.998)


def test_negative_scores_improve_downwards():
    _, state, _, restored = run([-1.0, -1.5, -2.0, -1.0], patience=0, tol=0.1)
    assert state.stop
    assert restored == -2.0


def test_scores_that_are_not_numbers_are_never_best():
    _, _, _, restored = run([math.nan, 3.0, math.nan, 4.0])
    assert restored == 3.0


def test_evaluation_is_in_evaluation_mode_without_gradient():
    modes = []

    def objective(outputs, batch):
        modes.append((network.training, torch.is_grad_enabled()))
        return outputs

    network = Number().train()
    stopping = EarlyStopping(objective, BATCH)
    stopping.on_train_begin(TrainingState(network, 3))
    assert modes == [(False, False)]
    assert network.training


def test_the_base_callback_changes_nothing():
    state = TrainingState(Number(2.0), 3)
    callback = BaseCallback()
    for hook in HOOKS:
        getattr(callback, hook)(state)
    assert (state.step, state.losses, state.stop) == (0, [], False)
    assert float(state.network.value.detach()) == 2.0


# What is refused as a callback


class Incomplete:
    def on_train_begin(self, state):
        pass

    on_batch_end = None


def test_callbacks_are_the_very_objects():
    callbacks = [BaseCallback(), BaseCallback()]
    checked = check_callbacks(callbacks)
    assert all(map(operator.is_, checked, callbacks))
    assert check_callbacks(None) == check_callbacks([]) == ()


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (BaseCallback, r"the class BaseCallback; pass an instance, BaseCallback\("),
        (
            Incomplete(),
            r"a Incomplete without on_epoch_begin, on_batch_begin, .*derive",
        ),
        (print, "derive its class from neuraleig.training.BaseCallback"),
        (None, "a NoneType without"),
    ],
)
def test_what_is_no_callback_is_refused(callback, message):
    with pytest.raises(TypeError, match=f"callbacks has.*{message}"):
        check_callbacks([BaseCallback(), callback])
