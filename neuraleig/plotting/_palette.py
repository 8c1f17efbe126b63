"""Colours and shapes that tell labels apart, also for colour-blind readers."""

from __future__ import annotations

from typing import Any, TypeAlias

from neuraleig.segmentation.outputs import label_colors
from neuraleig.segmentation.outputs._palette import FIRST_COLORS

# Value of any keyword that matplotlib takes.
StyleOption: TypeAlias = Any

# Those of the first ten labels, here as in pictures of segments: chosen for scatter
# plots under normal and deficient colour vision, and in grey.
COLORS = tuple(f"#{color:06x}" for color in FIRST_COLORS)
# Shapes say the same again where colours are hard to tell apart.
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
# Marks that stand beside the data.
ACCENT = COLORS[2]
NEUTRAL = COLORS[8]


def colors_of(n_labels: int) -> list[str]:
    """Colours of the first labels, the same in every display."""
    return [f"#{bytes(color).hex()}" for color in label_colors(max(n_labels, 1))]


def marker_of(position: int) -> str:
    """Shape of the label at a position."""
    return MARKERS[position % len(MARKERS)]
