"""How much new rows are like the training rows."""

from neuraleig.novelty._density import LEAST_SHARE, MOST_SHARE, RowDensity
from neuraleig.novelty._fit_density import fit_density

__all__ = ["LEAST_SHARE", "MOST_SHARE", "RowDensity", "fit_density"]
