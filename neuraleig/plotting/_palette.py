"""Colours and markers of labels, distinguishable for colour-blind readers too."""

from __future__ import annotations

from typing import Any, TypeAlias

from neuraleig.segmentation.outputs import label_colors
from neuraleig.segmentation.outputs._palette import FIRST_COLORS

StyleOption: TypeAlias = Any
"""Value of a keyword that is passed on to matplotlib."""

# The colours of the first ten labels are those of the pictures of segmentations. They
# were chosen for scatter plots under normal and deficient colour vision, and in grey.
COLORS = tuple(f"#{color:06x}" for color in FIRST_COLORS)
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
# Colours of marks that are not data.
ACCENT = COLORS[2]
NEUTRAL = COLORS[8]


def colors_of(n_labels: int) -> list[str]:
    """Return the colours of the first labels, equal in all displays."""
    return [f"#{bytes(color).hex()}" for color in label_colors(max(n_labels, 1))]


def marker_of(position: int) -> str:
    """Return the marker of the label at a position."""
    return MARKERS[position % len(MARKERS)]
