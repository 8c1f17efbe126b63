"""Parameters of the estimators of rows as options, by the estimators' own rules."""

from __future__ import annotations

import argparse

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig._cli._arguments import Parser
from neuraleig._cli._values import (
    ABSENT,
    add_set,
    choices_of,
    converter,
    given_parameters,
    is_integer,
    option_of,
    rules_of,
)

RULES = rules_of(NeuralSpectralEmbedding, NeuralEigenSpectralClustering)
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


def add_parameters(parser: Parser) -> None:
    """Add the options; parameters that are not given are not set."""
    for title, helps in GROUPS.items():
        group = parser.add_argument_group(title)
        for name, text in helps.items():
            _add_parameter(group, name, text)
    add_set(group, RULES, "the estimators")


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
    given = given_parameters(arguments, RULES)
    for name in given:
        if name not in own:
            said = option_of(name) if name in vars(arguments) else f"--set {name}"
            arguments.refuse(f"{said} is for clusters, and --embedding finds none")
    return kind(**{**DEFAULTS, "verbose": arguments.verbose, **given})


def _add_parameter(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    rules = RULES[name]
    default = DEFAULTS.get(name, NeuralEigenSpectralClustering().get_params()[name])
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    shown = text if default is None else f"{text} (default: {default})"
    if "boolean" in rules:
        action = argparse.BooleanOptionalAction
        group.add_argument(option_of(name), action=action, default=ABSENT, help=text)
        return
    choices = choices_of(rules)
    if choices and name not in METAVARS:
        shown = f"{text}: {', '.join(choices)} (default: {default})"
    metavar = METAVARS.get(name, "NAME" if choices else "X")
    group.add_argument(
        option_of(name),
        type=converter(rules),
        default=ABSENT,
        metavar="N" if is_integer(rules) else metavar,
        help=shown,
    )
