"""From the parameter ``backbone`` to a frozen backbone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from neuraleig.segmentation.backbones._backbones import (
    Backbone,
    CallableBackbone,
    Maps,
    copied,
)
from neuraleig.segmentation.backbones._color_texture import ColorTexture
from neuraleig.segmentation.backbones._timm_backbone import TimmBackbone

COLOR_TEXTURE = "color_texture"


def make_backbone(
    backbone: str | TimmBackbone | Callable[[Tensor], Maps],
    *,
    device: torch.device,
    seed: int = 0,
) -> Backbone:
    """Make the backbone that a parameter describes.

    Parameters
    ----------
    backbone : str, TimmBackbone or callable
        Name of a vision transformer of timm, ``"color_texture"``, settings of a
        transformer, or a callable from images to features. Modules are copied.
    device : torch.device
        Device for the backbone.
    seed : int, default=0
        Seed of random weights.

    Returns
    -------
    backbone : Backbone
        On the device.

    Raises
    ------
    TypeError
        If ``backbone`` is of another type.
    ValueError
        If no such backbone can be made.
    OSError
        If weights can be neither read nor fetched.
    """
    if isinstance(backbone, str) and backbone == COLOR_TEXTURE:
        return ColorTexture().to(device)
    if isinstance(backbone, str):
        backbone = TimmBackbone(backbone)
    if isinstance(backbone, TimmBackbone):
        return backbone.make(device, seed=seed)
    if isinstance(backbone, Backbone):
        return copied(backbone).eval().to(device)
    if callable(backbone):
        return CallableBackbone(backbone, device)
    raise TypeError(
        f"backbone={backbone!r} must be the name of a timm model, 'color_texture', a "
        "TimmBackbone or a callable that maps images to features."
    )
