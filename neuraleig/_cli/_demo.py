"""``neuraleig demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from neuraleig._cli._arguments import FORMAT, Commands, Parser, add_seed
from neuraleig._demo import DATASETS, run_demo

DEFAULT_OUTPUT = "neuraleig-demo"
DEMO_EXAMPLES = """\
examples:
  neuraleig demo                           handwritten digits, plots included
  neuraleig demo --dataset wine --random-state 3
                                           another data set, another split
  neuraleig demo -o figures                plots go to ./figures
  neuraleig demo --no-plots                the table alone
"""


def add_demo(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="compare with KMeans and SpectralClustering on bundled data",
        description=(
            "Fit 70 % of a bundled data set, label the other 30 %, and compare\n"
            "with KMeans and scikit-learn's SpectralClustering."
        ),
        epilog=DEMO_EXAMPLES,
        formatter_class=FORMAT,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset",
        choices=list(DATASETS),
        default="digits",
        help="data set: %(choices)s (default: %(default)s)",
        metavar="NAME",
    )
    add_seed(parser, "the split and of all methods")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(DEFAULT_OUTPUT),
        help="folder for the plots (default: %(default)s)",
        metavar="DIR",
    )
    parser.add_argument("--no-plots", action="store_true", help="draw no plots")
    parser.set_defaults(run=_demo, errors=(OSError,))


def _demo(arguments: argparse.Namespace, out: TextIO) -> int:
    folder = None if arguments.no_plots else arguments.output
    run_demo(arguments.dataset, seed=arguments.random_state, folder=folder, out=out)
    return 0
