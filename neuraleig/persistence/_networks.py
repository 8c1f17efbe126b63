"""Fitted eigenfunctions: sizes as plain JSON, weights, and modules made of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuraleig._random import seeded_torch
from neuraleig.eigenfunctions import Eigenfunctions, Standardization
from neuraleig.networks import (
    HEADS,
    MLP,
    EigenNetwork,
    OrthogonalLinear,
    RowLinear,
    SoftAssignment,
    TokenTransformer,
    make_head,
)
from neuraleig.persistence._model_file import State, UnusableError
from neuraleig.persistence._parameters import name_of
from neuraleig.persistence._probes import is_alike, probed
from neuraleig.persistence._records import Record
from neuraleig.persistence._tensor_file import DTYPES

# Weights have this prefix, so that no other tensor can be one.
MODULE = "eigenfunctions."
TRUNK = "network.trunk."
PROBE = "network_probe"
# Rows that a network of one's own is compared on.
PROBE_ROWS = 32
# What a trunk can be: ours, or a user's.
PERCEPTRON, TOKENS, GIVEN = "mlp", "tokens", "given"


def eigenfunctions_state(eigenfunctions: Eigenfunctions) -> State:
    """State of fitted eigenfunctions.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Of either kind of network, or of one of a user.

    Returns
    -------
    state : State
        The sizes are read off the module: parameters may have changed since the fit.

    Raises
    ------
    TypeError
        If a network of the user keeps state that is no tensor, or of a type that
        files do not hold.
    """
    network = eigenfunctions.network
    assert isinstance(network, EigenNetwork)
    trunk = _trunk_sizes(network.trunk)
    tensors = tensors_of(eigenfunctions, "network", MODULE)
    if trunk["kind"] == GIVEN:
        n_features = len(eigenfunctions.shift)
        trunk["n_hidden"] = _n_inputs(network.function_head)
        tensors[PROBE] = probed(_tried(network.trunk, n_features))
    sizes = {
        "trunk": trunk,
        "n_functions": network.n_functions,
        "n_clusters": network.n_clusters,
        "n_components": eigenfunctions.n_components,
        "function_head": _head_name(network.function_head),
        "label_head": _head_name(network.label_head),
        "noise": network.assignment.noise,
    }
    return State(tensors, sizes)


def tensors_of(module: nn.Module, parameter: str, prefix: str) -> dict[str, Tensor]:
    """State of a module under prefixed names.

    Raises
    ------
    TypeError
        If part of it cannot be in a file; ``parameter`` is to blame.
    """
    found = {}
    for name, value in module.state_dict().items():
        if not isinstance(value, Tensor) or value.dtype not in DTYPES.values():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(
                f"{parameter} keeps {name!r}, which is {kind}; files hold tensors of "
                "real numbers alone. Register it as a non-persistent buffer."
            )
        found[prefix + name] = value
    return found


def make_eigenfunctions(
    sizes: Record, tensors: dict[str, Tensor], network: Callable[..., Any] | None = None
) -> Eigenfunctions:
    """Eigenfunctions of given sizes with given weights.

    Parameters
    ----------
    sizes : Record
        From :func:`eigenfunctions_state`.
    tensors : dict of str to Tensor
        Likewise; those that belong to the module are taken out of it.
    network : callable or None, default=None
        What makes the trunk, where it was one of the user.

    Returns
    -------
    eigenfunctions : Eigenfunctions
        In evaluation mode, on the device of the weights, which it takes over.

    Raises
    ------
    ValueError
        If weights are missing, of another shape or type, not finite, or too many.
    UnusableError
        If ``network`` is missing, or another one.
    """
    weights = taken(tensors, MODULE)
    trunk_sizes = sizes.record("trunk")
    kind = trunk_sizes.choice("kind", (PERCEPTRON, TOKENS, GIVEN))
    theirs = taken(weights, TRUNK) if kind == GIVEN else {}
    shift = weights.get("shift", torch.empty(0))
    # Without memory, and without drawing the weights that are then replaced.
    with torch.device("meta"):
        if kind == GIVEN:
            name, n_hidden = trunk_sizes.text("name"), trunk_sizes.integer("n_hidden")
            trunk: nn.Module = nn.Identity()
        else:
            make = _perceptron if kind == PERCEPTRON else _transformer
            trunk, n_hidden = make(trunk_sizes, shift.numel(), len(weights))
        module = _with_heads(trunk, n_hidden, sizes, shift.numel())
    trunk_sizes.end()
    check_weights(module.state_dict(), weights)
    if not bool(weights["scale"] > 0):
        raise ValueError("the unit of its rows is not positive")
    module.load_state_dict(weights, assign=True)
    if kind == GIVEN:
        kept = tensors.pop(PROBE)
        made = _given_trunk(network, name, shift.numel(), theirs)
        outputs = _tried(made, shift.numel())
        if outputs.shape[1:] != (n_hidden,) or not is_alike(probed(outputs), kept):
            raise UnusableError(_other_network(name, "it says something else of rows"))
        assert isinstance(module.network, EigenNetwork)
        module.network.trunk = made
    return module.eval()


def taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names have a prefix, which is left out; they are removed."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def check_weights(
    expected: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    *,
    infinities: bool = False,
) -> None:
    """Refuse all but the weights that are expected, and numbers that are none.

    Networks of users may keep infinities, as masks do.
    """
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
        no_number = torch.isnan(weight) if infinities else ~torch.isfinite(weight)
        if bool(no_number.any()):
            raise ValueError(f"{name!r} holds values that are not finite")


def _trunk_sizes(trunk: nn.Module) -> dict[str, Any]:
    # Subclasses may do something else.
    if type(trunk) is MLP:
        widths = [layer.out_features for layer in trunk.layers]
        return {"kind": PERCEPTRON, "hidden_sizes": widths}
    if type(trunk) is not TokenTransformer:
        return {"kind": GIVEN, "name": name_of(trunk)}
    projected = not isinstance(trunk.projection, nn.Identity)
    sizes: dict[str, Any] = {
        "kind": TOKENS,
        "n_features": trunk.n_features,
        "width": trunk.n_hidden if projected else None,
        "n_blocks": len(trunk.blocks),
        "kept_bytes": trunk.kept_bytes,
    }
    # All blocks are alike.
    for block in list(trunk.blocks)[:1]:
        parts: Any = block
        sizes["heads"] = list(parts.heads)
        sizes["mlp_width"] = parts.mlp_in.out_features
    return sizes


def _perceptron(
    sizes: Record, n_features: int, n_weights: int
) -> tuple[nn.Module, int]:
    widths = sizes.integers("hidden_sizes", least=1)
    _check_depth(len(widths), n_weights)
    return MLP(n_features, widths), sum(widths) if widths else n_features


def _transformer(sizes: Record, n_shifts: int, n_weights: int) -> tuple[nn.Module, int]:
    if n_shifts != 1:
        raise ValueError(f"{n_shifts} shifts of the inputs of a network over tokens")
    n_blocks = sizes.integer("n_blocks")
    _check_depth(n_blocks, n_weights)
    inside: dict[str, Any] = {}
    if n_blocks:
        inside["n_heads"], inside["head_width"] = sizes.integers("heads", least=1)
        inside["mlp_width"] = sizes.integer("mlp_width", least=1)
    trunk = TokenTransformer(
        sizes.integer("n_features", least=1),
        width=sizes.integer_or_none("width", least=1),
        n_blocks=n_blocks,
        kept_bytes=sizes.integer_or_none("kept_bytes"),
        **inside,
    )
    return trunk, trunk.n_hidden


def _check_depth(n_layers: int, n_weights: int) -> None:
    """Refuse layers without weights before they are made: each takes memory."""
    if n_layers > n_weights:
        raise ValueError(f"{n_layers} layers of {n_weights} weights")


def _with_heads(
    trunk: nn.Module, n_hidden: int, sizes: Record, n_shifts: int
) -> Eigenfunctions:
    n_functions = sizes.integer("n_functions", least=1)
    n_clusters = sizes.integer("n_clusters", least=1)
    n_learned = sizes.integer("n_components", least=1) - 1
    network = EigenNetwork(
        trunk,
        _head(sizes.choice("function_head", HEADS), n_hidden, n_functions),
        _head(sizes.choice("label_head", HEADS), n_hidden, n_clusters),
        SoftAssignment(noise=sizes.flag("noise")),
        n_functions,
        n_clusters,
    )
    sizes.end()
    return Eigenfunctions(
        network,
        # As many as the file has.
        Standardization(np.zeros(n_shifts), 1.0),
        torch.empty(n_functions),
        torch.empty(n_functions, n_learned),
        torch.empty(1 + n_learned, dtype=torch.float64),
    )


def _head(name: str, n_hidden: int, n_outputs: int) -> nn.Module:
    return make_head(
        "orthogonal" if name == "orthogonal" else "linear", n_hidden, n_outputs
    )


def _head_name(head: nn.Module) -> str:
    return "orthogonal" if isinstance(head, OrthogonalLinear) else "linear"


def _n_inputs(head: nn.Module) -> int:
    if isinstance(head, OrthogonalLinear):
        return int(head.raw.shape[0])
    assert isinstance(head, RowLinear)
    return head.in_features


def _given_trunk(
    network: Callable[..., Any] | None,
    name: str,
    n_features: int,
    weights: Mapping[str, Tensor],
) -> nn.Module:
    """Trunk that the user's callable makes, with weights of the file."""
    if network is None:
        raise UnusableError(
            f"was fitted with a network of your own ({name}), which files do not hold; "
            "pass what makes it as network="
        )
    try:
        # It draws weights, which are then replaced.
        with seeded_torch(0, torch.device("cpu")):
            trunk = network(n_features)
        check_weights(trunk.state_dict(), weights, infinities=True)
        trunk.load_state_dict(dict(weights))
    except Exception as error:
        raise UnusableError(
            _other_network(name, f"{type(error).__name__}: {error}")
        ) from error
    made: nn.Module = trunk
    return made


def _tried(trunk: nn.Module, n_features: int) -> Tensor:
    """What a trunk says of a few random rows."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(PROBE_ROWS, n_features, generator=generator)
    weights = next(trunk.parameters(), None)
    was_training = trunk.training
    trunk.eval()
    with torch.inference_mode():
        outputs: Tensor = trunk(rows if weights is None else rows.to(weights.device))
    trunk.train(was_training)
    return outputs


def _other_network(name: str, reason: str) -> str:
    return (
        f"was fitted with the network {name}, and the one passed as network= is "
        f"another ({reason}); pass the one of the fit"
    )
