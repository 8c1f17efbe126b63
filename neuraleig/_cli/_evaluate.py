"""``neuraleig evaluate``: scores of a model on the rows of a file."""

from __future__ import annotations

import argparse
import json
from typing import Any, TextIO

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from neuraleig._cli._arguments import Commands, Parser, add_command
from neuraleig._cli._models import RowModel, add_device, add_model, loaded_row_model
from neuraleig._cli._table_arguments import (
    DATA_HELP,
    add_data,
    opened_table,
    reading_of,
)
from neuraleig._tables import STANDARD_INPUT, Reading, Table, TableError, read_labels
from neuraleig._typing import IntArray
from neuraleig.metrics import clustering_accuracy
from neuraleig.persistence import describe

DESCRIPTION = """\
Score the labels of rows: by their modularity on a graph of these rows, or,
where classes are known, by agreement with them.
"""
EXAMPLES = """\
  neuraleig evaluate model.safetensors rows.npy
  neuraleig evaluate flowers.safetensors flowers.csv --label-column species
  neuraleig evaluate model.safetensors rows.npy --labels classes.npy --json
"""
# How scores are called on a terminal.
TITLES = {
    "n_rows": "rows",
    "n_clusters": "clusters",
    "n_clusters_used": "clusters used",
    "sizes": "sizes",
    "modularity": "modularity",
    "accuracy": "accuracy",
    "normalized_mutual_info": "normalised mutual information",
    "adjusted_rand": "adjusted Rand index",
}


def add_evaluate(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "evaluate", "score a model on rows", DESCRIPTION, EXAMPLES
    )
    add_model(parser)
    add_data(parser, DATA_HELP)
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="classes of the rows: a file like DATA, with a header only where "
        "--label-column names its column",
    )
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        help="column of the classes, or key in a .npz file; in DATA without --labels",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")
    add_device(parser)
    parser.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace, out: TextIO) -> int:
    if STANDARD_INPUT in (arguments.data, arguments.labels):
        arguments.refuse("DATA and --labels are read more than once; pass files")
    model = loaded_row_model(arguments, with_clusters=True)
    table = model.columns_of(opened_table(arguments, _column_in_data(arguments)))
    classes = _classes(arguments)
    labels = np.concatenate(list(model.estimator.iter_predict(table)))
    n_clusters = describe(arguments.model).n_clusters
    assert n_clusters is not None
    sizes = np.bincount(labels, minlength=n_clusters)
    scores: dict[str, Any] = {
        "n_rows": labels.size,
        "n_clusters": n_clusters,
        "n_clusters_used": int(np.count_nonzero(sizes)),
        "sizes": sizes.tolist(),
    }
    if classes is None:
        scores["modularity"] = _modularity(model, table)
    else:
        scores |= _agreement(classes, labels, arguments)
    out.write(json.dumps(scores, indent=1) + "\n" if arguments.json else _lines(scores))
    return 0


def _column_in_data(arguments: argparse.Namespace) -> list[str]:
    """Column of the classes, where they are among the rows."""
    is_inside = arguments.label_column is not None and arguments.labels is None
    if not is_inside or arguments.data.lower().endswith(".npz"):
        return []
    return [arguments.label_column]


def _classes(arguments: argparse.Namespace) -> IntArray | None:
    """Class of every row, where the options say."""
    if arguments.labels is not None:
        return read_labels(arguments.labels, arguments.label_column)
    if arguments.label_column is None:
        return None
    reading = reading_of(arguments)
    without_key = Reading(None, reading.header, reading.delimiter)
    return read_labels(arguments.data, arguments.label_column, without_key)


def _modularity(model: RowModel, table: Table) -> float:
    rows = table.on_disk()
    return float(model.estimator.score(table if rows is None else rows))


def _agreement(
    classes: IntArray, labels: IntArray, arguments: argparse.Namespace
) -> dict[str, float]:
    if classes.size != labels.size:
        named = arguments.labels or arguments.data
        given = arguments.labels is not None
        hint = (
            "; a name above the labels must be given to --label-column" if given else ""
        )
        raise TableError(
            f"{named} has {classes.size} labels, and {arguments.data} {labels.size} "
            f"rows; there must be one per row{hint}"
        )
    return {
        "accuracy": clustering_accuracy(classes, labels),
        "normalized_mutual_info": float(normalized_mutual_info_score(classes, labels)),
        "adjusted_rand": float(adjusted_rand_score(classes, labels)),
    }


def _lines(scores: dict[str, Any]) -> str:
    width = max(len(TITLES[name]) for name in scores) + 2
    return "".join(
        f"{TITLES[name]:{width}}{_shown(value)}\n" for name, value in scores.items()
    )


def _shown(value: Any) -> str:  # noqa: ANN401 - a number, or several
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
