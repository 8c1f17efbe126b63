"""Pixels in arrays and tensors, brought to one form."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

RGB: TypeAlias = NDArray[np.uint8]
"""Image of shape (height, width, 3)."""

Labels: TypeAlias = NDArray[np.integer[Any]]
"""One integer per pixel, of shape (height, width)."""

CHANNELS = (1, 3, 4)
# What rounding to float32 may add to a value of 1.
ROUNDING = 1e-5
# 65535 = 257 * 255.
DEEP_SCALE = 257
DEEPEST = 65535


class ImageError(ValueError):
    """An image or a mask cannot be read; the message names it and says why."""


class ImageWarning(UserWarning):
    """Some images were left out."""


def label_dtype(n_labels: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Smallest unsigned integer type that holds the labels 0 to ``n_labels - 1``."""
    if n_labels < 1:
        raise ValueError(f"n_labels={n_labels} must be at least 1.")
    return np.min_scalar_type(n_labels - 1)


def image_shape(image: NDArray[Any] | Tensor) -> tuple[int, int]:
    """Height and width of an image that an array or a tensor holds."""
    if isinstance(image, Tensor):
        _check_channels_first(image)
        height, width = image.shape[-2:]
    else:
        _check_shape(image)
        height, width = image.shape[:2]
    return height, width


def rgb_from_tensor(image: Tensor) -> RGB:
    """Image of a tensor of shape (channels, height, width) or (height, width)."""
    _check_channels_first(image)
    pixels = array_of(image)
    return rgb_from_array(pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels)


def _check_channels_first(image: Tensor) -> None:
    shape = tuple(image.shape)
    channels_first = image.ndim == 3 and shape[0] in CHANNELS
    if image.ndim == 3 and not channels_first and shape[2] in CHANNELS:
        raise ImageError(
            f"cannot read image: a tensor of shape {shape} must have its channels "
            "first; pass image.permute(2, 0, 1) if they are last."
        )
    if image.ndim != 2 and not channels_first:
        raise ImageError(
            f"cannot read image: a tensor of shape {shape} must be (height, width) or "
            "(channels, height, width) with 1, 3 or 4 channels."
        )
    if 0 in shape:
        raise ImageError(f"cannot read image: a tensor of shape {shape} has no pixels.")


def array_of(tensor: Tensor) -> NDArray[Any]:
    """Values of a tensor, from whatever device, graph or short float type."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()  # numpy has no bfloat16
    array: NDArray[Any] = tensor.numpy()
    return array


def rgb_from_array(image: NDArray[Any]) -> RGB:
    """Image of an array of shape (height, width[, channels]).

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 1 | 3 | 4)
        Grey, RGB, or RGB with opacity: uint8, uint16, bool, or float within [0, 1].

    Returns
    -------
    rgb : uint8 ndarray of shape (height, width, 3)
        Writable and contiguous; ``image`` itself where it is all that already.

    Raises
    ------
    ImageError
        If the shape, the type or the values are others.
    """
    image = np.asarray(image)
    _check_shape(image)
    pixels = _to_uint8(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    elif pixels.shape[2] == 4:
        pixels = on_white(pixels)
    return np.require(pixels, requirements=["C", "W"])


def _check_shape(image: NDArray[Any]) -> None:
    channels_last = image.ndim == 3 and image.shape[2] in CHANNELS
    if image.ndim == 3 and not channels_last and image.shape[0] in CHANNELS:
        raise ImageError(
            f"cannot read image: an array of shape {image.shape} must have its "
            "channels last; pass image.transpose(1, 2, 0) if they are first."
        )
    if image.ndim != 2 and not channels_last:
        raise ImageError(
            f"cannot read image: its shape is {image.shape}; it must be (height, "
            "width) or (height, width, channels) with 1, 3 or 4 channels."
        )
    if 0 in image.shape:
        raise ImageError(
            f"cannot read image: its shape is {image.shape}; it has no pixels."
        )


def _to_uint8(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind == "b":
        return image.astype(np.uint8) * np.uint8(255)
    if image.dtype.kind == "u" and image.dtype.itemsize == 2:
        # Of any byte order, and rounded.
        scaled = (image.astype(np.uint32) + DEEP_SCALE // 2) // DEEP_SCALE
        return scaled.astype(np.uint8)
    if image.dtype.kind == "f":
        return _float_to_uint8(image)
    raise ImageError(
        f"cannot read image: its type is {image.dtype}; it must be uint8, uint16, bool "
        "or float; pass image.astype(np.uint8) if its values are 0 to 255."
    )


def _float_to_uint8(image: NDArray[Any]) -> NDArray[np.uint8]:
    smallest, largest = float(image.min()), float(image.max())
    if not np.isfinite([smallest, largest]).all():
        raise ImageError("cannot read image: it has values that are not finite.")
    if smallest < -ROUNDING or largest > 1 + ROUNDING:
        raise ImageError(
            f"cannot read image: its values are {smallest:.4g} to {largest:.4g}, but "
            "those of a float image are 0 to 1; divide by 255, undo a normalisation, "
            "or pass uint8."
        )
    rounded: NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255.0).astype(np.uint8)
    return rounded


def on_white(pixels: NDArray[np.uint8]) -> RGB:
    """Lay an image of four channels, the last its opacity, on white."""
    opacity = pixels[:, :, 3:].astype(np.uint16)
    # At most 255 * 255 + 127, which uint16 holds.
    blended = pixels[:, :, :3] * opacity + np.uint16(255) * (255 - opacity)
    return ((blended + np.uint16(127)) // np.uint16(255)).astype(np.uint8)


def mask_from_tensor(mask: Tensor, name: str = "the mask") -> Labels:
    """Labels of a tensor of shape (height, width) or (1, height, width)."""
    labels = array_of(mask)
    if labels.ndim == 3 and labels.shape[0] == 1:
        labels = labels[0]
    return mask_from_array(labels, name)


def mask_from_array(mask: NDArray[Any], name: str = "the mask") -> Labels:
    """Labels of an array of shape (height, width) or (height, width, 1).

    Parameters
    ----------
    mask : ndarray of shape (height, width) or (height, width, 1)
        Integers, booleans, or floats that are integers.
    name : str, default="the mask"
        What errors call it.

    Returns
    -------
    labels : integer ndarray of shape (height, width)
        Of the type of ``mask``; booleans as uint8 and floats as int64.

    Raises
    ------
    ImageError
        If the shape, the type or the values are others.
    """
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[:, :, 0]
    if mask.ndim != 2 or mask.size == 0:
        raise ImageError(
            f"cannot read {name}: its shape is {mask.shape}; a mask has one integer "
            "per pixel, of shape (height, width)."
        )
    if mask.dtype.kind == "b":
        return mask.astype(np.uint8)
    if mask.dtype.kind == "f":
        return _integral(mask, name)
    if mask.dtype.kind not in "iu":
        raise ImageError(
            f"cannot read {name}: its type is {mask.dtype}; it must be of integers."
        )
    return mask.astype(mask.dtype.newbyteorder("="), copy=False)


def _integral(mask: NDArray[Any], name: str) -> NDArray[np.int64]:
    # Beyond 2**53 floats skip integers; a comparison with nan is never true.
    within = np.abs(mask) <= 2.0**53
    if not within.all() or not (mask == np.rint(mask)).all():
        raise ImageError(
            f"cannot read {name}: it holds floats that are no integers; pass integer "
            "labels, such as scores.argmax(axis=0), with an integer (for example 255) "
            "where a pixel has none."
        )
    return mask.astype(np.int64)


def check_labels(labels: NDArray[Any], n_labels: int) -> None:
    """Refuse labels that are not integers of shape (height, width) in the range."""
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.size == 0:
        raise ValueError(
            f"labels of shape {labels.shape} and type {labels.dtype} must be integers "
            "of shape (height, width)."
        )
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < 0 or largest >= n_labels:
        raise ValueError(
            f"labels are {smallest} to {largest}, but must be 0 to {n_labels - 1}."
        )
