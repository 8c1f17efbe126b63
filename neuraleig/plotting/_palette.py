"""Colours and shapes that tell labels apart, also for colour-blind readers."""

from __future__ import annotations

from typing import Any, TypeAlias

# Value of any keyword that matplotlib takes.
StyleOption: TypeAlias = Any

# Ten colours chosen for scatter plots under normal and deficient colour vision, and
# in grey: M. A. Petroff, "Accessible color sequences for data visualization", 2021.
COLORS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
# Shapes say the same again where colours are hard to tell apart. Their number has no
# divisor in common with that of the colours: the first 70 labels all look different.
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
# Marks that stand beside the data.
ACCENT = COLORS[2]
NEUTRAL = COLORS[8]


def style_of(position: int) -> tuple[str, str]:
    """Colour and shape of the label at a position, unique among the first 70."""
    return COLORS[position % len(COLORS)], MARKERS[position % len(MARKERS)]
