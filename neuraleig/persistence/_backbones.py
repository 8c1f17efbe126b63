"""Frozen backbones by name: their weights stay where they came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from neuraleig.segmentation.backbones import (
    Backbone,
    ColorTexture,
    TimmBackbone,
    extract,
    make_backbone,
)

# What only the user has: a callable, or a class of one's own.
GIVEN = "given"
# Sizes of the image that such a backbone is compared on, as in the fit.
PROBE_SIZES = ((224, 448), (240, 480))
PROBE_VALUES = 4096
# Devices and versions round differently, cuDNN to three digits.
PROBE_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Brought:
    """What a user passes for a backbone when a model is loaded.

    Parameters
    ----------
    backbone : callable or None
        Backbone itself.
    checkpoint : path or None
        File of the weights of a timm model.
    """

    backbone: Any
    checkpoint: str | PathLike[str] | None


def described(backbone: Backbone) -> dict[str, Any]:
    """How a backbone is made anew, in plain JSON."""
    common = {
        "identity": backbone.identity,
        "patch_size": backbone.patch_size,
        "n_channels": list(backbone.n_channels),
    }
    # Subclasses may do something else.
    if type(backbone) is TimmBackbone:
        return {"kind": "timm", "options": backbone.options, **common}
    if type(backbone) is ColorTexture:
        return {"kind": "color_texture", **common}
    return {"kind": GIVEN, **common}


def probe(backbone: Backbone, device: torch.device) -> Tensor:
    """Some features of one random image, to know a backbone by.

    Digests of features change with the device and the version of torch.
    """
    patch = backbone.patch_size
    fitting = [s for s in PROBE_SIZES if not any(side % patch for side in s)]
    height, width = fitting[0] if fitting else (16 * patch, 32 * patch)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=generator)
    features = extract(backbone, image, device).flatten().cpu()
    step = math.ceil(len(features) / PROBE_VALUES)
    return features[::step].clone()


def made_anew(
    record: Mapping[str, Any],
    probed: Tensor | None,
    brought: Brought,
    device: torch.device,
) -> Backbone:
    """Backbone that a record describes, or that the user brings.

    Parameters
    ----------
    record : mapping
        From :func:`described`.
    probed : Tensor or None
        From :func:`probe`, where the user has to bring it.
    brought : Brought
        By the user.
    device : torch.device
        Where it is to run.

    Returns
    -------
    backbone : Backbone
        With the features that the model was fitted to.

    Raises
    ------
    ValueError
        If it has others, or has to be brought.
    OSError
        If weights are not there.
    """
    _check_brought(record, brought)
    if brought.backbone is not None:
        backbone = make_backbone(brought.backbone, device=device)
    elif record["kind"] == "timm":
        backbone = _timm(record["options"], brought.checkpoint).to(device)
    else:
        backbone = ColorTexture(record["patch_size"]).to(device)
    if not _is_same(backbone, record, probed, device):
        raise ValueError(
            f"its backbone was {record['identity']}, and this one is "
            f"{backbone.identity}; {_remedy(record)}"
        )
    # A callable's own changes with the rounding of the device, and what was written
    # by the model would no longer be known as its own.
    backbone.identity = record["identity"]
    return backbone


def _check_brought(record: Mapping[str, Any], brought: Brought) -> None:
    kind = record["kind"]
    if kind not in ("timm", "color_texture", GIVEN):
        raise ValueError(f"its backbone is of an unknown kind, {kind!r}")
    if brought.backbone is None and kind == GIVEN:
        raise ValueError(
            f"was fitted with a backbone of your own ({record['identity']}), which "
            "files do not hold; pass it as backbone="
        )
    if isinstance(brought.backbone, str):
        raise ValueError(
            f"got backbone={brought.backbone!r}; names are in the file, and only "
            "callables and modules are passed"
        )
    if brought.checkpoint is not None and (
        kind != "timm" or brought.backbone is not None
    ):
        raise ValueError(
            f"got checkpoint={str(brought.checkpoint)!r}, which is for backbones that "
            "are timm models by name"
        )


def _timm(
    options: Mapping[str, Any], checkpoint: str | PathLike[str] | None
) -> Backbone:
    chosen = dict(options)
    if checkpoint is not None:
        chosen["checkpoint"] = str(checkpoint)
    try:
        return TimmBackbone(**chosen)
    except OSError as error:
        raise OSError(
            f"the weights of the model's backbone {options['name']!r} are not at hand; "
            f"pass checkpoint= with a file of them. {error}"
        ) from error


def _is_same(
    backbone: Backbone,
    record: Mapping[str, Any],
    probed: Tensor | None,
    device: torch.device,
) -> bool:
    if [backbone.patch_size, *backbone.n_channels] != [
        record["patch_size"],
        *record["n_channels"],
    ]:
        return False
    if backbone.identity == record["identity"]:
        return True
    if probed is None:
        return False
    found = probe(backbone, device)
    if found.shape != probed.shape:
        return False
    spread = (probed - probed.mean()).norm()
    return bool((found - probed).norm() <= PROBE_TOLERANCE * spread)


def _remedy(record: Mapping[str, Any]) -> str:
    if record["kind"] == GIVEN:
        return "pass the one of the fit as backbone="
    if record["kind"] == "color_texture":
        return "load it with the version of neuraleig that wrote it"
    options = record["options"]
    if not options["pretrained"] and options["checkpoint"] is None:
        return (
            "its random weights are those of other versions of torch and timm; load it "
            "with these, or pass the backbone of the fit as backbone="
        )
    return "pass checkpoint= with the file of its weights"
