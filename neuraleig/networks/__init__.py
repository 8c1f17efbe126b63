"""Networks and their heads."""

from neuraleig.networks._build import (
    EigenNetwork,
    TrunkFactory,
    make_network,
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
)
from neuraleig.networks._mlp import MLP
from neuraleig.networks._token_transformer import (
    TokenAttention,
    TokenTransformer,
    linear_attention,
)

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
    "TokenAttention",
    "TokenTransformer",
    "TrunkFactory",
    "least_squares",
    "linear_attention",
    "make_network",
]
