"""Lines and bars on stderr."""

import errno
import io
import re
import sys
import time

import pytest

from neuraleig import _terminal
from neuraleig._terminal import each_with_bar, live_bar, write_line


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def open_terminal(monkeypatch):
    """Maker of a terminal; to be called in tests, where pytest has no other."""

    def make():
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", "100")
        return stream

    return make


def test_what_is_done_and_left_is_shown(open_terminal):
    pytest.importorskip("tqdm")
    terminal = open_terminal()
    with live_bar("labels", 4, "images") as advance:
        advance(1)
        advance(1)
        # A bar is drawn ten times a second at most, and with every line.
        write_line("a warning")
    shown = terminal.getvalue()
    assert re.search(r"labels  50 % \|\S{10} {10}\| 2 of 4 images, 00:00 left", shown)
    # Nothing of it stays.
    assert shown.endswith("\r")


def test_a_bar_lives_while_nothing_is_done(open_terminal, monkeypatch):
    pytest.importorskip("tqdm")
    terminal = open_terminal()
    monkeypatch.setattr(_terminal, "TICK", 0.01)
    with live_bar("eigenvectors"):
        for _ in range(500):
            time.sleep(0.01)
            if terminal.getvalue().count("eigenvectors (00:") > 3:
                break
    assert terminal.getvalue().count("eigenvectors (00:") > 3


def test_a_total_may_be_known_later(open_terminal):
    pytest.importorskip("tqdm")
    terminal = open_terminal()
    with live_bar("features") as advance:
        advance.set_total(10)
        advance(5)
        write_line("a warning")
    assert re.search(r"50 % \|\S{10} {10}\| 5 of 10, ", terminal.getvalue())


def test_lines_are_above_the_bar(open_terminal):
    pytest.importorskip("tqdm")
    terminal = open_terminal()
    with live_bar("labels", 4, "images"):
        write_line("a warning")
    before, _, after = terminal.getvalue().partition("a warning\n")
    # The bar is cleared first, and drawn again.
    assert before.endswith("\r")
    assert after.startswith("\rlabels")


def test_items_are_counted(open_terminal):
    pytest.importorskip("tqdm")
    terminal = open_terminal()
    assert list(each_with_bar([3, 1, 2], "sheet", "images")) == [3, 1, 2]
    assert "sheet   0 %" in terminal.getvalue()


@pytest.mark.parametrize("shown", [True, False])
def test_files_have_no_bars(monkeypatch, shown):
    stream = io.StringIO() if shown else Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with live_bar("labels", 4, "images", shown=shown) as advance:
        advance(1)
        advance.set_total(5)
    assert stream.getvalue() == ""


def test_without_tqdm_the_beginning_is_shown(open_terminal, monkeypatch):
    terminal = open_terminal()
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with live_bar("labels", 4, "images") as advance:
        advance(1)
        write_line("a warning")
    assert terminal.getvalue() == "labels ...\na warning\n"


def closed_stream():
    stream = io.StringIO()
    stream.close()
    return stream


class Hung(Terminal):
    """A terminal that was closed while the program ran."""

    def write(self, text):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("make", [lambda: None, closed_stream, Hung])
def test_programs_whose_stderr_leads_nowhere_go_on(monkeypatch, make):
    monkeypatch.setattr(sys, "stderr", make())
    with live_bar("labels", 4, "images") as advance:
        advance(1)
        write_line("a warning")


def test_errors_pass_through_a_bar(open_terminal):
    open_terminal()
    with pytest.raises(KeyError, match="lost"), live_bar("labels", 4, "images"):
        raise KeyError("lost")
