"""Functions as commands: options come from signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer import Argument, Option, Typer, TyperException

from neuraleig._cli._settings import Settings, described

# Arguments and options that mean one thing in several commands: metavar, and help.
# The docstring of a command comes first.
COMMON = {
    "model": ("MODEL", "Model file."),
    "data": (
        "DATA",
        "Rows, of any number: .npy, .npz, .csv, .tsv, .parquet or .feather; - for "
        "stdin.",
    ),
    "output": (
        "FILE",
        "Results, written part by part: .npy or .csv (default: - for .csv to stdout).",
    ),
    "group_column": (
        "NAME",
        "Column of the groups, or key of a .npz file, for --affinity.across-groups.",
    ),
    "align_to": (
        "MODEL",
        "Model whose numbers and names of clusters the new one takes over.",
    ),
    "feature_cache": (
        "FOLDER",
        "Store of features, of which the backbone computes what it lacks: none, a "
        "folder, or 8 GB among the caches of the user (default: shared).",
    ),
    "json_": ("", "Write JSON."),
    "images": ("FOLDER", "Folder of images."),
    "preset": (
        "NAME",
        "Published settings: pascal_context, cityscapes, ade20k or none.",
    ),
    "device": ("NAME", "auto, cpu, cuda or another name that torch knows."),
    "weights": ("FILE", "Weights of the backbone, which are otherwise fetched."),
    "random_state": ("N", "Seed."),
}
Command = Callable[..., int | None]
KEYWORD = inspect.Parameter.KEYWORD_ONLY
SHORT = {"output": "-o", "quiet": "-q", "verbose": "-v"}


class UsageError(TyperException):
    """Options that do not go together; ends the command with status 2."""

    exit_code = 2


def make_app(summary: str, examples: str) -> Typer:
    """Make a group of commands, with help in plain text."""
    return Typer(
        help=summary,
        epilog=_epilog(examples),
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def add_command(app: Typer, function: Command) -> None:
    """Make a function a command of an app.

    Parameters without ``*`` before them are arguments, the others options; an
    annotation may name what reads a value. A dataclass stands for an option per field,
    and :class:`Settings` for those of an estimator. Help is the docstring, where types
    are metavars and the examples lines of the command.

    Parsing a line returns the call that it asks for, and does not make it: errors of
    the line and errors of the work are told apart.
    """
    hints = get_type_hints(function, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if _is_group(kind)}
    texts = described(function)
    options = []
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if parameter.name in groups:
            options += _options_of(kind)
        else:
            options.append(_option(parameter, kind, texts))

    def asked(**values: Any) -> Callable[[], int | None]:  # noqa: ANN401
        for name, kind in groups.items():
            members = {o.name: values.pop(o.name) for o in _options_of(kind)}
            settings = _settings(kind)
            values[name] = settings.given(members) if settings else kind(**members)
        return partial(function, **values)

    asked.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    asked.__annotations__ = {option.name: option.annotation for option in options}
    text, _, rest = (inspect.getdoc(function) or "").partition("\n\nParameters\n")
    examples = f"{rest or text}\n".partition("Examples\n--------\n")[2]
    text = text.partition("\n\nExamples\n")[0]
    app.command(function.__name__, help=text, epilog=_epilog(examples))(asked)


def _settings(kind: Any) -> Settings | None:  # noqa: ANN401
    return next((a for a in get_args(kind) if isinstance(a, Settings)), None)


def _is_group(kind: Any) -> bool:  # noqa: ANN401
    return is_dataclass(kind) or _settings(kind) is not None


def _options_of(kind: Any) -> list[inspect.Parameter]:  # noqa: ANN401
    """Options that a group stands for."""
    settings = _settings(kind)
    if settings is not None:
        return [
            _keyword(name, setting.annotation, None)
            for name, setting in settings.items()
        ]
    hints, texts = get_type_hints(kind, include_extras=True), described(kind)
    return [
        _option(
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY), hints[name], texts
        )
        for name, parameter in inspect.signature(kind).parameters.items()
    ]


def _option(
    parameter: inspect.Parameter,
    kind: Any,  # noqa: ANN401
    texts: dict[str, tuple[str, str]],
) -> inspect.Parameter:
    """Argument or option of a command."""
    name, default = parameter.name, parameter.default
    metavar, text = texts.get(name) or COMMON[name]
    read = None
    if get_origin(kind) is Annotated:
        kind, read = get_args(kind)
    elif kind in (Path, Path | None):
        # typer would check permissions, before there is a better message.
        read = Path
    how: dict[str, Any] = {"metavar": metavar or None, "show_default": False}
    if kind is bool and read is not None:
        how |= {"callback": read, "is_eager": True}
    elif read is not None:
        how["parser"] = read
        is_list = any(get_origin(member) is list for member in get_args(kind))
        kind = list[Any] | None if is_list else Any
    if parameter.kind is not KEYWORD:
        return _keyword(name, Annotated[kind, Argument(help=text, **how)], default)
    if default is not inspect.Parameter.empty and str(default) not in ("None", "False"):
        text = f"{text[:-1]} (default: {default})."
    words = "--" + name.strip("_").replace("_", "-")
    if kind == bool | None:
        words = f"{words}/--no-{words[2:]}"
    short = [SHORT[name]] if name in SHORT else []
    option = Option(words, *short, help=text, **how)
    return _keyword(name, Annotated[kind, option], default)


def _keyword(name: str, kind: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401
    return inspect.Parameter(name, KEYWORD, default=default, annotation=kind)


def _epilog(examples: str) -> str:
    """Lines of examples, as they stand."""
    return f"\b\nexamples:\n{examples}"
