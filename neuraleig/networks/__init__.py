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
    SoftAssignment,
    make_head,
)
from neuraleig.networks._mlp import make_mlp

__all__ = [
    "ASSIGNMENTS",
    "HEADS",
    "Assignment",
    "EigenNetwork",
    "Head",
    "OrthogonalLinear",
    "SoftAssignment",
    "TrunkFactory",
    "make_head",
    "make_mlp",
    "make_network",
    "refuse_module",
]
