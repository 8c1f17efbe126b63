"""``neuraleig fit``: from a file of rows to a file of a model."""

from __future__ import annotations

import argparse
from typing import Any, TextIO

import numpy as np

from neuraleig import NeuralEigenSpectralClustering, save
from neuraleig._cli._arguments import Commands, Parser, add_command, add_verbosity
from neuraleig._cli._models import add_model_output
from neuraleig._cli._parameters import add_parameters, new_estimator
from neuraleig._cli._table_arguments import (
    DATA_HELP,
    add_data,
    check_result,
    opened_table,
)
from neuraleig._tables import STANDARD_INPUT
from neuraleig._words import count_text, suggestion_text
from neuraleig.training._checkpoint import clearing_deferred

DESCRIPTION = """\
Learn clusters from the rows of a file, or with --embedding eigenfunctions
alone, and save a model. On a terminal, a line per stage goes to stderr.

A model scales all columns by one unit. Columns in different units must be
scaled before: divide each by its standard deviation, and later rows
by the same.
"""
EXAMPLES = """\
  neuraleig fit rows.npy -o model.safetensors --n-clusters 3
  neuraleig fit flowers.csv -o flowers.safetensors --n-clusters 3 --drop species
  neuraleig fit rows.npy -o map.safetensors --embedding --n-components 2
  neuraleig fit rows.npy -o m.safetensors --set walk_length=2 --max-iter 5
"""


def add_fit(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "fit", "learn clusters of the rows of a file", DESCRIPTION, EXAMPLES
    )
    add_model_output(parser)
    parser.add_argument(
        "--embedding",
        action="store_true",
        help="fit NeuralSpectralEmbedding: eigenfunctions without clusters",
    )
    add_verbosity(parser)
    add_data(parser, f"{DATA_HELP}, or - for .csv from stdin")
    add_parameters(parser)
    parser.set_defaults(run=_fit)


def _fit(arguments: argparse.Namespace, out: TextIO) -> int:
    estimator = new_estimator(arguments)
    check_result(arguments.output, arguments.data)
    table = opened_table(arguments)
    table.check_names()
    mapped = table.spooled() if arguments.data == STANDARD_INPUT else table.on_disk()
    rows: Any = table if mapped is None else mapped
    # A model that cannot be written is not lost: its checkpoint is still there.
    with clearing_deferred():
        model = estimator.fit(rows)
        if table.feature_names is not None:
            model.feature_names_in_ = np.array(table.feature_names, dtype=object)
        # What is told while it is fitted is no part of a model.
        save(model.set_params(verbose=0), arguments.output)
    out.write(f"{arguments.output}: {_summary(model)}\n")
    return 0


def _summary(model: Any) -> str:  # noqa: ANN401 - either estimator
    if not isinstance(model, NeuralEigenSpectralClustering):
        n_rows, n_columns = model.embedding_.shape
        columns = count_text(n_columns, "eigenfunction")
        return f"{columns} of {count_text(n_rows, 'row')}"
    clusters = count_text(np.unique(model.labels_).size, "cluster")
    rows = count_text(model.labels_.size, "row")
    return (
        f"{clusters} of {rows}, normalised cut {model.ncut_:.3f}"
        f"{suggestion_text(model.suggested_n_clusters_)}"
    )
