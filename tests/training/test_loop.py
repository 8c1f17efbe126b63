import re
from functools import partial
from itertools import islice, repeat
from types import MappingProxyType

import pytest
import torch
from torch import nn

from neuraleig._batch import Batch, Edges, Outputs
from neuraleig.training import BaseCallback, Schedule, train
from neuraleig.training._callbacks import HOOKS
from neuraleig.training._checkpoint import CheckpointFolder
from neuraleig.training._resume import SavedTraining

CPU = torch.device("cpu")
TARGET = torch.tensor([[1.0, -2.0, 0.5]])


class Table(nn.Module):
    """A network that is a table of values."""

    def __init__(self):
        super().__init__()
        self.values = nn.Parameter(torch.zeros(1, 3))

    def forward(self, inputs):
        return Outputs(self.values + 0 * inputs.sum(), self.values, self.values)


def quadratic(outputs, batch):
    return (outputs.functions - TARGET).square().sum()


def batches():
    return repeat(Batch(torch.zeros(2, 1), Edges.paired(1), torch.arange(2)))


class Grammarian(BaseCallback):
    """Remember hooks by a letter, and stop in one of them if told to."""

    LETTERS = MappingProxyType(dict(zip(HOOKS, "TEBGbet", strict=True)))

    def __init__(self, stop_in="", at=0):
        self.heard = ""
        self.stop_in = stop_in
        self.at = at
        for hook in HOOKS:
            setattr(self, hook, partial(self.hear, hook))

    def hear(self, hook, state):
        self.heard += self.LETTERS[hook]
        if (hook, state.step) == (self.stop_in, self.at):
            state.stop = True


class Recorder(BaseCallback):
    """Remember what happens, and stop after some steps."""

    def __init__(self, stop_after=None):
        self.events = []
        self.stop_after = stop_after

    def on_batch_begin(self, state):
        self.events.append(("begin", state.step))

    def on_batch_end(self, state):
        self.events.append(("end", state.step))
        state.stop = state.step == self.stop_after

    def on_train_end(self, state):
        self.events.append(("train end", state.step))


def test_a_quadratic_is_minimised():
    network = Table()
    schedule = Schedule(n_steps=300, lr=0.1)
    state = train(network, batches(), quadratic, schedule, device=CPU)
    torch.testing.assert_close(network.values.detach(), TARGET, atol=1e-3, rtol=0)
    assert state.losses[0] == pytest.approx(float(TARGET.square().sum()))
    assert state.losses[-1] < 1e-5
    assert state.step == len(state.losses) == 300
    assert not network.training


def test_first_steps_of_adam_have_the_length_of_the_learning_rate():
    network = Table()
    train(network, batches(), quadratic, Schedule(1, lr=0.01), device=CPU)
    torch.testing.assert_close(network.values.detach(), 0.01 * TARGET.sign())


def test_the_learning_rate_of_every_step_is_the_schedules():
    lengths = []

    class Lengths(BaseCallback):
        def on_batch_begin(self, state):
            self.before = state.network.values.detach().clone()

        def on_batch_end(self, state):
            step = state.network.values.detach() - self.before
            lengths.append(float(step.abs().max()))

    def linear(outputs, batch):
        return outputs.functions.sum()

    # Adam's steps along a constant gradient are as long as the learning rate.
    schedule = Schedule(n_steps=20, lr=0.1, final_lr=0.02, warmup=0.25)
    train(Table(), batches(), linear, schedule, device=CPU, callbacks=[Lengths()])
    expected = [schedule.lr_at(step) for step in range(20)]
    assert lengths == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("warmup", [0.0, 0.2, 1.0])
def test_schedule_rises_then_falls(warmup):
    schedule = Schedule(n_steps=50, lr=0.5, final_lr=0.01, warmup=warmup)
    rates = [schedule.lr_at(step) for step in range(50)]
    peak = max(round(50 * warmup) - 1, 0)
    assert rates[peak] == pytest.approx(0.5)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[0] == pytest.approx(0.5 / max(50 * warmup, 1))
    if warmup < 1:
        assert rates[-1] == pytest.approx(0.01)


def test_schedule_never_rises_to_the_final_rate():
    schedule = Schedule(n_steps=10, lr=1e-7)
    assert {schedule.lr_at(step) for step in range(10)} == {1e-7}
    assert Schedule(n_steps=1, lr=0.5).lr_at(0) == 0.5


def test_callbacks_surround_every_step():
    recorder = Recorder()
    train(
        Table(),
        batches(),
        quadratic,
        Schedule(2, 0.1),
        device=CPU,
        callbacks=[recorder],
    )
    assert recorder.events == [
        ("begin", 0),
        ("end", 1),
        ("begin", 1),
        ("end", 2),
        ("train end", 2),
    ]


def test_a_callback_can_stop_training():
    first, second = Recorder(), Recorder(stop_after=3)
    state = train(
        Table(),
        batches(),
        quadratic,
        Schedule(9, 0.1),
        device=CPU,
        callbacks=[first, second],
    )
    assert state.step == len(state.losses) == 3
    assert first.events[-1] == second.events[-1] == ("train end", 3)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_names_the_learning_rate(value):
    def objective(outputs, batch):
        count = recorder.events.count(("end", 2))
        return outputs.functions.sum() * (value if count else 1.0)

    recorder = Recorder()
    with pytest.raises(FloatingPointError, match=r"step 3 with lr=0\.25"):
        train(
            Table(),
            batches(),
            objective,
            Schedule(9, 0.25),
            device=CPU,
            callbacks=[recorder],
        )


def test_training_repeats_itself():
    results = []
    for _ in range(2):
        network = Table()
        train(network, batches(), quadratic, Schedule(30, 0.1), device=CPU)
        results.append(network.values.detach())
    assert torch.equal(*results)


# The grammar of events


def heard(n_steps, epoch_steps=3, **options):
    grammarian = Grammarian(**options)
    state = train(
        Table(),
        batches(),
        quadratic,
        Schedule(n_steps, 0.1),
        device=CPU,
        epoch_steps=epoch_steps,
        callbacks=[grammarian],
    )
    assert state.step == len(state.losses) == grammarian.heard.count("b")
    assert state.epoch == grammarian.heard.count("e")
    return grammarian.heard


@pytest.mark.parametrize("n_steps", [0, 1, 3, 7])
def test_events_are_those_of_whole_epochs_and_a_rest(n_steps):
    full, rest = divmod(n_steps, 3)
    epochs = [3] * full + [rest] * (rest > 0)
    expected = "".join("E" + "BGb" * steps + "e" for steps in epochs)
    assert heard(n_steps) == f"T{expected}t"


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("at", [0, 3, 4, 6, 7])
def test_events_have_a_grammar_wherever_training_stops(hook, at):
    events = heard(7, stop_in=hook, at=at)
    assert re.fullmatch("T(E(BGb)*e)*t", events)


def test_training_that_fails_ends_for_callbacks_too():
    grammarian = Grammarian()

    def objective(outputs, batch):
        return outputs.functions.sum() * torch.nan

    with pytest.raises(FloatingPointError):
        train(
            Table(),
            batches(),
            objective,
            Schedule(9, 0.1),
            device=CPU,
            callbacks=[grammarian],
        )
    assert grammarian.heard == "TEBGt"


def test_gradients_can_be_looked_at_and_changed():
    class Freeze(BaseCallback):
        def on_grad_computed(self, state):
            assert state.network.values.grad.abs().sum() > 0
            state.network.values.grad.zero_()

    network = Table()
    train(
        network,
        batches(),
        quadratic,
        Schedule(3, 0.1),
        device=CPU,
        callbacks=[Freeze()],
    )
    assert not network.values.detach().any()


def test_callbacks_see_the_learning_rate_and_the_phase():
    seen = []

    class Watch(BaseCallback):
        def on_batch_end(self, state):
            seen.append((state.phase, state.lr))

    schedule = Schedule(4, 0.1)
    train(
        Table(),
        batches(),
        quadratic,
        schedule,
        device=CPU,
        callbacks=[Watch()],
        phase="practice",
    )
    assert seen == [("practice", schedule.lr_at(step)) for step in range(4)]


# Training that goes on


class Numbered:
    """Batches that know from where they are drawn."""

    def __init__(self):
        self.starts = []

    def batches(self, start=0):
        self.starts.append(start)
        return batches()

    def __iter__(self):
        return self.batches()


@pytest.mark.parametrize("source", [list(islice(batches(), 20)), Numbered()])
def test_a_saved_training_goes_on(tmp_path, source):
    def run(network, *, callbacks=(), name="training"):
        saved = SavedTraining(CheckpointFolder(tmp_path, {}), name, interval=3)
        return train(
            network,
            source,
            quadratic,
            Schedule(20, 0.1),
            device=CPU,
            epoch_steps=2,
            callbacks=callbacks,
            saved=saved,
        )

    class Interrupt(BaseCallback):
        def on_batch_begin(self, state):
            if state.step == 11:
                raise KeyboardInterrupt

    whole, part = Table(), Table()
    expected = run(whole, name="whole")
    with pytest.raises(KeyboardInterrupt):
        run(part, callbacks=[Interrupt()])
    recorder = Recorder()
    state = run(part, callbacks=[recorder])
    # Every second epoch is saved: the eighth step was the latest.
    assert recorder.events[0] == ("begin", 8)
    assert torch.equal(whole.values, part.values)
    assert state.losses == expected.losses
    assert (state.step, state.epoch, state.lr) == (20, 10, expected.lr)
    if isinstance(source, Numbered):
        assert source.starts == [0, 0, 8]
    # What is complete is only read.
    again = Table()
    assert run(again).losses == expected.losses
    assert torch.equal(again.values, whole.values)
