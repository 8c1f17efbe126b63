"""Frozen backbones as trees: names and fingerprints, or their weights as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sklearn.base import clone
from torch import Tensor, nn

from neuraleig._device import CPU
from neuraleig.persistence._forms import (
    check,
)
from neuraleig.persistence._networks import (
    check_weights,
    is_alike,
    probed,
    weights_of,
)
from neuraleig.persistence._parameters import Brought, packed_value, value_of
from neuraleig.persistence._plain_file import UnusableError
from neuraleig.persistence._schemas import COLOR_TEXTURE, OWN, TIMM, TIMM_PARTS
from neuraleig.segmentation.backbones import (
    Backbone,
    ColorTexture,
    TimmBackbone,
    extract,
    make_backbone,
)
from neuraleig.segmentation.backbones._timm_backbone import VisionTransformer

# Sizes of the image that a user's backbone is compared on. Files hold what comes of
# them: they stay, whatever a fit tries backbones on.
PROBE_SIZES = ((224, 448), (240, 480))
PRODUCTS = {str(d): d for d in (torch.float32, torch.bfloat16, torch.float16)}


def packed_backbone(
    backbone: Backbone, device: torch.device, *, with_weights: bool
) -> dict[str, Any]:
    """Tree of the backbone of a fit, from which it is made anew."""
    # Subclasses may do something else.
    kinds = {VisionTransformer: TIMM, ColorTexture: COLOR_TEXTURE}
    kind = kinds.get(type(backbone), OWN)
    function = getattr(backbone, "function", backbone)
    if with_weights and kind == OWN and not isinstance(function, nn.Module):
        raise ValueError(
            f"include_backbone=True, and backbone is {function!r}, whose weights "
            "cannot be seen; fit with a module as backbone, or leave include_backbone "
            "out."
        )
    is_included = with_weights and kind != COLOR_TEXTURE
    holder: Any = backbone.model if kind == TIMM else backbone
    return {
        "kind": kind,
        "identity": backbone.identity,
        "patch_size": backbone.patch_size,
        "n_channels": list(backbone.n_channels),
        "timm": _packed_timm(backbone) if kind == TIMM else None,
        "probe": probed(_tried(backbone, device)) if kind == OWN else None,
        "weights": weights_of(holder, "backbone") if is_included else None,
    }


def backbone_of(
    tree: dict[str, Any], brought: Brought, device: torch.device
) -> Backbone:
    """Backbone that a tree describes, or that the user passes.

    Raises
    ------
    ValueError
        If the tree is not whole.
    UnusableError
        If the backbone has other features, or must be passed.
    OSError
        If its weights are not there.
    """
    if tree["kind"] == TIMM:
        check(tree["timm"], TIMM_PARTS, "backbone.timm")
    if tree["weights"] is not None:
        check_weights(tree["weights"], tree["weights"], infinities=True)
    try:
        backbone = _made(tree, brought, device)
        is_same = _is_same(backbone, tree, device)
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableError(str(error)) from error
    if not is_same:
        raise UnusableError(
            f"its backbone was {tree['identity']}, and this one is "
            f"{backbone.identity}; {_remedy(tree)}"
        )
    # That of a callable changes with the rounding of the device, and files that the
    # model has written would no longer be known as its own.
    backbone.identity = tree["identity"]
    return backbone


def _packed_timm(backbone: Any) -> dict[str, Any]:  # noqa: ANN401
    settings = clone(backbone.settings)
    if settings.weights is not None:
        settings.weights = Path(settings.weights).resolve()
    return {
        "settings": packed_value(settings, "backbone"),
        "seed": int(backbone.seed),
        "products": str(backbone.products),
    }


def _tried(backbone: Backbone, device: torch.device) -> Tensor:
    """Features of one random image, to know a backbone by.

    Digests of features change with the device and the version of torch.
    """
    patch = backbone.patch_size
    fitting = [s for s in PROBE_SIZES if not any(side % patch for side in s)]
    height, width = fitting[0] if fitting else (16 * patch, 32 * patch)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=generator)
    return extract(backbone, image, device)


def _made(tree: dict[str, Any], brought: Brought, device: torch.device) -> Backbone:
    kind, weights = tree["kind"], tree["weights"]
    passed = brought.get("backbone")
    if passed is None and kind == OWN:
        raise UnusableError(
            f"was fitted with a backbone of your own ({tree['identity']}), which "
            "files do not hold; pass it as backbone="
        )
    if passed is not None:
        backbone = make_backbone(passed, device=device)
        if weights is not None and kind == OWN:
            _fill(backbone, weights)
        return backbone
    if kind == COLOR_TEXTURE:
        return ColorTexture(tree["patch_size"]).to(device)
    return _made_by_timm(tree["timm"], weights, brought).to(device)


def _made_by_timm(
    parts: dict[str, Any], state: dict[str, Tensor] | None, brought: Brought
) -> VisionTransformer:
    settings = value_of(parts["settings"], "backbone", brought)
    if not isinstance(settings, TimmBackbone):
        raise ValueError(f"its settings are those of a {type(settings).__name__}")
    path = brought.get("weights")
    if path is not None:
        settings.weights, state = path, None
    # Whatever the device: its products may be there again later.
    settings.precision = "float32"
    try:
        made = settings.make(CPU, seed=parts["seed"], state=state)
    except OSError as error:
        raise OSError(
            f"the weights of the model's backbone {settings.name!r} are not at hand; "
            f"pass weights= with a file of them. {error}"
        ) from error
    made.products = PRODUCTS[parts["products"]]
    return made


def _fill(backbone: Backbone, weights: dict[str, Tensor]) -> None:
    """Give weights of a file to a user's module."""
    try:
        check_weights(backbone.state_dict(), weights, infinities=True)
    except ValueError as error:
        raise UnusableError(
            f"its backbone's weights do not fit the one that is passed ({error}); "
            "pass the one of the fit as backbone="
        ) from error
    backbone.load_state_dict(weights)


def _is_same(backbone: Backbone, tree: dict[str, Any], device: torch.device) -> bool:
    sizes = backbone.patch_size, list(backbone.n_channels)
    if sizes != (tree["patch_size"], tree["n_channels"]):
        return False
    # The identity of a user's module is of its own weights, not of the file's.
    is_filled = tree["kind"] == OWN and tree["weights"] is not None
    if backbone.identity == tree["identity"] and not is_filled:
        return True
    kept = tree["probe"]
    return kept is not None and is_alike(_tried(backbone, device), kept)


def _remedy(tree: dict[str, Any]) -> str:
    if tree["kind"] == OWN:
        return "pass the one of the fit as backbone="
    if tree["kind"] == COLOR_TEXTURE:
        return "load it with the version of neuraleig that wrote it"
    settings = tree["timm"]["settings"]["parameters"]
    if not settings["pretrained"] and settings["weights"] is None:
        return (
            "its random weights are those of other versions of torch and timm; load it "
            "with these, or pass the backbone of the fit as backbone="
        )
    return "pass weights= with the file of its weights"
