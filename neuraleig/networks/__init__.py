"""Networks and their heads."""

from neuraleig.networks._build import (
    EigenNetwork,
    TrunkFactory,
    make_network,
    refuse_module,
)
from neuraleig.networks._heads import (
    ASSIGNMENTS,
    HEADS,
    Assignment,
    Head,
    OrthogonalLinear,
    RowLinear,
    SoftAssignment,
    least_squares,
    make_head,
)
from neuraleig.networks._mlp import MLP

__all__ = [
    "ASSIGNMENTS",
    "HEADS",
    "MLP",
    "Assignment",
    "EigenNetwork",
    "Head",
    "OrthogonalLinear",
    "RowLinear",
    "SoftAssignment",
    "TrunkFactory",
    "least_squares",
    "make_head",
    "make_network",
    "refuse_module",
]
