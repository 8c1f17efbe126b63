"""Comparison with other clusterings on data sets of scikit-learn."""

from neuraleig._demo._comparison import run_demo
from neuraleig._demo._data import DATASETS

__all__ = ["DATASETS", "run_demo"]
