"""Interrupts that Python drops are repeated; other errors are told of as ever."""

import ctypes
import signal
import sys
import time
import weakref

import pytest

from neuraleig._cli._main import REPEATED_AFTER, _interrupts_repeated


class Thing:
    pass


class Destroyed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def callback_of_a_weak_reference():
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert reference() is None


def destructor():
    Destroyed()


def callback_from_c():
    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))()


@pytest.mark.parametrize(
    "drop", [callback_of_a_weak_reference, destructor, callback_from_c]
)
def test_dropped_interrupts_are_repeated(drop):
    former = sys.unraisablehook

    def work():
        drop()
        # Work between whose steps Python looks for interrupts, as it does in a fit.
        end = time.monotonic() + 30
        while time.monotonic() < end:
            time.sleep(0.01)
        raise AssertionError("the interrupt is lost")

    with pytest.raises(KeyboardInterrupt), _interrupts_repeated():
        work()
    assert sys.unraisablehook is former


def test_what_is_done_is_not_interrupted():
    with _interrupts_repeated():
        destructor()
    time.sleep(2 * REPEATED_AFTER)


def test_other_errors_are_told_of(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Failing:
        def __del__(self):
            raise RuntimeError("lost")

    with _interrupts_repeated():
        Failing()
    assert [lost.exc_type for lost in told] == [RuntimeError]
