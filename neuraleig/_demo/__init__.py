"""The demonstration: this package beside others, on data that everyone has."""

from neuraleig._demo._comparison import run_demo
from neuraleig._demo._data import DATASETS

__all__ = ["DATASETS", "run_demo"]
