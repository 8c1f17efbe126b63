"""``neuraleig demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from neuraleig._cli._options import Seed
from neuraleig._cli._readers import one_of
from neuraleig._demo import DATASETS, run_demo


def demo(
    *,
    dataset: Annotated[str, one_of(DATASETS)] = "digits",
    random_state: Seed = 0,
    output: Path = Path("neuraleig-demo"),
    no_plots: bool = False,
) -> None:
    """Compare with KMeans and SpectralClustering on bundled data.

    Fits 70 % of a data set, labels the other 30 %, and prints a table of scores.

    Parameters
    ----------
    dataset : NAME
        Data set: digits, wine, iris, breast_cancer, moons or circles.
    random_state : N
        Seed of the split and of all methods.
    output : DIR
        Folder for the plots.
    no_plots
        Draw no plots.

    Examples
    --------
    neuraleig demo                           handwritten digits, plots included
    neuraleig demo --dataset wine --random-state 3
                                             another data set, another split
    neuraleig demo -o figures                plots go to ./figures
    neuraleig demo --no-plots                the table alone
    """
    folder = None if no_plots else output
    run_demo(dataset, seed=random_state, folder=folder, out=sys.stdout)
