"""Parses a line, makes the call it asks for, and reports errors in one line."""

from __future__ import annotations

import _thread
import json
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TextIO

from typer import Exit, Option, Typer, TyperException

from neuraleig._cli._command import add_command, make_app
from neuraleig._terminal import write_line
from neuraleig._version import __version__

# Status that a shell reports for a process that was interrupted.
INTERRUPTED = 130
# Seconds until a lost interrupt is repeated: the callbacks that lose it take far less.
REPEATED_AFTER = 0.25
# What users can set right; anything else is a fault of the program.
ERRORS = (OSError, ValueError, ImportError, FloatingPointError, MemoryError)
# More of it, in modules that commands import where they need them.
LATE_ERRORS = (
    ("neuraleig.training", "CheckpointError"),
    ("torch", "OutOfMemoryError"),
)
# Modules of the commands of a group; functions have the names of the commands.
COMMANDS = {
    "rows": {
        "demo": "_demo",
        "fit": "_rows",
        "choose": "_choose",
        "predict": "_rows",
        "transform": "_rows",
        "evaluate": "_evaluate",
        "name": "_name",
        "info": "_info",
        "report": "_report",
        "export": "_models",
    },
    "images": {
        "fit": "_segment_fit",
        "predict": "_segment_fit",
        "evaluate": "_segment_evaluate",
        "name": "_segment_name",
    },
}
# Description of the commands, which _interface.py writes.
INTERFACE = Path(__file__).with_name("interface.json")
EXAMPLES = """\
neuraleig demo                compare with other methods on handwritten digits
neuraleig fit rows.csv -o model.safetensors --n-clusters 10
                              learn clusters of the rows of a file
neuraleig predict model.safetensors more.csv -o labels.csv
                              label rows
neuraleig segment fit photos -o model.safetensors
                              segment a folder of images
neuraleig demo --help         options of a command
"""
SEGMENT = """\
neuraleig segment fit photos -o model.safetensors --n-clusters 12
neuraleig segment predict model.safetensors photos -o labels --overlays
neuraleig segment name model.safetensors --name 3=road --merge 1,4
neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid
neuraleig segment fit --help             options of a command
"""


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"neuraleig {__version__}\n")
        raise Exit


VERSION = Option("--version", callback=_show_version, is_eager=True, help="Version.")


def _program(version: Annotated[bool, VERSION] = False) -> None:
    pass


@cache
def _app() -> Typer:
    """Make all commands, of their description."""
    app = make_app("Spectral clustering that predicts.", EXAMPLES, completion=True)
    segment = make_app("Segment images without labels.", SEGMENT)
    described = json.loads(INTERFACE.read_text(encoding="utf-8"))
    for name, group in (("rows", app), ("images", segment)):
        for command in described["commands"][name]:
            add_command(group, command, described["groups"])
    app.callback()(_program)
    app.add_typer(segment, name="segment")
    return app


def parse(argv: Sequence[str] | None = None) -> Callable[[], Any] | int:
    """Call that a line asks for; the status where it asked for help."""
    asked: Callable[[], Any] | int = _app()(
        argv, prog_name="neuraleig", standalone_mode=False
    )
    return asked


def main(argv: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command; see :func:`neuraleig.cli.main`."""
    with _open_streams(out):
        return _status(sys.argv[1:] if argv is None else argv)


@contextmanager
def _open_streams(out: TextIO | None) -> Iterator[None]:
    """Write results to ``out``, and to nothing in place of streams that there are not.

    Services and programs without a console have none, or closed ones.
    """
    with ExitStack() as stack:
        for name, stream in (("stdout", out or sys.stdout), ("stderr", sys.stderr)):
            if stream is None or getattr(stream, "closed", False):
                nothing = Path(os.devnull).open("w", encoding="utf-8")
                stream = stack.enter_context(nothing)
            stack.callback(setattr, sys, name, getattr(sys, name))
            setattr(sys, name, stream)
        yield


def _status(argv: Sequence[str]) -> int:
    """Run one command, and report its errors."""
    try:
        asked = parse(argv)
        # What cannot be written is to be found out here, not at exit.
        sys.stdout.flush()
        if isinstance(asked, int):
            return asked
        with _warnings_in_lines(), _interrupts_repeated():
            status: int = asked() or 0
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has left.
        _settle_stdout()
        return 1
    except TyperException as error:
        _report_wrong_line(error, argv)
        return 2
    except _errors() as error:
        write_line(f"neuraleig: error: {_one_line(error)}")
        _settle_stdout()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as left:
        # As completion of shells ends.
        return left.code if isinstance(left.code, int) else 0
    return status


def _errors() -> tuple[type[Exception], ...]:
    """Errors that users can set right, among those of the modules that are there."""
    late = (getattr(sys.modules.get(m), name, None) for m, name in LATE_ERRORS)
    return (*ERRORS, *filter(None, late))


def _report_wrong_line(error: TyperException, argv: Sequence[str]) -> None:
    """Write one line about wrong arguments."""
    program = " ".join(["neuraleig", *argv[: 2 if argv[:1] == ["segment"] else 1]])
    message = _first_line(error.format_message())
    if (context := getattr(error, "ctx", None)) is not None:
        program = context.command_path
        # Options of a part, such as --training.lr for --lr.
        wrong = str(getattr(error, "option_name", "")).removeprefix("--")
        options = [option for p in context.command.params for option in p.opts]
        found = [option for option in options if option.endswith(f".{wrong}")]
        message = f"No such option: --{wrong}; use {found[0]}" if found else message
    write_line(f"{program}: error: {message} (see {program} --help)")


def _settle_stdout() -> None:
    """Drop what cannot be written: Python would try once more at exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _warnings_in_lines() -> Iterator[None]:
    """Show warnings as lines of the command, not of its source."""

    def show(message: Warning | str, *rest: object, **more: object) -> None:
        write_line(f"neuraleig: warning: {_first_line(str(message))}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def _interrupts_repeated() -> Iterator[None]:
    """Interrupt again where Python drops an interrupt.

    Whatever is raised in a destructor, in the callback of a weak reference or in one
    from C is told of and forgotten. The import system has such callbacks, and a fit
    imports a thousand modules of torch at its first step.
    """
    former = sys.unraisablehook
    repeats: list[threading.Timer] = []

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            former(lost)
            return
        # Not from here: it would be dropped with this call.
        repeats.append(threading.Timer(REPEATED_AFTER, _thread.interrupt_main))
        repeats[-1].daemon = True
        repeats[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = former
        for repeat in repeats:
            repeat.cancel()


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename else ""
        return f"{named}{error.strerror}"
    return _first_line(str(error)) or type(error).__name__


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
