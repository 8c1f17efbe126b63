"""Models of rows, as arguments."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuraleig import DenseSegmenter, NeuralSpectralEmbedding, load
from neuraleig._cli._arguments import Parser, file_named
from neuraleig._cli._values import ABSENT
from neuraleig._tables import Table
from neuraleig.persistence import describe

MODEL_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class RowModel:
    """A loaded model, and the rows that it takes.

    Parameters
    ----------
    estimator : estimator
        Fitted; without names of features, which ``table`` has checked.
    feature_names : sequence of str or None
        Names that it was fitted with.
    """

    estimator: Any
    feature_names: tuple[str, ...] | None

    def columns_of(self, table: Table) -> Table:
        """Columns of a table that the model takes, in its order."""
        return table.matched(self.feature_names, self.estimator.n_features_in_)


def add_model(parser: Parser) -> None:
    """Add the file of the model."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file")


def add_model_output(parser: Parser) -> None:
    """Add the file that a fitted model goes to."""
    parser.add_argument(
        "-o",
        "--output",
        type=file_named("a model", MODEL_SUFFIX),
        required=True,
        metavar="MODEL",
        help="model file",
    )


def add_device(parser: Parser) -> None:
    """Add where it runs."""
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="auto, cpu or cuda"
    )


def add_weights(parser: Parser | argparse._ArgumentGroup) -> None:
    """Add the file of the weights of a backbone, which Python calls ``checkpoint``."""
    parser.add_argument(
        "--weights",
        dest="checkpoint",
        default=ABSENT,
        metavar="FILE",
        help="file of the backbone's weights, to fetch none",
    )


def loaded_row_model(
    arguments: argparse.Namespace, *, with_clusters: bool = False
) -> RowModel:
    """Load the model that the options name.

    Parameters
    ----------
    arguments : Namespace
        Options that were given.
    with_clusters : bool, default=False
        Whether it must label rows.

    Returns
    -------
    model : RowModel
        Where the options say.

    Raises
    ------
    ValueError
        If the file holds a model of images, or one without clusters that are needed.
    """
    # Before anything is made: a backbone may have to be fetched.
    kind = describe(arguments.model).class_name
    if kind == DenseSegmenter.__name__:
        raise ValueError(
            f"{arguments.model} holds a {kind}, which labels images; use neuraleig "
            "segment"
        )
    if with_clusters and kind == NeuralSpectralEmbedding.__name__:
        raise ValueError(
            f"{arguments.model} holds a {kind}, which has no clusters; use neuraleig "
            "transform, or a fit without --embedding"
        )
    estimator = load(arguments.model, device=arguments.device)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return RowModel(estimator, None)
    # Rows come without names, of which scikit-learn would warn.
    del estimator.feature_names_in_
    return RowModel(estimator, tuple(names))
