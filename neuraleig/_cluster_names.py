"""Names and unions of clusters, of fitted estimators and of model files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral


def check_cluster(cluster: object, n_clusters: int) -> int:
    """Refuse all but the number of a cluster."""
    if not isinstance(cluster, Integral) or not 0 <= int(cluster) < n_clusters:
        raise ValueError(
            f"there is no cluster {cluster!r}; clusters are 0 to {n_clusters - 1}."
        )
    return int(cluster)


def named(
    former: Mapping[int, str], names: Mapping[int, str], n_clusters: int
) -> dict[int, str]:
    """Names of clusters after some were given; an empty one removes a name."""
    for cluster, name in names.items():
        check_cluster(cluster, n_clusters)
        if not isinstance(name, str):
            raise ValueError(f"names has {name!r} for cluster {cluster}; not a str.")
    merged = {**former, **{int(c): n for c, n in names.items()}}
    return {c: merged[c] for c in sorted(merged) if merged[c]}


def united(groups: Iterable[Sequence[int]], n_clusters: int) -> list[int]:
    """Number of every cluster after some were united.

    Clusters are numbered in the order of their first members.
    """
    first = list(range(n_clusters))
    seen: set[int] = set()
    for group in groups:
        members = [check_cluster(cluster, n_clusters) for cluster in group]
        again = seen.intersection(members)
        if again or len(set(members)) < len(members):
            raise ValueError(
                f"groups has a cluster twice: {sorted(again or members)}; each may "
                "be in one group."
            )
        seen.update(members)
        for member in members:
            first[member] = min(members)
    renumbered = {cluster: number for number, cluster in enumerate(sorted(set(first)))}
    return [renumbered[cluster] for cluster in first]


def united_names(names: Mapping[int, str], numbers: Sequence[int]) -> dict[int, str]:
    """Names of united clusters: the first name that a member had."""
    found: dict[int, str] = {}
    for cluster, name in names.items():
        found.setdefault(numbers[cluster], name)
    return dict(sorted(found.items()))
