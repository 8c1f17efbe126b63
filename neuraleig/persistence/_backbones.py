"""Frozen backbones by name: weights stay where they came from, or are in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from neuraleig.persistence._fitted import Brought, finite
from neuraleig.persistence._model_file import State
from neuraleig.persistence._networks import check_weights, taken, tensors_of
from neuraleig.persistence._probes import is_alike, probed
from neuraleig.persistence._records import Record
from neuraleig.segmentation.backbones import (
    Backbone,
    ColorTexture,
    TimmBackbone,
    extract,
    make_backbone,
)

# What only the user has: a callable, or a class of one's own.
GIVEN, TIMM, COLOR_TEXTURE = "given", "timm", "color_texture"
# Weights that are in the file have this prefix.
WEIGHTS = "backbone."
# Sizes of the image that such a backbone is compared on. Files hold what is said of
# them: they stay, whatever a fit tries backbones on.
PROBE_SIZES = ((224, 448), (240, 480))
# Filters of colour and texture are as wide as patches; photographs are no wider.
LARGEST_PATCH = 4096


@dataclass(frozen=True)
class BackboneRecord:
    """What a file says of a backbone.

    Parameters
    ----------
    kind : {"timm", "color_texture", "given"}
        Who makes it anew: timm, this package, or the user.
    identity : str
        Of the backbone of the fit.
    patch_size : int
        Pixels per token.
    n_channels : tuple of int
        Features per token of every level.
    options : dict
        Arguments of a timm model.
    weights : dict of str to Tensor or None
        Those of the backbone, where they are in the file.
    probe : Tensor or None
        From :func:`probe`, where the user has to bring the backbone.
    """

    kind: str
    identity: str
    patch_size: int
    n_channels: tuple[int, ...]
    options: dict[str, Any]
    weights: dict[str, Tensor] | None
    probe: Tensor | None


def backbone_state(backbone: Backbone, device: torch.device) -> State:
    """How a backbone is made anew.

    Parameters
    ----------
    backbone : Backbone
        Of a fit.
    device : torch.device
        Where it is.

    Returns
    -------
    state : State
        Without its weights.
    """
    content: dict[str, Any] = {
        "kind": _kind(backbone),
        "identity": backbone.identity,
        "patch_size": backbone.patch_size,
        "n_channels": list(backbone.n_channels),
        "has_weights": False,
    }
    if isinstance(backbone, TimmBackbone) and content["kind"] == TIMM:
        content["options"] = backbone.options
    if content["kind"] == GIVEN:
        return State({"backbone_probe": probe(backbone, device)}, content)
    return State({}, content)


def with_weights(state: State, backbone: Backbone) -> State:
    """State of a segmenter with the weights of its backbone.

    Raises
    ------
    ValueError
        If they cannot be seen.
    TypeError
        If some of them cannot be in a file.
    """
    kind = _kind(backbone)
    if kind == COLOR_TEXTURE:
        return state
    function = getattr(backbone, "function", backbone)
    if kind == GIVEN and not isinstance(function, nn.Module):
        raise ValueError(
            f"include_backbone=True, and backbone is {function!r}, whose weights "
            "cannot be seen; fit with a module as backbone, or leave include_backbone "
            "out."
        )
    weights = tensors_of(_holder(backbone), "backbone", WEIGHTS)
    content = dict(state.content)
    content["backbone"] = content["backbone"] | {"has_weights": True}
    return State(state.tensors | weights, content)


def probe(backbone: Backbone, device: torch.device) -> Tensor:
    """Some features of one random image, to know a backbone by.

    Digests of features change with the device and the version of torch.
    """
    patch = backbone.patch_size
    fitting = [s for s in PROBE_SIZES if not any(side % patch for side in s)]
    height, width = fitting[0] if fitting else (16 * patch, 32 * patch)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=generator)
    return probed(extract(backbone, image, device))


def backbone_record(content: Record, tensors: dict[str, Tensor]) -> BackboneRecord:
    """What a file says of a backbone.

    Parameters
    ----------
    content : Record
        From :func:`backbone_state`.
    tensors : dict of str to Tensor
        Likewise; those of the backbone are taken out.

    Returns
    -------
    record : BackboneRecord
        Checked.

    Raises
    ------
    ValueError
        If something else is said.
    """
    kind = content.choice("kind", (TIMM, COLOR_TEXTURE, GIVEN))
    patch_size = content.integer("patch_size", least=1)
    if patch_size > LARGEST_PATCH:
        raise ValueError(f"its backbone has patches of {patch_size} pixels")
    found = BackboneRecord(
        kind=kind,
        identity=content.text("identity"),
        patch_size=patch_size,
        n_channels=tuple(content.integers("n_channels", least=1)),
        options=_options(content.record("options")) if kind == TIMM else {},
        weights=taken(tensors, WEIGHTS) if content.flag("has_weights") else None,
        probe=_kept_probe(tensors) if kind == GIVEN else None,
    )
    content.end()
    if found.weights is not None:
        check_weights(found.weights, found.weights, infinities=True)
    return found


def _kept_probe(tensors: dict[str, Tensor]) -> Tensor:
    """What :func:`probe` said when the model was saved."""
    return torch.from_numpy(finite(tensors, "backbone_probe", torch.float32))


def made_anew(
    record: BackboneRecord, brought: Brought, device: torch.device
) -> Backbone:
    """Backbone that a record describes, or that the user brings.

    Parameters
    ----------
    record : BackboneRecord
        Of the file.
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
        if record.weights is not None and record.kind == GIVEN:
            _fill(backbone, record.weights)
    elif record.kind == TIMM:
        backbone = _timm(record, brought.checkpoint).to(device)
    else:
        backbone = ColorTexture(record.patch_size).to(device)
    if not _is_same(backbone, record, device):
        raise ValueError(
            f"its backbone was {record.identity}, and this one is "
            f"{backbone.identity}; {_remedy(record)}"
        )
    # A callable's own changes with the rounding of the device, and what was written
    # by the model would no longer be known as its own.
    backbone.identity = record.identity
    return backbone


def _kind(backbone: Backbone) -> str:
    # Subclasses may do something else.
    if type(backbone) is TimmBackbone:
        return TIMM
    return COLOR_TEXTURE if type(backbone) is ColorTexture else GIVEN


def _holder(backbone: Backbone) -> nn.Module:
    """Module whose weights are the backbone's."""
    if isinstance(backbone, TimmBackbone):
        model: nn.Module = backbone.model
        return model
    return backbone


def _fill(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    """Give weights of a file to a user's module."""
    try:
        check_weights(backbone.state_dict(), weights, infinities=True)
    except ValueError as error:
        raise ValueError(
            f"its backbone's weights do not fit the one that is passed ({error}); "
            "pass the one of the fit as backbone="
        ) from error
    backbone.load_state_dict(dict(weights))


def _options(content: Record) -> dict[str, Any]:
    """Arguments of a timm model."""
    checkpoint, layers = content.take("checkpoint"), content.take("layers")
    is_text = checkpoint is None or isinstance(checkpoint, str)
    if not is_text or not isinstance(layers, str | list):
        raise ValueError("its backbone has other options than timm's")
    options = {
        "name": content.text("name"),
        "pretrained": content.flag("pretrained"),
        "checkpoint": checkpoint,
        "layers": layers,
        "seed": content.integer("seed"),
    }
    content.end()
    return options


def _check_brought(record: BackboneRecord, brought: Brought) -> None:
    if brought.backbone is None and record.kind == GIVEN:
        raise ValueError(
            f"was fitted with a backbone of your own ({record.identity}), which "
            "files do not hold; pass it as backbone="
        )
    if isinstance(brought.backbone, str):
        raise ValueError(
            f"got backbone={brought.backbone!r}; names are in the file, and only "
            "callables and modules are passed"
        )
    if brought.checkpoint is not None and (
        record.kind != TIMM or brought.backbone is not None
    ):
        raise ValueError(
            f"got checkpoint={str(brought.checkpoint)!r}, which is for backbones that "
            "are timm models by name"
        )


def _timm(
    record: BackboneRecord, checkpoint: str | PathLike[str] | None
) -> TimmBackbone:
    options = dict(record.options)
    if checkpoint is not None:
        return TimmBackbone(**options | {"checkpoint": str(checkpoint)})
    try:
        return TimmBackbone(**options, weights=record.weights)
    except OSError as error:
        raise OSError(
            f"the weights of the model's backbone {options['name']!r} are not at hand; "
            f"pass checkpoint= with a file of them. {error}"
        ) from error


def _is_same(backbone: Backbone, record: BackboneRecord, device: torch.device) -> bool:
    if (backbone.patch_size, backbone.n_channels) != (
        record.patch_size,
        record.n_channels,
    ):
        return False
    # That of a module of the user is of its own weights, and not of the file's.
    is_filled = record.kind == GIVEN and record.weights is not None
    if backbone.identity == record.identity and not is_filled:
        return True
    return record.probe is not None and is_alike(probe(backbone, device), record.probe)


def _remedy(record: BackboneRecord) -> str:
    if record.kind == GIVEN:
        return "pass the one of the fit as backbone="
    if record.kind == COLOR_TEXTURE:
        return "load it with the version of neuraleig that wrote it"
    options = record.options
    if not options["pretrained"] and options["checkpoint"] is None:
        return (
            "its random weights are those of other versions of torch and timm; load it "
            "with these, or pass the backbone of the fit as backbone="
        )
    return "pass checkpoint= with the file of its weights"
