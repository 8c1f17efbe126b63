"""Values of parameters on the command line, by the estimators' own rules."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping
from numbers import Integral
from typing import Any

from neuraleig._cli._arguments import Parser, or_none, seed
from neuraleig._sklearn import Interval, StrOptions
from neuraleig.affinity import AFFINITIES

ABSENT = argparse.SUPPRESS
# Objects of Python, and what has options of its own.
LEFT_OUT = ("callbacks", "verbose")
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Rules = Mapping[str, list[Any]]
"""What values parameters may have, as scikit-learn says it, by their names."""


def rules_of(*kinds: Any) -> Rules:  # noqa: ANN401 - classes of estimators
    """Rules of the parameters of some estimators that a command can say."""
    found: dict[str, list[Any]] = {}
    for kind in kinds:
        found |= kind._parameter_constraints
    return {name: rules for name, rules in found.items() if name not in LEFT_OUT}


def option_of(name: str) -> str:
    """Option of a parameter."""
    return "--" + name.replace("_", "-")


def add_set(group: Parser | argparse._ArgumentGroup, rules: Rules, owner: str) -> None:
    """Add the option that sets any parameter of ``owner``."""
    group.add_argument(
        "--set",
        dest="more",
        action="append",
        type=_pair_of(rules, owner),
        default=[],
        metavar="NAME=VALUE",
        help=f"any other parameter of {owner}; again for more",
    )


def given_parameters(
    arguments: argparse.Namespace, names: Collection[str]
) -> dict[str, Any]:
    """Parameters that options or ``--set`` give, each of them once.

    Parameters
    ----------
    arguments : Namespace
        Options that were given.
    names : collection of str
        Parameters that there are.

    Returns
    -------
    given : dict of str to object
        Those of options first.
    """
    options = {n: v for n, v in vars(arguments).items() if n in names}
    more = getattr(arguments, "more", [])
    every = [*options, *(name for name, _ in more)]
    twice = next((name for name in every if every.count(name) > 1), None)
    if twice is not None:
        arguments.refuse(f"{twice} is set twice; say it once, by its option or --set")
    return {**options, **dict(more)}


def choices_of(rules: list[Any]) -> list[str]:
    """Words that a parameter takes and a command can say."""
    words = {w for rule in rules if isinstance(rule, StrOptions) for w in rule.options}
    # A graph has no file.
    return sorted(
        words - {name for name in AFFINITIES if name.startswith("precomputed")}
    )


def is_integer(rules: list[Any]) -> bool:
    """Whether a parameter is a whole number."""
    return any(
        rule is Integral or (isinstance(rule, Interval) and rule.type is Integral)
        for rule in rules
    )


def converter(rules: list[Any]) -> Callable[[str], Any]:
    """Type of an option, from the rules of its parameter."""
    found: Callable[[str], Any] = str
    choices = choices_of(rules)
    intervals = [rule for rule in rules if isinstance(rule, Interval)]
    if choices:
        found = _word(choices, _numbers if tuple in rules else None)
    elif intervals:
        found = _number(intervals[0])
    elif "boolean" in rules:
        found = _truth
    elif "random_state" in rules:
        found = seed
    elif is_integer(rules):
        found = _integer
    elif tuple in rules:
        found = _numbers
    return or_none(found) if None in rules else found


def _word(
    choices: list[str], other: Callable[[str], Any] | None
) -> Callable[[str], Any]:
    """Type of words, or of what else there may be in place of one."""

    def convert(text: str) -> Any:  # noqa: ANN401 - a word, or what else there may be
        if text in choices:
            return text
        if other is not None:
            return other(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")

    return convert


def _number(interval: Interval) -> Callable[[str], float]:
    kind: type = int if interval.type is Integral else float

    def convert(text: str) -> float:
        try:
            number: float = kind(text)
        except ValueError:
            number = float("nan")
        if number not in interval:
            raise argparse.ArgumentTypeError(f"{text!r} is not {interval}")
        return number

    return convert


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from None


def _truth(text: str) -> bool:
    if text.lower() not in TRUTHS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return TRUTHS[text.lower()]


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(_whole_or_not, text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} are not numbers with commas between"
        ) from None


def _whole_or_not(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _pair_of(rules: Rules, owner: str) -> Callable[[str], tuple[str, Any]]:
    def pair(text: str) -> tuple[str, Any]:
        name, equals, value = text.partition("=")
        if not equals or name not in rules:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not NAME=VALUE with a parameter of {owner}"
            )
        try:
            return name, converter(rules[name])(value)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{name}: {error}") from None

    return pair
