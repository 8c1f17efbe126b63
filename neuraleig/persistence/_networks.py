"""Sizes of networks as plain JSON, and networks of these sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuraleig.eigenfunctions import Eigenfunctions, Standardization
from neuraleig.networks import (
    EigenNetwork,
    OrthogonalLinear,
    RowLinear,
    TokenTransformer,
    make_token_network,
)


def network_sizes(eigenfunctions: Eigenfunctions) -> dict[str, Any]:
    """Sizes of fitted eigenfunctions over tokens.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Of a network over tokens.

    Returns
    -------
    sizes : dict
        In plain JSON. Read off the module: parameters may have changed since the fit.
    """
    network = eigenfunctions.network
    assert isinstance(network, EigenNetwork)
    trunk, head = network.trunk, network.label_head
    assert isinstance(trunk, TokenTransformer)
    assert isinstance(head, RowLinear)
    return {
        "trunk": _trunk_sizes(trunk),
        "n_functions": network.n_functions,
        "n_clusters": head.out_features,
        "n_components": eigenfunctions.n_components,
        "head": (
            "orthogonal"
            if isinstance(network.function_head, OrthogonalLinear)
            else "linear"
        ),
        "assignment": "gumbel_softmax" if network.assignment.noise else "softmax",
    }


def make_eigenfunctions(
    sizes: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Eigenfunctions:
    """Eigenfunctions of given sizes with given weights.

    Parameters
    ----------
    sizes : mapping
        From :func:`network_sizes`.
    weights : mapping of str to Tensor
        The module's ``state_dict()``.

    Returns
    -------
    eigenfunctions : Eigenfunctions
        In evaluation mode, on the device of the weights, which it takes over.

    Raises
    ------
    ValueError
        If weights are missing, of another shape or type, not finite, or too many.
    """
    n_blocks = sizes["trunk"]["n_blocks"]
    if n_blocks > len(weights):
        raise ValueError(f"{n_blocks} blocks of {len(weights)} weights")
    # Without memory, and without drawing the weights that are then replaced.
    with torch.device("meta"):
        module = _empty(sizes)
    _check_weights(module.state_dict(), weights)
    module.load_state_dict(dict(weights), assign=True)
    return module.eval()


def _trunk_sizes(trunk: TokenTransformer) -> dict[str, Any]:
    sizes: dict[str, Any] = {
        "n_features": trunk.n_features,
        "width": None if isinstance(trunk.projection, nn.Identity) else trunk.n_hidden,
        "n_blocks": len(trunk.blocks),
        "kept_bytes": trunk.kept_bytes,
    }
    # All blocks are alike.
    for block in list(trunk.blocks)[:1]:
        parts: Any = block
        n_heads, head_width = parts.heads
        sizes["n_heads"], sizes["head_width"] = n_heads, head_width
        sizes["mlp_width"] = parts.mlp_in.out_features
    return sizes


def _empty(sizes: Mapping[str, Any]) -> Eigenfunctions:
    trunk = dict(sizes["trunk"])
    kept_bytes = trunk.pop("kept_bytes")
    network = make_token_network(
        **trunk,
        n_functions=sizes["n_functions"],
        n_clusters=sizes["n_clusters"],
        head=sizes["head"],
        assignment=sizes["assignment"],
    )
    made = network.trunk
    assert isinstance(made, TokenTransformer)
    made.kept_bytes = kept_bytes
    # The clusters' head is a linear one after every fit.
    network.label_head = RowLinear(made.n_hidden, sizes["n_clusters"])
    n_learned = sizes["n_components"] - 1
    return Eigenfunctions(
        network,
        Standardization(np.zeros(1), 1.0),
        torch.empty(sizes["n_functions"]),
        torch.empty(sizes["n_functions"], n_learned),
        torch.empty(1 + n_learned, dtype=torch.float64),
    )


def _check_weights(
    expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> None:
    """Refuse all but the weights that are expected, and numbers that are none."""
    for kind, names in (
        ("without", sorted(expected.keys() - weights.keys())),
        ("with an unknown", sorted(weights.keys() - expected.keys())),
    ):
        if names:
            raise ValueError(f"{kind} {names[0]!r}")
    for name, weight in weights.items():
        wanted = expected[name]
        if weight.shape != wanted.shape or weight.dtype != wanted.dtype:
            raise ValueError(
                f"{name!r} is {weight.dtype} of shape {tuple(weight.shape)} in place "
                f"of {wanted.dtype} of {tuple(wanted.shape)}"
            )
        if not bool(torch.isfinite(weight).all()):
            raise ValueError(f"{name!r} holds values that are not finite")
