"""Lines and bars on stderr; bars on a terminal alone, where tqdm is installed.

Programs without stderr, such as services, and with one that is closed or whose reader
has left, go on without.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TextIO, TypeVar

T_co = TypeVar("T_co", covariant=True)

# Seconds between two looks of a bar, which shows that the program is alive.
TICK = 0.5
# Of streams that are closed, or lead nowhere.
UNWRITABLE = (OSError, ValueError)
ELAPSED = "{desc} ({elapsed})"
BAR = "{desc} {percentage:3.0f} % |{bar:20}| {n_fmt} of {total_fmt}{unit}, "
BAR += "{remaining} left ({elapsed})"


class SizedIterable(Protocol[T_co]):
    """What is iterated over once, and has a length."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[T_co]: ...


class Advance:
    """Advances a bar, if there is one."""

    def __init__(self, bar: Any) -> None:  # noqa: ANN401 - tqdm has no types
        self._bar = bar

    def __call__(self, count: int) -> None:
        if self._bar is not None:
            with suppress(*UNWRITABLE):
                self._bar.update(count)

    def set_total(self, total: int) -> None:
        """Show a share from now on."""
        if self._bar is not None:
            self._bar.bar_format, self._bar.total = BAR, total


def write_line(line: str) -> None:
    """Write a line to stderr, whatever it is at the moment, above a bar."""
    stream = open_stderr()
    if stream is not None:
        with suppress(*UNWRITABLE), _above_bars():
            stream.write(f"{line}\n")
            stream.flush()


def open_stderr() -> TextIO | None:
    """Standard error, unless there is none, as in pythonw, or it is closed."""
    stream = sys.stderr
    return None if getattr(stream, "closed", False) else stream


def on_terminal() -> bool:
    """Whether somebody may look at stderr."""
    stream = open_stderr()
    return stream is not None and stream.isatty()


@contextmanager
def live_bar(
    text: str, total: int | None = None, unit: str = "", *, shown: bool = True
) -> Iterator[Advance]:
    """Show for as long as the block lasts what is done, and the time left.

    Parameters
    ----------
    text : str
        What is done.
    total : int or None, default=None
        Units of work; ``None`` shows the time alone, until a total is set.
    unit : str, default=""
        Name of them, in the plural.
    shown : bool, default=True
        Whether to show anything.

    Returns
    -------
    advance : Advance
        To be called with the number of units that were done since its last call.
    """
    bar = _bar(text, total, unit) if shown else None
    if bar is None:
        yield Advance(None)
        return
    stop = threading.Event()
    ticker = threading.Thread(target=_tick, args=(bar, stop), daemon=True)
    ticker.start()
    try:
        yield Advance(bar)
    finally:
        stop.set()
        ticker.join()
        with suppress(*UNWRITABLE):
            bar.close()


def each_with_bar(
    items: SizedIterable[T_co], text: str, unit: str, *, shown: bool = True
) -> Iterator[T_co]:
    """Items one by one, under a :func:`live_bar`."""
    with live_bar(text, len(items), unit, shown=shown) as advance:
        for item in items:
            yield item
            advance(1)


def _bar(text: str, total: int | None, unit: str) -> Any:  # noqa: ANN401
    """Bar of tqdm; ``None`` without tqdm or a terminal."""
    if not on_terminal():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        write_line(f"{text} ...")
        return None
    return tqdm(
        total=total,
        desc=text,
        unit=unit and f" {unit}",
        unit_scale=total is not None and total >= 100_000,
        leave=False,
        file=sys.stderr,
        bar_format=ELAPSED if total is None else BAR,
        dynamic_ncols=True,
    )


def _tick(bar: Any, stop: threading.Event) -> None:  # noqa: ANN401
    with suppress(*UNWRITABLE):
        while not stop.wait(TICK):
            bar.refresh()


@contextmanager
def _above_bars() -> Iterator[None]:
    """Clear the bars during the block."""
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None:
        yield
        return
    with tqdm.external_write_mode(file=sys.stderr, nolock=False):
        yield
