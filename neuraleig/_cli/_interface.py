"""Description of all commands, from the signatures and docstrings of their functions.

``python -m neuraleig._cli._interface`` writes it to the file that the command line
reads, so that help imports no command; and the defaults of all parameters to the file
with which ``describe`` reads models without their classes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from neuraleig._cli._command import Described, epilog
from neuraleig._cli._main import COMMANDS, INTERFACE
from neuraleig._cli._readers import Reader
from neuraleig._cli._settings import Settings, described
from neuraleig._tree import packed_plain
from neuraleig.persistence._description import DEFAULTS
from neuraleig.persistence._parameters import COMPONENTS
from neuraleig.persistence._registry import ESTIMATORS

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
SHORT = {"output": "-o", "quiet": "-q", "verbose": "-v"}
# Types of a description by the annotations of values that no reader reads.
TYPES = {
    bool: "flag",
    bool | None: "switch",
    str: "text",
    str | None: "text",
    tuple[int, int] | None: "two integers",
    tuple[str, str] | None: "two texts",
}


def interface() -> dict[str, Any]:
    """Commands of all groups, and options that several of them share."""
    shared: dict[str, list[Described]] = {}
    commands = {
        group: [
            _command(getattr(import_module(f"neuraleig._cli.{module}"), name), shared)
            for name, module in functions.items()
        ]
        for group, functions in COMMANDS.items()
    }
    return {"commands": commands, "groups": shared}


def defaults() -> dict[str, Any]:
    """Defaults of the parameters of all that files of models hold, by the classes.

    Parameters without a default have None.
    """
    empty = inspect.Parameter.empty
    return {
        name: {
            each.name: None if each.default is empty else each.default
            for each in inspect.signature(kind).parameters.values()
        }
        for name, kind in sorted({**ESTIMATORS, **COMPONENTS}.items())
    }


def written() -> dict[Path, str]:
    """Content of both files."""
    content = {INTERFACE: interface(), DEFAULTS: packed_plain(defaults())}
    return {path: json.dumps(c, indent=1) + "\n" for path, c in content.items()}


def _command(
    function: Callable[..., Any], shared: dict[str, list[Described]]
) -> Described:
    """Describe a command by its function.

    Parameters without ``*`` before them are arguments, the others options; an
    annotation may name what reads a value. A dataclass stands for an option per field,
    and :class:`Settings` for those of an estimator. Help is the docstring, where types
    are metavars and the examples lines of the command.
    """
    hints = get_type_hints(function, include_extras=True)
    texts = described(function)
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        group = _group(kind)
        if group is None:
            parameters.append(_parameter(parameter, kind, texts))
        else:
            shared[group] = list(_members(kind))
            parameters.append({"name": parameter.name, "group": group})
    doc, _, rest = (inspect.getdoc(function) or "").partition("\n\nParameters\n")
    examples = f"{rest or doc}\n".partition("Examples\n--------\n")[2]
    return {
        "name": function.__name__,
        "function": f"{function.__module__}:{function.__name__}",
        "help": doc.partition("\n\nExamples\n")[0],
        "epilog": epilog(examples),
        "parameters": parameters,
    }


def _settings(kind: Any) -> Settings | None:  # noqa: ANN401
    return next((a for a in get_args(kind) if isinstance(a, Settings)), None)


def _group(kind: Any) -> str | None:  # noqa: ANN401
    """Name of a group of options; ``None`` for a single one."""
    settings = _settings(kind)
    if settings is not None:
        return settings.title
    return kind.__name__ if is_dataclass(kind) and isinstance(kind, type) else None


def _members(kind: Any) -> Iterator[Described]:  # noqa: ANN401
    """Options that a group stands for."""
    settings = _settings(kind)
    if settings is not None:
        yield from (setting.described(name) for name, setting in settings.items())
        return
    hints, texts = get_type_hints(kind, include_extras=True), described(kind)
    for name, parameter in inspect.signature(kind).parameters.items():
        option = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        yield _parameter(option, hints[name], texts)


def _parameter(
    parameter: inspect.Parameter,
    kind: Any,  # noqa: ANN401
    texts: dict[str, tuple[str, str]],
) -> Described:
    """Describe an argument or option."""
    name, default = parameter.name, parameter.default
    metavar, help_ = texts.get(name) or COMMON[name]
    found: Described = {"name": name, "metavar": metavar, "help": help_}
    found["is_required"] = default is inspect.Parameter.empty
    read = None
    if get_origin(kind) is Annotated:
        kind, read = get_args(kind)
    elif kind in (Path, Path | None):
        # typer would check permissions, before there is a better message.
        read = Reader("path")
    if isinstance(read, Reader):
        is_list = any(get_origin(member) is list for member in get_args(kind))
        found["type"] = "values" if is_list else "value"
        found["reader"] = [read.kind, *read.arguments]
    else:
        found["type"] = TYPES[kind]
        if read is not None:
            found["eager"] = f"{read.__module__}:{read.__qualname__}"
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        return found
    if not found["is_required"] and str(default) not in ("None", "False"):
        found["help"] = f"{help_[:-1]} (default: {default})."
    word = "--" + re.sub("_", "-", name.strip("_"))
    if kind == bool | None:
        word = f"{word}/--no-{word[2:]}"
    found["words"] = [word, *([SHORT[name]] if name in SHORT else [])]
    return found


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
