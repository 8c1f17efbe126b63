"""Names of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Self

from sklearn.utils.validation import check_is_fitted


class NamedClusters:
    """Base of what has clusters that can be named."""

    n_clusters_: int
    cluster_names_: dict[int, str]

    def name_clusters(self, names: Mapping[int, str]) -> Self:
        """Name clusters, for results in files, reports and plots.

        Parameters
        ----------
        names : mapping of int to str
            Names by cluster; those of other clusters stay. An empty name removes one.

        Returns
        -------
        self : estimator
            With other ``cluster_names_``.

        Raises
        ------
        ValueError
            If there is no such cluster, or a name is no text.
        """
        check_is_fitted(self)
        for cluster, name in names.items():
            self._check_cluster(cluster)
            if not isinstance(name, str):
                raise ValueError(
                    f"names has {name!r} for cluster {cluster}; not a str."
                )
        merged = {**self.cluster_names_, **{int(c): n for c, n in names.items()}}
        self.cluster_names_ = {c: merged[c] for c in sorted(merged) if merged[c]}
        return self

    def _check_cluster(self, cluster: int) -> int:
        """Refuse all but the number of a cluster."""
        if not isinstance(cluster, Integral) or not 0 <= cluster < self.n_clusters_:
            raise ValueError(
                f"there is no cluster {cluster!r}; clusters are 0 to "
                f"{self.n_clusters_ - 1}."
            )
        return int(cluster)
