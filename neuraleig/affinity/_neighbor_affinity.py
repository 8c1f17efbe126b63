"""Graph of nearest neighbours."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from neuraleig._batch import Edges
from neuraleig._shard import ALONE, Shard
from neuraleig._sklearn import Interval, StrOptions
from neuraleig._typing import Array, IntArray
from neuraleig._validation import METRICS
from neuraleig._warnings import warn_user
from neuraleig.affinity._base import Affinity, Graph, GraphWarning
from neuraleig.affinity._copies import distinct_rows, in_lowest_terms
from neuraleig.affinity._neighbor_edges import (
    EDGE_WEIGHTS,
    EdgeWeights,
    neighbor_graph,
    one_sided_edges,
    upper_edges,
)
from neuraleig.affinity._neighbors import (
    NEIGHBOR_BACKENDS,
    NeighborBackend,
    check_search,
    nearest_neighbors,
)
from neuraleig.affinity._neighbors_exact import Neighbors

# Neighbours of a row where their number is open.
N_NEIGHBORS = 10


class NeighborAffinity(Affinity):
    """Graph of the nearest neighbours of every row.

    Identical rows are one node that weighs as much as its copies. Beside rows with
    fewer copies, they are neighbours of each other first: the diagonal of the weights
    has these edges.

    Parameters
    ----------
    n_neighbors : int or None, default=None
        Neighbours per row; lowered, with a warning, where there are fewer rows.
        ``None``: 10, and 64 inside of a :class:`TokenAffinity`.
    metric : str, default="euclidean"
        Distance between rows, one of scikit-learn's names. Boolean metrics such as
        ``"jaccard"`` take every value but 0 for true; ``"haversine"`` needs two
        columns.
    weights : {"self_tuning", "heat", "binary"}, default="self_tuning"
        Weights of the edges, see :func:`edge_weights`.
    across_groups : bool or None, default=None
        Search the neighbours of a row in all groups but its own. ``fit`` then needs
        ``groups``: batches, patients or sites whose differences are not to become
        clusters. ``None``: no; in a :class:`~neuraleig.DenseSegmenter` yes, between
        scenes, where there are pictures enough.
    regularization : float, default=0.0
        Share of random pairs that is added to the graph, see
        :meth:`Graph.regularized`; it connects components.
    backend : {"auto", "torch", "faiss", "sklearn"}, default="auto"
        Library of the neighbour search, see :func:`nearest_neighbors`; ``"faiss"``
        needs the extra of that name.
    approximate : bool or None, default=None
        ``None``: exact up to 50,000 rows (10,000 of more than 128 features), and at
        least 99 % of the neighbours beyond, measured on a sample.

    Examples
    --------
    Two batches of the same two clusters, of which the second is shifted:

    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from neuraleig import NeuralEigenSpectralClustering
    >>> from neuraleig.affinity import NeighborAffinity
    >>> X, y = make_blobs(200, centers=[[0, 0], [0, 9]], random_state=0)
    >>> batch = np.arange(200) % 2
    >>> X[batch == 1, 0] += 30.0
    >>> model = NeuralEigenSpectralClustering(
    ...     2, affinity=NeighborAffinity(across_groups=True), random_state=0
    ... ).fit(X, groups=batch)
    >>> bool(((model.labels_ == model.labels_[0]) == (y == y[0])).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Affinity._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "metric": [StrOptions(set(METRICS))],
        "weights": [StrOptions(set(EDGE_WEIGHTS))],
        "across_groups": ["boolean", None],
        "backend": [StrOptions(set(NEIGHBOR_BACKENDS))],
        "approximate": ["boolean", None],
    }

    def __init__(
        self,
        n_neighbors: int | None = None,
        metric: str = "euclidean",
        *,
        weights: EdgeWeights = "self_tuning",
        across_groups: bool | None = None,
        regularization: float = 0.0,
        backend: NeighborBackend = "auto",
        approximate: bool | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.weights = weights
        self.across_groups = across_groups
        self.regularization = regularization
        self.backend = backend
        self.approximate = approximate

    @property
    def takes_groups(self) -> bool:
        """Whether neighbours are searched across groups."""
        return bool(self.across_groups)

    @property
    def is_plain(self) -> bool:
        """Whether neighbours are the nearest of all rows in the units of the rows."""
        return self.metric == "euclidean" and not self.across_groups

    @property
    def n_wanted(self) -> int:
        """Neighbours that are searched where there are enough rows."""
        return N_NEIGHBORS if self.n_neighbors is None else self.n_neighbors

    def check(self, path: str, owner: str) -> None:
        """Check the parameters, and that the backend of the search supports them.

        See :meth:`Affinity.check`.
        """
        super().check(path, owner)
        check_search(
            self.backend,
            self.metric,
            self.approximate,
            across_groups=self.takes_groups,
            prefix=f"{path}__",
        )

    def build(
        self,
        X: Array,
        *,
        groups: IntArray | None = None,
        matrix: sp.csr_array | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Graph:
        """Build the graph over the distinct rows of ``X``.

        Time and memory are those of
        :func:`~neuraleig.affinity.nearest_neighbors`. See :meth:`Affinity.build`.
        """
        groups = groups if self.across_groups else None
        # By the rows themselves: a search by brute force finds identical rows at
        # distances of the size of its rounding.
        index, copies = distinct_rows(X, groups)
        if index.size == X.shape[0]:
            return self.graph_of(X, index, groups=groups, **given)
        groups = None if groups is None else groups[index]
        return self.graph_of(X[index], index, copies=copies, groups=groups, **given)

    def graph_of(
        self,
        rows: Array,
        index: IntArray,
        *,
        copies: IntArray | None = None,
        seed: int = 0,
        groups: IntArray | None = None,
        device: torch.device | None = None,
        n_jobs: int | None = None,
        shard: Shard = ALONE,
    ) -> Graph:
        """Build the graph whose nodes are all given rows, identical ones included.

        Parameters
        ----------
        rows : ndarray of shape (n_nodes, n_features)
            Row of every node.
        index : ndarray of shape (n_nodes,), int64
            Their positions in the data.
        copies : ndarray of shape (n_nodes,), int64, or None, default=None
            Rows of the data that every node stands for; ``None``: one each.
        seed, groups, device, n_jobs, shard
            As for :meth:`Affinity.build`; ``groups`` are those of the nodes.

        Returns
        -------
        graph : Graph
            Its nodes are in the order of ``rows``.
        """
        groups = groups if self.across_groups else None
        n_neighbors = self._available(rows.shape[0], groups)
        if n_neighbors == 0:
            none = sp.csr_array((index.size, index.size), dtype=np.float64)
            return Graph(none, index, copies=copies).regularized(self.regularization)
        found = nearest_neighbors(
            rows,
            n_neighbors,
            metric=self.metric,
            groups=groups,
            backend=self.backend,
            device=device,
            approximate=self.approximate,
            n_jobs=n_jobs,
            seed=seed,
            shard=shard,
        )
        # Copies in one group are no neighbours of each other.
        return self._weighted(found, index, copies, meets_copies=groups is None)

    def _weighted(
        self,
        found: Neighbors,
        index: IntArray,
        copies: IntArray | None,
        *,
        meets_copies: bool,
    ) -> Graph:
        """Graph of neighbours that were found."""
        weights = neighbor_graph(
            found.distances,
            found.indices,
            self.weights,
            None if copies is None else in_lowest_terms(copies),
            meets_copies=meets_copies,
        )
        graph = Graph(
            weights,
            index,
            neighbor_recall=found.recall,
            copies=copies,
            one_sided=one_sided_edges(weights, found.indices),
        )
        return graph.regularized(self.regularization)

    def _available(self, n_samples: int, groups: IntArray | None) -> int:
        """Neighbours that every row can have, with a warning if they are fewer."""
        largest = 1 if groups is None else int(np.bincount(groups).max())
        others = n_samples - largest
        if self.n_wanted > others:
            limit = f"not below the number of distinct rows ({n_samples})"
            if groups is not None:
                limit = (
                    f"more than the distinct rows outside the largest group ({others})"
                )
            warn_user(
                f"n_neighbors={self.n_wanted} is {limit}; {others} neighbours are "
                "used instead.",
                GraphWarning,
            )
        return min(self.n_wanted, others)

    def among(
        self,
        rows: Array,
        index: IntArray,
        *,
        groups: IntArray | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Edges:
        """Graph of the neighbours within the batch, as in the published recipe.

        See :meth:`Affinity.among`.
        """
        groups = None if not self.across_groups or groups is None else groups[index]
        largest = 1 if groups is None else int(np.bincount(groups).max())
        n_neighbors = min(self.n_wanted, len(rows) - largest)
        if n_neighbors == 0:
            return upper_edges(sp.csr_array((len(rows), len(rows))))
        found = nearest_neighbors(rows, n_neighbors, metric=self.metric, groups=groups)
        return upper_edges(neighbor_graph(found.distances, found.indices, self.weights))
