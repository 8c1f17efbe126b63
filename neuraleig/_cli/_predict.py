"""``neuraleig predict`` and ``transform``: what a model says of the rows of a file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, TextIO

from numpy.typing import NDArray

from neuraleig._cli._arguments import Commands, Parser, add_command
from neuraleig._cli._models import add_device, add_model, loaded_row_model
from neuraleig._cli._table_arguments import (
    DATA_HELP,
    add_data,
    add_results,
    check_result,
    opened_table,
    write_results,
)

READS = """\
Files of any size are read and written part by part. Columns are taken by the
names that the model was fitted with, where there are any; others are left out.
"""
PREDICT = f"""\
Label the rows of a file: numbers of clusters from 0.

{READS}"""
TRANSFORM = f"""\
Evaluate eigenfunctions at the rows of a file.

{READS}"""
PREDICT_EXAMPLES = """\
  neuraleig predict model.safetensors rows.npy -o labels.npy
  neuraleig predict flowers.safetensors flowers.csv -o labels.csv
  neuraleig predict flowers.safetensors flowers.csv --proba -o shares.csv
  neuraleig predict flowers.safetensors - < flowers.csv > labels.csv
"""
TRANSFORM_EXAMPLES = """\
  neuraleig transform map.safetensors rows.npy -o map.npy
  neuraleig transform model.safetensors rows.npy -o functions.csv
"""


def add_predict(commands: Commands[Parser]) -> None:
    """Add the command."""
    summary = "label the rows of a file"
    parser = _add(commands, "predict", summary, PREDICT, PREDICT_EXAMPLES)
    add_results(parser, "labels")
    parser.add_argument(
        "--proba", action="store_true", help="write the probability of every cluster"
    )
    parser.set_defaults(run=_predict)


def add_transform(commands: Commands[Parser]) -> None:
    """Add the command."""
    summary = "evaluate eigenfunctions at the rows of a file"
    parser = _add(commands, "transform", summary, TRANSFORM, TRANSFORM_EXAMPLES)
    add_results(parser, "eigenfunctions")
    parser.set_defaults(run=_transform)


def _add(
    commands: Commands[Parser], name: str, summary: str, description: str, examples: str
) -> Parser:
    parser = add_command(commands, name, summary, description, examples)
    add_model(parser)
    add_data(parser, f"{DATA_HELP}, or - for .csv from stdin")
    add_device(parser)
    return parser


def _predict(arguments: argparse.Namespace, out: TextIO) -> int:
    check_result(arguments.output, arguments.data, arguments.model)
    model = loaded_row_model(arguments, with_clusters=True)
    table = model.columns_of(opened_table(arguments))
    parts: Iterator[NDArray[Any]]
    if arguments.proba:
        parts = (model.estimator.predict_proba(rows) for rows in table)
    else:
        parts = model.estimator.iter_predict(table)

    def header(n_columns: int) -> list[str]:
        if not arguments.proba:
            return ["label"]
        return [f"cluster_{cluster}" for cluster in range(n_columns)]

    write_results(arguments.output, header, parts, table, out)
    return 0


def _transform(arguments: argparse.Namespace, out: TextIO) -> int:
    check_result(arguments.output, arguments.data, arguments.model)
    model = loaded_row_model(arguments)
    table = model.columns_of(opened_table(arguments))
    names = model.estimator.get_feature_names_out().tolist()
    parts = model.estimator.iter_transform(table)
    write_results(arguments.output, lambda n_columns: names, parts, table, out)
    return 0
