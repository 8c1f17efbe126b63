"""Parameters of the estimators of rows as options, by the estimators' own rules."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig._cli._arguments import Parser, or_none, seed
from neuraleig.affinity import PRECOMPUTED

ABSENT = argparse.SUPPRESS
# Objects of Python, and what has options of its own.
LEFT_OUT = ("callbacks", "verbose")
# Parameters that have options, and what they are; the rest go by --set.
GROUPS = {
    "what is found": {
        "n_clusters": "clusters",
        "n_components": "eigenfunctions; with --embedding its columns, else as many "
        "as labels need",
        "assign_labels": "what labels are read by",
        "diffusion_time": "how much the leading eigenfunctions count for labels",
    },
    "the graph": {
        "affinity": "what joins two rows",
        "n_neighbors": "neighbours of a row",
        "metric": "distance between rows, by scikit-learn's names",
        "edge_weights": "weights of edges between neighbours",
        "gamma": "inverse squared width of --affinity rbf",
        "regularization": "share of random pairs, which connect components",
        "neighbor_backend": "who searches neighbours",
        "approximate_neighbors": "search approximately, or exactly; else by size",
        "max_graph_rows": "most rows in the graph",
    },
    "the training": {
        "init": "from exact eigenvectors, or from random weights",
        "objective": "objective of the eigenfunctions",
        "hidden_sizes": "widths of the layers",
        "max_iter": "most steps of fine-tuning",
        "batch_size": "rows per step",
        "lr": "highest learning rate",
        "optimizer": "what makes the steps",
        "early_stopping": "stop without progress, or go on",
        "random_state": "seed of all that is drawn",
    },
    "where and how it runs": {
        "device": "auto, cpu, cuda or another name that torch knows",
        "precision": "type of the products in training",
        "n_jobs": "processes of scikit-learn's neighbour search",
        "checkpoint": "folder for the state of the fit, from which it goes on",
    },
}
# Seeds of commands are fixed, so that equal commands make equal files.
DEFAULTS = {"random_state": 0}
METAVARS = {
    "metric": "NAME",
    "device": "NAME",
    "checkpoint": "DIR",
    "hidden_sizes": "N,N",
    "random_state": "N",
}
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def add_parameters(parser: Parser) -> None:
    """Add the options; parameters that are not given are not set."""
    for title, helps in GROUPS.items():
        group = parser.add_argument_group(title)
        for name, text in helps.items():
            _add_parameter(group, name, text)
    group.add_argument(
        "--set",
        dest="more",
        action="append",
        type=_pair,
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the estimator; again for more",
    )


def new_estimator(
    arguments: argparse.Namespace,
) -> NeuralEigenSpectralClustering | NeuralSpectralEmbedding:
    """Make the estimator that the options describe.

    Parameters
    ----------
    arguments : Namespace
        Options that were given.

    Returns
    -------
    estimator : estimator
        Unfitted.
    """
    kind = (
        NeuralSpectralEmbedding
        if arguments.embedding
        else NeuralEigenSpectralClustering
    )
    own = kind._parameter_constraints
    options = {n: v for n, v in vars(arguments).items() if n in _rules()}
    names = [*options, *(name for name, _ in arguments.more)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        arguments.refuse(f"{twice} is set twice, by {_option(twice)} or --set; say one")
    given = {**options, **dict(arguments.more), "verbose": arguments.verbose}
    for name in given:
        if name not in own:
            option = _option(name) if name in options else f"--set {name}"
            arguments.refuse(f"{option} is for clusters, and --embedding finds none")
    return kind(**{**DEFAULTS, **given})


def _add_parameter(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    rules = _rules()[name]
    default = DEFAULTS.get(name, NeuralEigenSpectralClustering().get_params()[name])
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    shown = text if default is None else f"{text} (default: {default})"
    if "boolean" in rules:
        action = argparse.BooleanOptionalAction
        group.add_argument(_option(name), action=action, default=ABSENT, help=text)
        return
    choices = _choices(rules)
    if choices and name not in METAVARS:
        shown = f"{text}: {', '.join(choices)} (default: {default})"
    metavar = METAVARS.get(name, "NAME" if choices else "X")
    group.add_argument(
        _option(name),
        type=_converter(name),
        default=ABSENT,
        metavar="N" if _is_integer(rules) else metavar,
        help=shown,
    )


def _rules() -> dict[str, list[Any]]:
    """What values parameters of either estimator may have."""
    rules = (
        NeuralSpectralEmbedding._parameter_constraints
        | NeuralEigenSpectralClustering._parameter_constraints
    )
    return {name: found for name, found in rules.items() if name not in LEFT_OUT}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _choices(rules: list[Any]) -> list[str]:
    """Words that a parameter takes and a command can say."""
    words = {w for rule in rules if isinstance(rule, StrOptions) for w in rule.options}
    # A graph has no file.
    return sorted(words - set(PRECOMPUTED))


def _is_integer(rules: list[Any]) -> bool:
    return any(
        rule is Integral or (isinstance(rule, Interval) and rule.type is Integral)
        for rule in rules
    )


def _converter(name: str) -> Callable[[str], Any]:
    """Type of an option, from the rules of its parameter."""
    rules = _rules()[name]
    found: Callable[[str], Any] = str
    choices = _choices(rules)
    intervals = [rule for rule in rules if isinstance(rule, Interval)]
    if choices:
        found = _word(choices)
    elif intervals:
        found = _number(intervals[0])
    elif "boolean" in rules:
        found = _truth
    elif "random_state" in rules:
        found = seed
    elif _is_integer(rules):
        found = _integer
    elif tuple in rules:
        found = _numbers
    return or_none(found) if None in rules else found


def _word(choices: list[str]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not one of {', '.join(choices)}"
            )
        return text

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
        return tuple(
            int(part) if part.strip().isdecimal() else float(part)
            for part in text.split(",")
        )
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} are not numbers with commas between"
        ) from None


def _pair(text: str) -> tuple[str, Any]:
    """Name and value of a parameter."""
    name, equals, value = text.partition("=")
    if not equals or name not in _rules():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=VALUE with a parameter of the estimators"
        )
    try:
        return name, _converter(name)(value)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from None
