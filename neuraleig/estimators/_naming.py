"""Names of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from sklearn.utils.validation import check_is_fitted

from neuraleig._cluster_names import named


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
        self.cluster_names_ = named(self.cluster_names_, names, self.n_clusters_)
        return self
