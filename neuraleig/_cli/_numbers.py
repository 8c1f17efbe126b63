"""Numbers of clusters in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuraleig._words import count_text

if TYPE_CHECKING:
    from neuraleig.reading import ClusterCurve


def best_of(model: Any) -> int | None:  # noqa: ANN401 - any fitted estimator
    """Best number of clusters of a model's curve, if it has one."""
    curve: ClusterCurve | None = getattr(model, "cluster_curve_", None)
    return None if curve is None else curve.best


def ranking(curve: ClusterCurve, n_shown: int) -> str:
    """Lines of the best numbers of a curve, by descending strength."""
    titles = ("clusters", "strength", "cut", "modularity", "agreement")
    lines = ["".join(f"{title:>11}" for title in titles)]
    for number in curve.ranked()[:n_shown]:
        place = curve.index_of(number)
        values = (curve.strength, curve.cut, curve.modularity, curve.agreement)
        lines.append(f"{number:11d}" + "".join(f"{v[place]:11.3f}" for v in values))
    return "\n".join(lines) + "\n"


def preferred(curve: dict[str, list[float]] | None) -> str:
    """Best number of a curve in a description; empty without one."""
    if curve is None:
        return ""
    strongest = max(curve["strength"])
    best = int(curve["n_clusters"][curve["strength"].index(strongest)])
    return f"{best} of {count_text(len(curve['n_clusters']), 'number')} on the curve"
