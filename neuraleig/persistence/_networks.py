"""Fitted eigenfunctions as trees: sizes and weights, and modules made of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuraleig._device import CPU
from neuraleig._random import seeded_torch
from neuraleig._standardize import FARTHEST
from neuraleig.eigenfunctions import Eigenfunctions, Standardization
from neuraleig.networks import (
    MLP,
    EigenNetwork,
    OrthogonalLinear,
    SoftAssignment,
    TokenTransformer,
)
from neuraleig.networks._heads import make_head
from neuraleig.persistence._forms import (
    TENSOR,
    TEXT,
    Schema,
    check,
    integer,
    shown,
)
from neuraleig.persistence._parameters import Brought, name_of
from neuraleig.persistence._plain_file import UnusableError
from neuraleig.persistence._schemas import NETWORK, OWN

TRUNK = "network.trunk."
# Rows that a network of one's own is compared on, and values that are kept of its
# outputs.
PROBE_ROWS = 32
PROBE_VALUES = 4096
# Devices and versions round differently, cuDNN to three digits.
PROBE_TOLERANCE = 1e-2

POSITIVE = integer(least=1)
# Trunks of this package and the sizes that make them; subclasses may do something else.
TRUNKS: dict[str, tuple[type[nn.Module], dict[str, Schema]]] = {
    "mlp": (MLP, {"n_features": POSITIVE, "hidden_sizes": [POSITIVE]}),
    "tokens": (
        TokenTransformer,
        {
            "n_features": POSITIVE,
            "width": (POSITIVE,),
            "n_blocks": integer(),
            "n_heads": POSITIVE,
            "head_width": POSITIVE,
            "mlp_width": POSITIVE,
            "kept_bytes": (integer(),),
        },
    ),
}
# Trunks of users: their width, and what to know them by.
OWN_SIZES: dict[str, Schema] = {"n_hidden": POSITIVE, "name": TEXT, "probe": TENSOR}


def packed_eigenfunctions(eigenfunctions: Eigenfunctions) -> dict[str, Any]:
    """Tree of fitted eigenfunctions.

    Sizes are those of the module: parameters may have changed since the fit.
    """
    network = eigenfunctions.network
    assert isinstance(network, EigenNetwork)
    return {
        "trunk": _packed_trunk(network, len(eigenfunctions.shift)),
        "n_functions": network.n_functions,
        "n_clusters": network.n_clusters,
        "n_components": eigenfunctions.n_components,
        "function_head": _head_name(network.function_head),
        "label_head": _head_name(network.label_head),
        "noise": network.assignment.noise,
        "weights": weights_of(eigenfunctions, "network"),
    }


def eigenfunctions_of(tree: dict[str, Any], brought: Brought) -> Eigenfunctions:
    """Eigenfunctions of a tree, whose tensors they take over, in evaluation mode."""
    check(tree, NETWORK, "network")
    # Earlier files have no bound, and networks that were trained without.
    no_bound = torch.tensor(FARTHEST, dtype=torch.float64)
    trunk, weights, own = tree["trunk"], {"bound": no_bound, **tree["weights"]}, {}
    if trunk["kind"] == OWN:
        names = [name for name in weights if name.startswith(TRUNK)]
        own = {name.removeprefix(TRUNK): weights[name] for name in names}
        weights = {name: weights[name] for name in weights.keys() - set(names)}
    n_features = weights["shift"].numel()
    if n_features == 0:
        raise ValueError("its rows have no features")
    # Without memory, and without drawing the weights that are then replaced.
    with torch.device("meta"):
        made, n_hidden = _trunk(trunk, n_features, len(weights))
        module = _with_heads(made, n_hidden, tree, n_features)
    check_weights(module.state_dict(), weights)
    for name, meaning in (("scale", "unit"), ("bound", "bound")):
        if not bool(weights[name] > 0):
            raise ValueError(f"the {meaning} of its rows is not positive")
    module.load_state_dict(weights, assign=True)
    if trunk["kind"] == OWN:
        made = _own_trunk(trunk["sizes"], brought, n_features, own)
        module.network.trunk = made
    return module.eval()


def weights_of(module: nn.Module, parameter: str) -> dict[str, Tensor]:
    """State of a module; if it cannot be in a file, ``parameter`` is to blame."""
    found: dict[str, Tensor] = dict(module.state_dict())
    for name, value in found.items():
        if not isinstance(value, Tensor) or value.is_complex() or value.is_quantized:
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(
                f"{parameter} keeps {name!r}, which is {kind}; files hold tensors of "
                "real numbers alone. Register it as a non-persistent buffer."
            )
    return found


def check_weights(
    expected: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    *,
    infinities: bool = False,
) -> None:
    """Refuse all but the weights that are expected, and values that are not finite.

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
            raise ValueError(f"{name!r} is {shown(weight)} in place of {shown(wanted)}")
        no_number = torch.isnan(weight) if infinities else ~torch.isfinite(weight)
        if bool(no_number.any()):
            raise ValueError(f"{name!r} holds values that are not finite")


def probed(outputs: Tensor) -> Tensor:
    """Some values of the outputs of a user's function, spread over all of them."""
    values = outputs.detach().flatten().cpu().float()
    step = max(1, math.ceil(len(values) / PROBE_VALUES))
    return values[::step].clone()


def is_alike(outputs: Tensor, kept: Tensor) -> bool:
    """Whether outputs are those that were probed before, but for rounding."""
    found = probed(outputs)
    if (found.shape, found.dtype) != (kept.shape, kept.dtype):
        return False
    spread = (kept - kept.mean()).norm()
    is_near = (found - kept).norm() <= PROBE_TOLERANCE * spread
    return bool(is_near) or torch.equal(found, kept)


def _trunk(
    trunk: dict[str, Any], n_features: int, n_weights: int
) -> tuple[nn.Module, int]:
    """Trunk of some sizes and its width; of a user's trunk nothing but the width."""
    sizes = trunk["sizes"]
    if trunk["kind"] == OWN:
        check(sizes, OWN_SIZES, "network.trunk.sizes")
        return nn.Identity(), sizes["n_hidden"]
    kind, form = TRUNKS[trunk["kind"]]
    check(sizes, form, "network.trunk.sizes")
    n_layers = sizes.get("n_blocks", len(sizes.get("hidden_sizes", ())))
    # Each takes memory.
    if n_layers > n_weights:
        raise ValueError(f"{n_layers} layers of {n_weights} weights")
    if n_features != sizes["n_features"]:
        raise ValueError(f"{n_features} centres of {sizes['n_features']} features")
    made: Any = kind(**sizes)
    return made, made.n_hidden


def _with_heads(
    trunk: nn.Module, n_hidden: int, tree: dict[str, Any], n_features: int
) -> Eigenfunctions:
    n_functions, n_clusters = tree["n_functions"], tree["n_clusters"]
    n_learned = tree["n_components"] - 1
    network = EigenNetwork(
        trunk,
        make_head(tree["function_head"], n_hidden, n_functions),
        make_head(tree["label_head"], n_hidden, n_clusters),
        SoftAssignment(noise=tree["noise"]),
        n_functions,
        n_clusters,
    )
    return Eigenfunctions(
        network,
        Standardization(np.zeros(n_features), 1.0),
        torch.empty(n_functions),
        torch.empty(n_functions, n_learned),
        torch.empty(1 + n_learned, dtype=torch.float64),
    )


def _head_name(head: nn.Module) -> str:
    return "orthogonal" if isinstance(head, OrthogonalLinear) else "linear"


def _packed_trunk(network: EigenNetwork, n_features: int) -> dict[str, Any]:
    trunk: Any = network.trunk
    for name, (kind, _) in TRUNKS.items():
        if type(trunk) is kind:
            return {"kind": name, "sizes": trunk.sizes}
    outputs = _tried(trunk, n_features)
    found = {"n_hidden": outputs.shape[1], "name": name_of(trunk)}
    return {"kind": OWN, "sizes": {**found, "probe": probed(outputs)}}


def _own_trunk(
    sizes: dict[str, Any],
    brought: Brought,
    n_features: int,
    weights: Mapping[str, Tensor],
) -> nn.Module:
    """Trunk that the user's callable makes, with weights of the file."""
    network, name = brought.get("network"), sizes["name"]
    if network is None:
        raise UnusableError(
            f"was fitted with a network of your own ({name}), which files do not hold; "
            "pass what makes it as network="
        )
    try:
        # It draws weights, which are then replaced.
        with seeded_torch(0, CPU):
            made: nn.Module = network(n_features)
        check_weights(made.state_dict(), weights, infinities=True)
        made.load_state_dict(dict(weights))
        outputs = _tried(made, n_features)
        width = sizes["n_hidden"]
        if outputs.shape[1:] != (width,) or not is_alike(outputs, sizes["probe"]):
            raise ValueError("it maps the same rows to other outputs")
    except Exception as error:
        raise UnusableError(
            f"was fitted with the network {name}, and the one passed as network= is "
            f"another ({type(error).__name__}: {error}); pass the one of the fit"
        ) from error
    return made


def _tried(trunk: nn.Module, n_features: int) -> Tensor:
    """Outputs of a trunk for a few random rows."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(PROBE_ROWS, n_features, generator=generator)
    weights = next(trunk.parameters(), None)
    was_training = trunk.training
    trunk.eval()
    with torch.inference_mode():
        outputs: Tensor = trunk(rows if weights is None else rows.to(weights.device))
    trunk.train(was_training)
    return outputs
