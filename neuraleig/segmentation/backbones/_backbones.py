"""Frozen feature extractors: what they promise, and how their features are read."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

Maps = Tensor | Sequence[Tensor]
Layers = Literal["auto"] | Sequence[int]
Sizes = tuple[tuple[int, int], tuple[int, int]]
ModuleT = TypeVar("ModuleT", bound=nn.Module)

# Sizes of the images that a user's callable is tried on, one oblong, one turned. The
# first are multiples of patches of 4, 7, 8, 14, 16, 28, 32; the others of 5, 6, 10, 12.
PROBE_SIZES: tuple[Sizes, ...] = ((224, 448), (448, 224)), ((240, 480), (480, 240))
# Tokens of one forward pass. More are no faster, and cost memory in proportion.
CPU_TOKENS = 4096
CUDA_TOKENS = 16384


class Backbone(nn.Module, ABC):
    """Frozen network from images to maps of features, coarser by its patch size.

    It is never trained: it stays in evaluation mode whatever contains it.

    Attributes
    ----------
    patch_size : int
        Pixels per token, along both sides.
    n_channels : tuple of int
        Features per token of every level, lowest first. Token graphs are built on
        the last level.
    identity : str
        What decides the features: kind, weights and layers.
    """

    patch_size: int
    n_channels: tuple[int, ...]
    identity: str

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images to their features.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, height, width)
            RGB in [0, 1]; the sides are multiples of ``patch_size``.

        Returns
        -------
        maps : list of Tensor of shape (n_images, n_channels[l], rows, columns)
            One per level, lowest first, of ``height // patch_size`` rows and
            ``width // patch_size`` columns.
        """

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode."""
        super().train(False)
        return self


class CallableBackbone(Backbone):
    """A user's callable, whose patch size and channels are found by trying it.

    Parameters
    ----------
    function : callable
        Maps images of shape (N, 3, H, W), RGB in [0, 1], to features of shape
        (N, C, H / patch, W / patch), or to a list of such maps, lowest level first.
        A module is copied: the user's own keeps its mode, device and gradients.
    device : torch.device
        Where it runs.

    Raises
    ------
    TypeError
        If what it returns are no float tensors, or a module cannot be copied.
    ValueError
        If it fails on images of common sizes, or its maps have other shapes or are
        not finite.
    """

    def __init__(
        self, function: Callable[[Tensor], Maps], device: torch.device
    ) -> None:
        super().__init__()
        if isinstance(function, nn.Module):
            function = _copied(function).to(device)
        self.function = function
        self.eval()
        self.patch_size, maps = self._probe(device)
        self.n_channels = tuple(int(m.shape[1]) for m in maps)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        self.identity = f"callable/{name}/{digest(self.state_dict(), *maps)}"

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of images, checked."""
        maps = _checked(self.function(images), images)
        rows, columns = (side // self.patch_size for side in images.shape[2:])
        shapes = [(images.shape[0], c, rows, columns) for c in self.n_channels]
        if [tuple(m.shape) for m in maps] != shapes:
            raise ValueError(
                f"backbone maps images of shape {tuple(images.shape)} to "
                f"{[tuple(m.shape) for m in maps]}, and they should be {shapes}: its "
                "patches and channels must not depend on the images."
            )
        return maps

    def _probe(self, device: torch.device) -> tuple[int, list[Tensor]]:
        """Patch size, and the maps of images that fit it."""
        failure: ValueError | None = None
        for sizes in PROBE_SIZES:
            try:
                return self._tried(sizes, device)
            except ValueError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def _tried(self, sizes: Sizes, device: torch.device) -> tuple[int, list[Tensor]]:
        generator = torch.Generator().manual_seed(0)
        found = []
        for size in sizes:
            images = torch.rand(2, 3, *size, generator=generator).to(device)
            try:
                with torch.inference_mode():
                    outputs = self.function(images)
            except Exception as error:
                raise ValueError(
                    f"backbone fails on images of shape {tuple(images.shape)}: "
                    f"{type(error).__name__}: {error}. It must take float32 images of "
                    "any size that is a multiple of its patch size."
                ) from error
            maps = _checked(outputs, images)
            found.append((_patch_size(images, maps[0]), maps))
        (patch, maps), (other, _) = found
        if other != patch:
            raise ValueError(
                f"backbone has patches of {patch} pixels for images of {sizes[0]} "
                f"pixels and of {other} for {sizes[1]}; it must shrink all images by "
                "the same number."
            )
        return patch, maps


def make_backbone(
    backbone: str | Callable[[Tensor], Maps],
    *,
    device: torch.device,
    pretrained: bool = True,
    checkpoint: str | PathLike[str] | None = None,
    layers: Layers = "auto",
    seed: int = 0,
) -> Backbone:
    """Make the backbone that a user names or brings.

    Parameters
    ----------
    backbone : str or callable
        Name of a vision transformer of timm, ``"color_texture"``, or what
        :class:`CallableBackbone` takes. A :class:`Backbone` is copied.
    device : torch.device
        Where it runs.
    pretrained : bool, default=True
        Whether timm's weights are fetched from the hub; random weights otherwise.
    checkpoint : path or None, default=None
        File of weights to use instead.
    layers : "auto" or sequence of int, default="auto"
        Blocks of a transformer, see :class:`TimmBackbone`.
    seed : int, default=0
        Seed of random weights.

    Returns
    -------
    backbone : Backbone
        On the device.

    Raises
    ------
    TypeError
        If ``backbone`` is neither a name nor callable.
    ValueError
        If arguments do not go together, or as the backbones say.
    OSError
        If weights cannot be read or fetched.
    """
    # Both import this module.
    from neuraleig.segmentation.backbones._color_texture import ColorTexture
    from neuraleig.segmentation.backbones._timm_backbone import TimmBackbone

    if isinstance(backbone, str) and backbone != "color_texture":
        return TimmBackbone(
            backbone,
            pretrained=pretrained,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            layers=layers,
            seed=seed,
        ).to(device)
    if not (isinstance(backbone, str) or callable(backbone)):
        raise TypeError(
            f"backbone={backbone!r} must be the name of a timm model, 'color_texture' "
            "or a callable that maps images to features."
        )
    _refuse_options(backbone, checkpoint, layers)
    if isinstance(backbone, str):
        return ColorTexture().to(device)
    if isinstance(backbone, Backbone):
        return _copied(backbone).eval().to(device)
    return CallableBackbone(backbone, device)


def extract(
    backbone: Backbone,
    windows: Tensor,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Token features of windows, all levels side by side.

    Parameters
    ----------
    backbone : Backbone
        On ``device``.
    windows : Tensor of shape (n_windows, 3, height, width)
        RGB in [0, 1]; the sides are multiples of the patch size.
    device : torch.device
        Where the backbone is.
    dtype : torch.dtype, default=torch.float32
        Type of its products on CUDA; on other devices they are always float32.

    Returns
    -------
    features : Tensor of shape (n_windows, rows, columns, sum(n_channels))
        Float32, on ``device``, fit for training networks on.

    Raises
    ------
    ValueError
        If a side is no multiple of the patch size.

    Notes
    -----
    Windows go through in slices of a fixed number of tokens, so that the memory
    beside the result does not grow with their number.
    """
    n_windows, _, height, width = windows.shape
    patch = backbone.patch_size
    rows, columns = height // patch, width // patch
    if rows * columns == 0 or height % patch or width % patch:
        raise ValueError(
            f"windows are of {height} x {width} pixels; both must be multiples of the "
            f"backbone's patch_size={patch}."
        )
    # Made outside of inference mode, whose tensors no network can be trained on.
    shape = n_windows, rows, columns, sum(backbone.n_channels)
    features = torch.empty(shape, dtype=torch.float32, device=device)
    ends = [sum(backbone.n_channels[: i + 1]) for i in range(len(backbone.n_channels))]
    budget = CUDA_TOKENS if device.type == "cuda" else CPU_TOKENS
    step = max(1, budget // (rows * columns))
    with torch.inference_mode(), _products_in(dtype, device):
        for start in range(0, n_windows, step):
            part = windows[start : start + step].to(device)
            for end, level in zip(ends, backbone(part), strict=True):
                place = features[start : start + step, ..., end - level.shape[1] : end]
                place.copy_(level.permute(0, 2, 3, 1))
    return features


def digest(state: dict[str, Any], *tensors: Tensor) -> str:
    """Fingerprint of weights and other tensors, 32 hexadecimal digits.

    Parameters
    ----------
    state : dict
        A module's ``state_dict()``.
    *tensors : Tensor
        What else is to count.

    Returns
    -------
    fingerprint : str
        Equal for equal bytes, shapes, types and names.
    """
    total = hashlib.blake2b(digest_size=16)
    for name, value in [*state.items(), *(("", t) for t in tensors)]:
        if not isinstance(value, Tensor):
            total.update(f"{name}={value!r};".encode())
            continue
        total.update(f"{name}:{value.dtype}{tuple(value.shape)};".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        total.update(flat.view(torch.uint8).numpy().data)
    return total.hexdigest()


def _products_in(
    dtype: torch.dtype, device: torch.device
) -> AbstractContextManager[None]:
    if device.type != "cuda" or dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)


def _refuse_options(backbone: object, checkpoint: object, layers: object) -> None:
    """Refuse options of timm's models for any other."""
    kind = repr(backbone) if isinstance(backbone, str) else type(backbone).__name__
    for name, value, default in (
        ("checkpoint", checkpoint, None),
        ("layers", layers, "auto"),
    ):
        if value is not default and value != default:
            raise ValueError(
                f"{name}={value!r} is for the names of timm models, and backbone is "
                f"{kind}; leave {name}={default!r}."
            )


def _copied(module: ModuleT) -> ModuleT:
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise TypeError(
            f"backbone of type {type(module).__name__} cannot be copied ({error}); "
            "pass a function that calls it instead."
        ) from error


def _checked(outputs: Maps, images: Tensor) -> list[Tensor]:
    """Refuse what are not finite maps of one resolution, one row per image."""
    maps = [outputs] if isinstance(outputs, Tensor) else outputs
    if not isinstance(maps, list | tuple) or not maps:
        raise TypeError(
            f"backbone returns a {type(outputs).__name__}; it must return a tensor of "
            "shape (N, C, H', W') or a list of them."
        )
    for found in maps:
        _check_map(found, images)
    if len({found.shape[2:] for found in maps}) > 1:
        raise ValueError(
            f"backbone returns maps of sizes {[_size(m) for m in maps]} for one size "
            "of images; resize its levels to one."
        )
    return list(maps)


def _check_map(found: object, images: Tensor) -> None:
    if not isinstance(found, Tensor) or not found.dtype.is_floating_point:
        kind = found.dtype if isinstance(found, Tensor) else type(found).__name__
        raise TypeError(f"backbone returns {kind}; its maps must be float tensors.")
    shape = tuple(found.shape)
    if found.ndim != 4 or shape[0] != images.shape[0] or 0 in shape:
        raise ValueError(
            f"backbone returns a map of shape {shape} for images of shape "
            f"{tuple(images.shape)}; it must be (N, C, H', W') with "
            f"N={images.shape[0]}: fold the tokens of a transformer back into rows and "
            "columns."
        )
    if not bool(torch.isfinite(found).all()):
        raise ValueError(
            "backbone returns features that are not finite; it is given RGB images "
            "with values in [0, 1]."
        )


def _patch_size(images: Tensor, features: Tensor) -> int:
    """Pixels per token, the same along both sides."""
    (height, width), (rows, columns) = images.shape[2:], features.shape[2:]
    patch = height // rows
    if rows * patch != height or columns * patch != width:
        raise ValueError(
            f"backbone maps images of {_size(images)} to {_size(features)} tokens; the "
            "number of pixels per token must be an integer, the same for both sides."
        )
    return patch


def _size(tensor: Tensor) -> str:
    return f"{tensor.shape[2]} x {tensor.shape[3]}"
