"""Images and masks in memory: checks, and conversion to one form."""

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
# Largest error of a value of 1 that was rounded to float32 several times.
ROUNDING = 1e-5
# 65535 = 257 * 255.
DEEP_SCALE = 257
DEEPEST = 65535


class ImageError(ValueError):
    """An image or a mask cannot be read; the message has its name and the reason."""


class ColorMaskError(ImageError):
    """A mask has colours in place of integers."""


class ImageWarning(UserWarning):
    """Some images cannot be read and are left out."""


def label_dtype(n_labels: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Smallest unsigned integer type of the labels 0 to ``n_labels - 1``."""
    if n_labels < 1:
        raise ValueError(f"n_labels={n_labels} must be at least 1.")
    return np.min_scalar_type(n_labels - 1)


def rgb_in_memory(image: NDArray[Any] | Tensor, what: str) -> RGB:
    """Convert an array or tensor to writable RGB; ``what`` is for errors."""
    _check_shape(image, what)
    values = _array_of(image)
    if isinstance(image, Tensor) and values.ndim == 3:
        values = values.transpose(1, 2, 0)
    pixels = np.atleast_3d(_to_uint8(values, what))
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    elif pixels.shape[2] == 4:
        pixels = _on_white(pixels)
    return np.require(pixels, requirements=["C", "W"])


def _array_of(values: NDArray[Any] | Tensor) -> NDArray[Any]:
    """Values of a tensor on any device, in a graph or of a short float type."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    if values.is_floating_point():
        values = values.float()  # numpy has no bfloat16
    array: NDArray[Any] = values.numpy()
    return array


def _check_shape(image: NDArray[Any] | Tensor, what: str) -> None:
    kind, call, order, axis = "array", "transpose", "last", 2
    if isinstance(image, Tensor):
        kind, call, order, axis = "tensor", "permute", "first", 0
    shape = tuple(image.shape)
    if len(shape) == 3 and shape[axis] not in CHANNELS and shape[2 - axis] in CHANNELS:
        axes = "2, 0, 1" if axis == 0 else "1, 2, 0"
        raise ImageError(
            f"cannot read {what}: the channels of an {kind} of shape {shape} must be "
            f"{order}; pass image.{call}({axes})."
        )
    if len(shape) != 2 and not (len(shape) == 3 and shape[axis] in CHANNELS):
        raise ImageError(
            f"cannot read {what}: the shape of the {kind} is {shape}; it must be "
            f"(height, width), or have 1, 3 or 4 channels {order} beside these."
        )
    if 0 in shape:
        raise ImageError(f"cannot read {what}: its shape is {shape}, without pixels.")


def _to_uint8(image: NDArray[Any], what: str) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind == "b":
        return image.astype(np.uint8) * np.uint8(255)
    if image.dtype.kind == "u" and image.dtype.itemsize == 2:
        scaled = (image.astype(np.uint32) + DEEP_SCALE // 2) // DEEP_SCALE
        return scaled.astype(np.uint8)
    if image.dtype.kind != "f":
        raise ImageError(
            f"cannot read {what}: its type is {image.dtype}; it must be uint8, uint16, "
            "bool or float; pass image.astype(np.uint8) if its values are 0 to 255."
        )
    smallest, largest = float(image.min()), float(image.max())
    if not np.isfinite([smallest, largest]).all():
        raise ImageError(f"cannot read {what}: it has NaN or infinite values.")
    if smallest < -ROUNDING or largest > 1 + ROUNDING:
        raise ImageError(
            f"cannot read {what}: its values are {smallest:.4g} to {largest:.4g}; "
            "a float image has values from 0 to 1: divide by 255, undo a "
            "normalisation, or pass uint8."
        )
    rounded: NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255.0).astype(np.uint8)
    return rounded


def _on_white(pixels: NDArray[np.uint8]) -> RGB:
    """Blend an image whose fourth channel is its opacity with white."""
    opacity = pixels[:, :, 3:].astype(np.uint16)
    # At most 255 * 255 + 127, within uint16.
    blended = pixels[:, :, :3] * opacity + np.uint16(255) * (255 - opacity)
    return ((blended + np.uint16(127)) // np.uint16(255)).astype(np.uint8)


def mask_in_memory(mask: NDArray[Any] | Tensor, what: str) -> Labels:
    """Integers of a mask, perhaps with a channel; ``what`` is for errors."""
    channel = 0 if isinstance(mask, Tensor) else 2
    labels = _array_of(mask)
    if labels.ndim == 3 and labels.shape[channel] == 1:
        labels = labels.squeeze(channel)
    if labels.ndim != 2 or labels.size == 0:
        raise ImageError(
            f"cannot read {what}: its shape is {labels.shape}; a mask has one integer "
            "per pixel and the shape (height, width)."
        )
    kind = labels.dtype.kind
    if kind == "f":
        # Above 2**53 floats skip integers. No comparison with NaN is true.
        if not ((np.abs(labels) <= 2.0**53) & (labels == np.rint(labels))).all():
            raise ImageError(
                f"cannot read {what}: it has fractions or values that are not finite; "
                "pass integers, such as scores.argmax(axis=0), with a value such as "
                "255 for pixels without a class."
            )
        return labels.astype(np.int64)
    if kind not in "iub":
        raise ImageError(
            f"cannot read {what}: its type is {labels.dtype}; a mask holds integers."
        )
    dtype = np.dtype(np.uint8) if kind == "b" else labels.dtype.newbyteorder("=")
    return labels.astype(dtype, copy=False)


def check_labels(labels: NDArray[Any], n_labels: int) -> None:
    """Raise unless labels are integers (height, width) from 0 to ``n_labels - 1``."""
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


def check_one_per_pixel(labels: NDArray[Any], rgb: RGB) -> None:
    """Raise unless labels have the height and width of an image."""
    if labels.shape != rgb.shape[:2]:
        raise ValueError(
            f"labels have shape {labels.shape}, but the image has {rgb.shape[:2]}; "
            "pass one label per pixel of this image."
        )
