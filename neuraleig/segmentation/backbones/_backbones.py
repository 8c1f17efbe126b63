"""Frozen feature extractors, and how their features are computed."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from neuraleig.affinity._token_affinity import PIXEL_WEIGHT

Maps = Tensor | Sequence[Tensor]
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

    It stays in evaluation mode, also inside of other modules. Subclasses set the
    attributes in ``__init__`` and implement :meth:`forward`.

    Attributes
    ----------
    patch_size : int
        Pixels per token, along both sides.
    n_channels : tuple of int
        Features per token of every level, lowest first. Token graphs are built on
        the last level.
    identity : str
        Kind, weights and layers: equal for equal features.
    products : torch.dtype
        Type of the products on CUDA; float32 on other devices.
    pixel_weight : float
        Weight of the graph of pixels beside that of the features, where it is left
        open. Features that see little around their patch need more.
    image_size : int or None
        Pixels of the shorter side at which images are seen, where that is left open;
        ``None``: their own.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.segmentation import Backbone
    >>> class MeanColor(Backbone):
    ...     patch_size, n_channels, identity = 8, (3,), "mean colour of 8 pixels"
    ...     def forward(self, images):
    ...         return [torch.nn.functional.avg_pool2d(images, 8)]
    >>> MeanColor()(torch.rand(1, 3, 16, 24))[0].shape
    torch.Size([1, 3, 2, 3])
    """

    patch_size: int
    n_channels: tuple[int, ...]
    identity: str
    products: torch.dtype = torch.float32
    pixel_weight: float = PIXEL_WEIGHT
    image_size: int | None = None

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
        """Stay in evaluation mode.

        Parameters
        ----------
        mode : bool, default=True
            Ignored.

        Returns
        -------
        self : Backbone
            In evaluation mode.
        """
        super().train(False)
        return self


class CallableBackbone(Backbone):
    """A user's callable, whose patch size and channels are found by trying it.

    A module is copied, so that the user's own keeps its mode, device and gradients.
    Refuses, by TypeError or ValueError, a callable that fails on images of common
    sizes, and maps that are not finite float tensors of one resolution.
    """

    def __init__(
        self, function: Callable[[Tensor], Maps], device: torch.device
    ) -> None:
        super().__init__()
        if isinstance(function, nn.Module):
            function = copied(function).to(device)
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
        first, second = PROBE_SIZES
        try:
            return self._tried(first, device)
        except ValueError as error:
            try:
                return self._tried(second, device)
            except ValueError:
                raise error from None

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


def extract(backbone: Backbone, windows: Tensor, device: torch.device) -> Tensor:
    """Compute the token features of windows, all levels side by side.

    Windows pass through the backbone in slices of a fixed number of tokens: the
    memory beside the result does not grow with their number.

    Parameters
    ----------
    backbone : Backbone
        On ``device``.
    windows : Tensor of shape (n_windows, 3, height, width)
        RGB in [0, 1]; the sides are multiples of the patch size.
    device : torch.device
        Device of the backbone.

    Returns
    -------
    features : Tensor of shape (n_windows, rows, columns, sum(n_channels))
        Float32, on ``device``; networks can be trained on it.

    Raises
    ------
    ValueError
        If a side is not a multiple of the patch size.
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
    on_cuda, dtype = device.type == "cuda", backbone.products
    lower = on_cuda and dtype != torch.float32
    products = torch.autocast(device.type, dtype) if lower else nullcontext()
    step = max(1, (CUDA_TOKENS if on_cuda else CPU_TOKENS) // (rows * columns))
    with torch.inference_mode(), products:
        for start in range(0, n_windows, step):
            own = slice(start, start + step)
            maps = backbone(windows[own].to(device))
            places = torch.split(features[own], list(backbone.n_channels), dim=3)
            for place, level in zip(places, maps, strict=True):
                place.copy_(level.permute(0, 2, 3, 1))
    return features


def digest(state: dict[str, Any], *tensors: Tensor) -> str:
    """Fingerprint of a ``state_dict()`` and of other tensors, 32 hexadecimal digits.

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


def copied(module: ModuleT) -> ModuleT:
    """Copy a user's module; TypeError if that fails."""
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise TypeError(
            f"backbone of type {type(module).__name__} cannot be copied ({error}); "
            "pass a function that calls it instead."
        ) from error


def _checked(outputs: Maps, images: Tensor) -> list[Tensor]:
    """Refuse all but finite maps of one resolution, one row per image."""
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


def _size(maps: Tensor) -> str:
    return f"{maps.shape[2]} x {maps.shape[3]}"
