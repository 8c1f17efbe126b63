"""Numbers in words: shares, counts, and what a curve of numbers prefers."""

from __future__ import annotations

import math

# Shares that one digit behind the point would round to none or all, and the most digits
# that are written.
ROUNDED_AWAY, MOST_DIGITS = 5e-4, 3


def share_text(share: float) -> str:
    """Share in words that round neither something to nothing, nor most to all."""
    least = min(share, 1 - share)
    if 0 < least < ROUNDED_AWAY:
        digits = min(math.ceil(-math.log10(least)) - 2, MOST_DIGITS)
        if least < 0.5 * 10.0 ** -(digits + 2):
            nearly = f"{10.0**-digits:.{digits}f}"
            return (
                f"< {nearly} %"
                if share < 0.5
                else f"> {100 - float(nearly):.{digits}f} %"
            )
        return f"{100 * share:.{digits}f} %"
    return f"{100 * share:.1f} %"


def count_text(number: int, noun: str) -> str:
    """Number and noun, the latter in its plural where there are others than one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def choice_text(best: int | None, n_clusters: int) -> str:
    """Best number of a curve, as the end of a line; empty without one or if in use."""
    if best in (None, n_clusters):
        return ""
    assert best is not None
    return f"; the curve prefers {count_text(best, 'cluster')}"
