"""How much new rows are like the training rows."""

from neuraleig.novelty._density import RowDensity
from neuraleig.novelty._fit_density import fit_density

__all__ = ["RowDensity", "fit_density"]
