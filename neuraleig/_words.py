"""Numbers in words: shares, counts, and what a spectrum suggests."""

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


def suggestion(n_clusters: int | None) -> int | None:
    """Suggested number of clusters; ``None`` where the spectrum left no choice."""
    # One cluster cannot be told from eigenvalues: 1 says that there was no gap.
    return None if n_clusters in (None, 1) else n_clusters


def suggestion_text(n_clusters: int) -> str:
    """What a spectrum suggests, as the end of a line; empty without a choice."""
    if suggestion(n_clusters) is None:
        return ""
    return f"; the spectrum suggests {count_text(n_clusters, 'cluster')}"
