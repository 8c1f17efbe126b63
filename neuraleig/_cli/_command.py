"""Commands, made of their descriptions; their work is imported when they run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import Parameter, Signature
from typing import Annotated, Any, get_type_hints

from typer import Argument, Option, Typer, TyperException

from neuraleig._cli._readers import Given, Reader
from neuraleig._cli._wording import as_options
from neuraleig._terminal import live_bar

# Types for typer by the types of a description.
TYPES: dict[str, Any] = {
    "flag": bool,
    "switch": bool | None,
    "text": str | None,
    "value": Any,
    "values": list[Any] | None,
    "two integers": tuple[int, int] | None,
    "two texts": tuple[str, str] | None,
}
# Commands that import nothing that is slow.
QUICK = ("info", "name")
# Parameters of a command, or of a group of options, as _interface.py describes them.
Described = dict[str, Any]


class UsageError(TyperException):
    """Options that do not go together; ends the command with status 2."""

    exit_code = 2


def make_app(summary: str, examples: str, *, completion: bool = False) -> Typer:
    """Make a group of commands, with help in plain text."""
    return Typer(
        help=summary,
        epilog=epilog(examples),
        add_completion=completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def add_command(
    app: Typer, command: Described, groups: dict[str, list[Described]]
) -> None:
    """Make a command of an app.

    Parsing a line returns the call that it asks for, and does not make it: errors of
    the line and errors of the work are told apart. The call imports the work.
    """
    parameters = [
        parameter
        for entry in command["parameters"]
        for parameter in groups.get(entry.get("group"), [entry])
    ]

    def asked(**values: Any) -> Callable[[], int | None]:  # noqa: ANN401
        given = {name: value for name, value in values.items() if value is not None}
        return partial(_run, command, groups, given)

    options = [_option(parameter) for parameter in parameters]
    asked.__signature__ = Signature(options)  # type: ignore[attr-defined]
    asked.__annotations__ = {option.name: option.annotation for option in options}
    app.command(command["name"], help=command["help"], epilog=command["epilog"])(asked)


def epilog(examples: str) -> str:
    """Lines of examples, as they stand."""
    return f"\b\nexamples:\n{examples}"


def _run(
    command: Described, groups: dict[str, list[Described]], given: dict[str, Any]
) -> int | None:
    """Call the function of a command; what was not given has its default there."""
    is_shown = command["name"] not in QUICK and not given.get("quiet")
    # torch takes seconds to import.
    with live_bar("neuraleig: start", shown=is_shown):
        function = _imported(command["function"])
    hints = get_type_hints(function, include_extras=True)
    arguments = {}
    for entry in command["parameters"]:
        name = entry["name"]
        if "group" in entry:
            members = [option["name"] for option in groups[entry["group"]]]
            values = {member: given[member] for member in members if member in given}
            arguments[name] = (
                hints[name](**values)
                if isinstance(hints[name], type)
                else {member: _value(value) for member, value in values.items()}
            )
        elif name in given:
            arguments[name] = given[name]
    with as_options(_words(command, groups)):
        status: int | None = function(**arguments)
    return status


def _words(command: Described, groups: dict[str, list[Described]]) -> dict[str, str]:
    """Options of a command by the parameters that they set; its arguments likewise."""
    found = {}
    for entry in command["parameters"]:
        for parameter in groups.get(entry.get("group"), [entry]):
            if "words" in parameter:
                option = parameter["words"][0].partition("/")[0]
                found[parameter["name"].strip("_")] = option
            elif parameter["name"] == "data":
                found["X"] = parameter["metavar"]
    return found


def _value(given: Any) -> Any:  # noqa: ANN401
    return given.value if isinstance(given, Given) else given


def _imported(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def _option(parameter: Described) -> Parameter:
    """Argument or option of a command."""
    kind = TYPES[parameter["type"]]
    how: Described = {
        "help": parameter["help"],
        "metavar": parameter["metavar"] or None,
        "show_default": False,
    }
    if "eager" in parameter:
        how |= {"callback": _eager(parameter["eager"]), "is_eager": True}
    if "reader" in parameter:
        reader = Reader(parameter["reader"][0], tuple(parameter["reader"][1:]))
        how["parser"] = reader
        if reader.words:
            how["autocompletion"] = _completion(reader.words)
    words = parameter.get("words")
    info = Option(*words, **how) if words else Argument(**how)
    default = None if parameter["type"] != "flag" else False
    return Parameter(
        parameter["name"],
        Parameter.KEYWORD_ONLY,
        default=Parameter.empty if parameter["is_required"] else default,
        annotation=Annotated[kind, info],
    )


def _eager(path: str) -> Callable[[bool], None]:
    """Function that is called where its switch is given, before anything is parsed."""

    def callback(asked: bool) -> None:
        if asked:
            _imported(path)(asked)

    return callback


def _completion(words: list[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete
