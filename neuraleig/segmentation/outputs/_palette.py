"""Colours of clusters, and overlays of clusters on images."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuraleig._typing import FloatArray
from neuraleig.segmentation.images._color import rgb_to_lab
from neuraleig.segmentation.images._image_arrays import (
    RGB,
    Labels,
    check_labels,
    check_one_per_pixel,
)

Palette = NDArray[np.uint8]
"""Colours of shape (n_labels, 3), RGB."""

# Ten colours for normal and deficient colour vision: M. A. Petroff, "Accessible color
# sequences for data visualization", 2021.
FIRST_COLORS = (
    *(0x3F90DA, 0xFFA90E, 0xBD1F01, 0x94A4A2, 0x832DB6),
    *(0xA96B59, 0xE76300, 0xB9AC70, 0x717581, 0x92DADD),
)
# Levels per channel of the grid from which further colours are taken.
GRID_LEVELS = 24
# Range of CIELAB lightness: black and white are ink and paper.
LIGHTNESS = (25.0, 93.0)
# More colours could not be told apart; finding one takes a millisecond.
MAX_SEPARATED = 1024
# Powers of 1 / x where x^4 = x + 1: their multiples fill a cube evenly (Roberts).
FILLING = np.array([0.8191725133961645, 0.6710436067037893, 0.5497004779019703])
# Rows of an image that are blended at a time.
STRIP = 256
# Full opacity in integer arithmetic.
OPAQUE = 256


def label_colors(n_labels: int) -> Palette:
    """Distinct colours for labels.

    Parameters
    ----------
    n_labels : int
        Number of colours.

    Returns
    -------
    colors : uint8 ndarray of shape (n_labels, 3)
        RGB. A colour depends on its position only: a label keeps its colour whatever
        ``n_labels`` is.

    Raises
    ------
    ValueError
        If ``n_labels`` is below 1.

    Notes
    -----
    The first ten colours are those of the plots. Up to 1024, the next colour is the
    colour of a grid that is farthest in CIELAB from all before it; further colours fill
    the RGB cube evenly.

    Examples
    --------
    >>> from neuraleig.segmentation import label_colors
    >>> label_colors(2).tolist()
    [[63, 144, 218], [255, 169, 14]]
    """
    if n_labels < 1:
        raise ValueError(f"n_labels={n_labels} must be at least 1.")
    n_separated = min(n_labels, MAX_SEPARATED)
    # Powers of two, so that the cache holds few lengths.
    length = max(64, 1 << (n_separated - 1).bit_length())
    steps = np.arange(1, n_labels - n_separated + 1)[:, None]
    filling = (steps * FILLING % 1.0 * 256).astype(np.uint8)
    return np.concatenate([_separated(length)[:n_separated], filling])


def resolve_colors(colors: Palette | None, n_labels: int) -> Palette:
    """Check the colours of the user; None: the colours of :func:`label_colors`."""
    if colors is None:
        return label_colors(n_labels)
    colors = np.asarray(colors)
    if colors.shape != (n_labels, 3) or colors.dtype != np.uint8:
        raise ValueError(
            f"colors of shape {colors.shape} and type {colors.dtype} must be uint8 of "
            f"shape ({n_labels}, 3), one colour for each cluster."
        )
    return colors


@lru_cache
def _separated(length: int) -> Palette:
    """The first colours, then one after the other the farthest from all before."""
    first = np.array([[c >> 16, c >> 8 & 255, c & 255] for c in FIRST_COLORS])
    levels = np.linspace(0, 255, GRID_LEVELS).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    candidates = grid.reshape(-1, 3)
    places = lab_of(candidates)
    usable = (places[:, 0] >= LIGHTNESS[0]) & (places[:, 0] <= LIGHTNESS[1])
    candidates, places = candidates[usable], places[usable]
    nearest = np.full(len(places), np.inf)
    chosen = list(first)
    for step in range(max(length, len(first))):
        if step >= len(first):
            chosen.append(candidates[nearest.argmax()])
        distances = ((places - lab_of(chosen[step][None])) ** 2).sum(axis=1)
        np.minimum(nearest, distances, out=nearest)
    colors = np.array(chosen).astype(np.uint8)
    colors.setflags(write=False)  # shared by all callers
    return colors


def lab_of(colors: NDArray[np.integer | np.floating]) -> FloatArray:
    """CIELAB coordinates of sRGB colours from 0 to 255, of shape (n, 3)."""
    values = torch.from_numpy(np.asarray(colors, dtype=np.float64) / 255)
    # One image, a single row of pixels.
    lab: FloatArray = rgb_to_lab(values.T[None, :, None])[0, :, 0].T.numpy()
    return lab


def boundaries(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels on either side of a border between labels."""
    edge = np.zeros(labels.shape, dtype=bool)
    across = labels[:, 1:] != labels[:, :-1]
    down = labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def overlay(
    rgb: RGB,
    labels: Labels,
    colors: Palette,
    opacity: float = 0.5,
    outline: bool = True,
) -> RGB:
    """Blend an image with the colours of its labels.

    Parameters
    ----------
    rgb : uint8 ndarray of shape (height, width, 3)
        Image.
    labels : ndarray of shape (height, width), int
        Labels from 0 to ``n_labels - 1``.
    colors : uint8 ndarray of shape (n_labels, 3)
        RGB colour of each label, such as :func:`label_colors`.
    opacity : float, default=0.5
        Weight of the colours, from 0 (only the image) to 1 (only the colours).
    outline : bool, default=True
        Draw the borders between labels in full colour.

    Returns
    -------
    rgb : uint8 ndarray of shape (height, width, 3)
        A new image.

    Raises
    ------
    ValueError
        If the shapes differ, a label has no colour or ``opacity`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation import overlay
    >>> colors = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    >>> image = np.full((1, 3, 3), 100, np.uint8)
    >>> overlay(image, np.array([[0, 0, 1]]), colors)[0, :, 0].tolist()
    [50, 0, 255]
    """
    check_one_per_pixel(labels, rgb)
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity={opacity} must be between 0 and 1.")
    check_labels(labels, len(colors))
    weight = np.uint16(round(opacity * OPAQUE))
    half = np.uint16(OPAQUE // 2)
    result = np.empty_like(rgb)
    for top in range(0, rgb.shape[0], STRIP):
        rows = slice(top, top + STRIP)
        # At most 255 * 256 + 128, within uint16. Converted first: before numpy 2 uint8
        # times a small uint16 is uint8.
        paint = colors[labels[rows]].astype(np.uint16) * weight
        paint += rgb[rows].astype(np.uint16) * (np.uint16(OPAQUE) - weight)
        result[rows] = (paint + half) // np.uint16(OPAQUE)
    if outline:
        edge = boundaries(labels)
        result[edge] = colors[labels[edge]]
    return result
