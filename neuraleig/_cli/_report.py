"""``neuraleig report``: a page about a model."""

from __future__ import annotations

import argparse
from typing import Any, TextIO

from neuraleig import DenseSegmenter, load
from neuraleig._cli._arguments import (
    Commands,
    Parser,
    add_command,
    add_seed,
    file_named,
    positive,
)
from neuraleig._cli._models import add_device, add_model, add_weights, loaded_row_model
from neuraleig._cli._table_arguments import (
    DATA_HELP,
    add_reading,
    check_result,
    opened_table,
    reading_options,
)
from neuraleig.persistence import describe

DESCRIPTION = """\
Write a page about a model: one HTML file that needs nothing else. It shows
parameters, the spectrum, sizes of clusters, how sure labels are, and what every
cluster is made of. For images it is a sheet on which clusters are named. It
needs the extra plot.
"""
EXAMPLES = """\
  neuraleig report flowers.safetensors flowers.csv -o report.html
  neuraleig report m.safetensors rows.npy -o r.html --date 2025-01-31
  neuraleig report segments.safetensors photos -o report.html
  neuraleig segment name segments.safetensors --names names.json --merge-equal
                                   with names.json downloaded from the page
"""


def add_report(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "report", "write a page about a model", DESCRIPTION, EXAMPLES
    )
    add_model(parser)
    parser.add_argument(
        "data",
        metavar="DATA",
        help=f"rows: {DATA_HELP}, or - for .csv from stdin; or a folder of images",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=file_named("a page", ".html"),
        required=True,
        metavar="FILE",
        help="file of HTML",
    )
    _add_content(parser)
    add_reading(parser)
    add_device(parser)
    add_weights(parser)
    parser.set_defaults(run=_report)


def _add_content(parser: Parser) -> None:
    """Add what is on the page."""
    group = parser.add_argument_group("what is on the page")
    group.add_argument("--title", metavar="TEXT", help="heading")
    group.add_argument(
        "--date",
        metavar="TEXT",
        help="date below it (default: none: equal models and data give equal files)",
    )
    for option, number, text in (
        ("--n-exemplars", 6, "typical rows, or crops, of every cluster"),
        ("--n-features", 10, "features of every cluster"),
        ("--max-rows", 10_000, "rows among which typical ones are looked for"),
        ("--max-images", 200, "images that are looked at"),
    ):
        group.add_argument(
            option,
            type=positive,
            default=number,
            metavar="N",
            help=f"{text} (default: %(default)s)",
        )
    add_seed(group, "the rows or images that are drawn of more")


def _report(arguments: argparse.Namespace, out: TextIO) -> int:
    # Later: what draws takes a second to import, and only this command needs it.
    from neuraleig.report import write_report

    check_result(arguments.output, arguments.data, arguments.model)
    estimator, data, names = _model_and_data(arguments)
    write_report(
        estimator,
        data,
        arguments.output,
        title=arguments.title,
        date=arguments.date,
        feature_names=names,
        n_exemplars=arguments.n_exemplars,
        n_features=arguments.n_features,
        max_rows=arguments.max_rows,
        max_images=arguments.max_images,
        random_state=arguments.random_state,
    )
    out.write(f"{arguments.output}: {arguments.output.stat().st_size} bytes\n")
    return 0


def _model_and_data(
    arguments: argparse.Namespace,
) -> tuple[Any, Any, tuple[str, ...] | None]:
    """Model, what it is shown with, and names of the features of rows."""
    weights = getattr(arguments, "checkpoint", None)
    # Before anything is made: a backbone may have to be fetched.
    if describe(arguments.model).class_name == DenseSegmenter.__name__:
        given = reading_options(arguments)
        if given:
            arguments.refuse(f"{', '.join(given)}: images are no rows of a file")
        model = load(arguments.model, device=arguments.device, weights=weights)
        return model, arguments.data, None
    if weights is not None:
        arguments.refuse("--weights: only models of images have a backbone")
    model = loaded_row_model(arguments)
    table = model.columns_of(opened_table(arguments))
    return model.estimator, table, model.feature_names or table.feature_names
