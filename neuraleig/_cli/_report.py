"""``neuraleig report``: a page about a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TextIO

from neuraleig import DenseSegmenter, load
from neuraleig._cli._arguments import Commands, Parser, add_command, positive, seed
from neuraleig._cli._models import add_device, add_model, loaded_row_model
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
  neuraleig report flowers.safetensors --data flowers.csv -o report.html
  neuraleig report m.safetensors --data rows.npy -o r.html --date 2025-01-31
  neuraleig report segments.safetensors --data photos -o report.html
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
        "--data",
        required=True,
        metavar="DATA",
        help=f"rows: {DATA_HELP}, or - for .csv from stdin; or a folder of images",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="file of HTML"
    )
    _add_content(parser)
    add_reading(parser)
    add_device(parser)
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="file of the backbone's weights, to fetch none",
    )
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
        ("--exemplars", 6, "typical rows, or crops, of every cluster"),
        ("--features", 10, "features of every cluster"),
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
    group.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="seed of the rows or images that are drawn of more (default: 0)",
    )


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
        n_exemplars=arguments.exemplars,
        n_features=arguments.features,
        max_rows=arguments.max_rows,
        max_images=arguments.max_images,
        random_state=arguments.seed,
    )
    out.write(f"{arguments.output}: {arguments.output.stat().st_size} bytes\n")
    return 0


def _model_and_data(
    arguments: argparse.Namespace,
) -> tuple[Any, Any, tuple[str, ...] | None]:
    """Model, what it is shown with, and names of the features of rows."""
    # Before anything is made: a backbone may have to be fetched.
    if describe(arguments.model).class_name == DenseSegmenter.__name__:
        given = reading_options(arguments)
        if given:
            arguments.refuse(f"{', '.join(given)}: images are no rows of a file")
        model = load(
            arguments.model, device=arguments.device, checkpoint=arguments.checkpoint
        )
        return model, arguments.data, None
    if arguments.checkpoint is not None:
        arguments.refuse("--checkpoint: only models of images have a backbone")
    model = loaded_row_model(arguments)
    table = model.columns_of(opened_table(arguments))
    return model.estimator, table, model.feature_names or table.feature_names
