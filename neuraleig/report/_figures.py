"""Plots of a page as SVG elements."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from neuraleig.plotting._matplotlib import svg_text
from neuraleig.plotting._palette import ACCENT
from neuraleig.report._page import markup

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes

# Colour that is replaced by the text colour of the page, which may be light or dark.
INK = "#010203"
# Inches of most figures.
WIDTH, HEIGHT = 5.6, 3.2

IDENTIFIER = re.compile(r'(?<=[\s"])id="([^"]*)"')
REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]+)')


def figure_svg(
    name: str,
    draw: Callable[[Axes], object],
    *,
    height: float = HEIGHT,
    accent: bool = False,
) -> str:
    """Return the SVG element of a figure; ``accent``: in the page's accent colour."""
    text = inline_svg(svg_text(draw, (WIDTH, height), ink=INK, salt=name), name)
    text = text.replace(INK, "currentColor")
    if accent:
        text = text.replace(ACCENT, "var(--accent)")
    svg: str = markup(text)
    return svg


def inline_svg(text: str, name: str) -> str:
    """Return an SVG file of matplotlib as an element of a page.

    Identifiers begin with the name of the figure, so that figures do not share any.
    """
    element = text[text.index("<svg") :]
    head, body = element.split(">", 1)
    head = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", head)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    used = set(REFERENCE.findall(body))

    def renamed(match: re.Match[str]) -> str:
        return f'id="{name}-{match[1]}"' if match[1] in used else ""

    body = IDENTIFIER.sub(renamed, body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    return f"{head}>{body}".strip()
