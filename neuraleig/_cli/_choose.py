"""``neuraleig choose``: the number of clusters of the rows of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from neuraleig import save
from neuraleig._cli._columns import Columns
from neuraleig._cli._command import UsageError
from neuraleig._cli._numbers import ranking
from neuraleig._cli._options import (
    Positive,
    Verbosity,
    check_output,
    model_name,
)
from neuraleig._cli._readers import file_named
from neuraleig._cli._rows import fitted_rows, new_estimator
from neuraleig._cli._settings import ROWS
from neuraleig._words import count_text
from neuraleig.training._checkpoint import clearing_deferred

Picture = Annotated[Path | None, file_named("a picture", ".png")]
Model = Annotated[Path | None, model_name]
# Resolution of the picture.
DPI = 150


def choose(
    data: str,
    *,
    output: Model = None,
    figure: Picture = None,
    show: Positive = 5,
    verbosity: Verbosity,
    columns: Columns,
    group_column: str | None = None,
    parameters: Annotated[dict[str, Any], ROWS],
) -> None:
    """Rank numbers of clusters of the rows of a file, from 1 to --max-clusters.

    The best number comes first. The model of it, which --output saves, holds the
    clusters of all other numbers.

    Parameters
    ----------
    output : MODEL
        Model file of the best number (default: none).
    figure : FILE
        Picture of the strengths of all numbers, a .png file (default: none).
    show : N
        Numbers that are listed, the best ones.

    Examples
    --------
    neuraleig choose rows.npy
    neuraleig choose rows.npy --max-clusters 12 --figure curve.png
    neuraleig choose flowers.csv --drop species -o flowers.safetensors
    """
    given = parameters.get("n_clusters", "auto")
    if given != "auto":
        raise UsageError(f"--n-clusters {given} is a choice already; leave it out")
    level = {"verbose": verbosity.level}
    estimator = new_estimator(False, {**level, **parameters, "n_clusters": "auto"})
    check_output(output, data)
    check_output(figure, data, option="--figure")
    with clearing_deferred():
        model = fitted_rows(estimator, data, columns, group_column)
        if model.cluster_curve_ is None:
            raise ValueError(
                f"all rows of {data} are equal: there are no numbers to rank"
            )
        if output is not None:
            save(model, output)
    if figure is not None:
        # matplotlib is imported where something is drawn.
        from neuraleig.plotting import ClusterCurveDisplay

        drawn = ClusterCurveDisplay.from_estimator(model).figure_
        drawn.savefig(figure, dpi=DPI)
    sys.stdout.write(ranking(model.cluster_curve_, show))
    for path in filter(None, (output, figure)):
        what = count_text(model.n_clusters_, "cluster") if path == output else "curve"
        sys.stdout.write(f"{path}: {what}\n")
