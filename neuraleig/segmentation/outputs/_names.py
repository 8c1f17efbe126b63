"""Names of clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ClusterNames = Mapping[int, str] | Sequence[str]
"""Name of each cluster; a mapping may leave some out."""


def names_of_clusters(names: ClusterNames | None, n_clusters: int) -> list[str]:
    """List of ``n_clusters`` names, empty for clusters without one."""
    by_label = names if isinstance(names, Mapping) else dict(enumerate(names or ()))
    unknown = [label for label in by_label if label not in range(n_clusters)]
    if unknown:
        raise ValueError(
            f"names has a name for cluster {unknown[0]!r}, but clusters are 0 to "
            f"{n_clusters - 1}."
        )
    return [str(by_label.get(label, "")) for label in range(n_clusters)]
