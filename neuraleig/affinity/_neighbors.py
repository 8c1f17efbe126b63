"""Nearest neighbours of all rows, by one of three backends."""

from __future__ import annotations

from numbers import Integral
from typing import Literal, get_args

import numpy as np
import torch

from neuraleig._device import CPU
from neuraleig._shard import ALONE, Shard
from neuraleig._typing import Array, IntArray
from neuraleig._warnings import warn_user
from neuraleig.affinity._base import GraphWarning
from neuraleig.affinity._neighbors_exact import Neighbors
from neuraleig.affinity._neighbors_faiss import faiss_neighbors
from neuraleig.affinity._neighbors_torch import (
    PROJECTED_FEATURES,
    torch_neighbors,
)
from neuraleig.affinity._neighbors_trees import tree_neighbors
from neuraleig.affinity._units import unit_rows

NeighborBackend = Literal["auto", "torch", "faiss", "sklearn"]
NEIGHBOR_BACKENDS: tuple[str, ...] = get_args(NeighborBackend)

# Metrics of torch and faiss. Cosine distances are Euclidean distances of unit vectors.
PRODUCT_METRICS = ("euclidean", "cosine")
# For at most about this many features trees are faster than matrix products.
TREE_FEATURES = 8
# Largest numbers of rows for an exact search: with 64 features it takes ten seconds on
# one thread, and an approximate search a quarter of that. Wide rows take as long with
# fewer rows, and a GPU with more.
EXACT_ROWS = 50_000
EXACT_WIDE_ROWS = 10_000
EXACT_CUDA_ROWS = 1_000_000
# With fewer rows the search is always exact, which is faster.
FEWEST_APPROXIMATE = 2_000
# A lower recall of an approximate search raises a warning.
MIN_RECALL = 0.99


def nearest_neighbors(
    X: Array,
    n_neighbors: int,
    *,
    metric: str = "euclidean",
    groups: IntArray | None = None,
    backend: NeighborBackend = "auto",
    device: torch.device | None = None,
    approximate: bool | None = None,
    n_jobs: int | None = None,
    seed: int = 0,
    shard: Shard = ALONE,
) -> Neighbors:
    """Find the nearest other rows of every row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows. A memory map is read in slices.
    n_neighbors : int
        Number of neighbours per row: at most the number of other rows, or of rows
        outside of the largest group.
    metric : str, default="euclidean"
        ``"euclidean"``, ``"cosine"`` or any other metric of
        :class:`sklearn.neighbors.NearestNeighbors`.
    groups : ndarray of shape (n_samples,), int64, or None, default=None
        Group of each row, from 0. Neighbours are rows of other groups. None: neighbours
        are all other rows.
    backend : {"auto", "torch", "faiss", "sklearn"}, default="auto"
        Library of the search. ``"auto"``: scikit-learn for up to 8 features and for
        metrics other than ``"euclidean"`` and ``"cosine"``, else torch. ``"faiss"``
        needs the extra ``faiss``.
    device : torch.device or None, default=None
        Device of a search by torch; None: the CPU. The other backends use the CPU.
    approximate : bool or None, default=None
        Whether a few neighbours may be missed. None: exact up to 50,000 rows (10,000
        with more than 128 features; 1,000,000 on a GPU), and always with scikit-learn.
        Fewer than 2,000 rows are always searched exactly.
    n_jobs : int or None, default=None
        Number of processes of a search by scikit-learn.
    seed : int, default=0
        Seed of an approximate search.
    shard : Shard, default=ALONE
        Share of this process, if several processes hold the same rows.

    Returns
    -------
    neighbors : Neighbors
        Neighbours of all rows, equal on all processes.

    Raises
    ------
    ValueError
        If the backend does not support the metric, approximate search or groups, or
        ``X``, ``n_neighbors`` or ``groups`` is unusable.
    ImportError
        If ``backend="faiss"`` and faiss is not installed.

    Warns
    -----
    GraphWarning
        If an approximate search finds less than 99 % of the neighbours of a sample.

    Notes
    -----
    An exact search takes O(n^2 d) time. An approximate search compares each row with
    the rows of near cells, as many as contain 99.3 % of the neighbours of a sample, and
    at most with 64 sqrt(n) rows: at worst O(n^1.5 d), and far less for data with groups
    or few intrinsic dimensions. Memory: two float32 copies of ``X``, some hundred MiB
    of distances, and O(n n_neighbors).

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.affinity import nearest_neighbors
    >>> nearest_neighbors(np.array([[0.0], [1.0], [3.0]]), 1).indices.ravel()
    array([1, 0, 1])
    """
    device = CPU if device is None else device
    check_search(backend, metric, approximate, across_groups=groups is not None)
    _check_rows(X, metric)
    groups = _checked_groups(groups, n_neighbors, len(X))
    chosen = _resolved(backend, metric, X.shape[1], approximate)
    if chosen == "sklearn":
        return tree_neighbors(X, n_neighbors, metric, groups, n_jobs, shard)
    if metric == "cosine":
        X = unit_rows(X)
    loose = _is_approximate(X, approximate, device if chosen == "torch" else CPU)
    if chosen == "faiss":
        found, recall = faiss_neighbors(
            X, n_neighbors, approximate=loose, seed=seed, shard=shard
        )
    else:
        found, recall = torch_neighbors(
            X,
            n_neighbors,
            groups=groups,
            approximate=loose,
            device=device,
            seed=seed,
            shard=shard,
        )
    if recall < MIN_RECALL:
        _warn_of_recall(recall)
    return Neighbors(found.distances.numpy(), found.indices.numpy(), recall)


def check_search(
    backend: str,
    metric: str,
    approximate: bool | None,
    *,
    across_groups: bool = False,
    prefix: str = "",
) -> None:
    """Refuse a search that no backend supports.

    ``prefix`` precedes the names of the parameters in messages.
    """
    if backend not in NEIGHBOR_BACKENDS:
        raise ValueError(
            f"{prefix}backend={backend!r} must be one of "
            f"{', '.join(NEIGHBOR_BACKENDS)}."
        )
    has_products = metric in PRODUCT_METRICS
    if backend in ("torch", "faiss") and not has_products:
        raise ValueError(
            f"{prefix}backend={backend!r} does not support metric={metric!r}; use "
            f"{prefix}backend='sklearn', or metric='euclidean' or 'cosine'."
        )
    if approximate and (backend == "sklearn" or not has_products):
        raise ValueError(
            f"{prefix}approximate=True is not supported by scikit-learn, which is "
            f"exact; use {prefix}approximate=None, or {prefix}backend='torch' with "
            "metric='euclidean' or 'cosine'."
        )
    if across_groups and backend == "faiss":
        raise ValueError(
            f"{prefix}backend='faiss' does not support groups; use "
            f"{prefix}backend='torch' or 'auto'."
        )


def _check_rows(X: Array, metric: str) -> None:
    if not _is_array(X, "fiub") or X.ndim != 2 or X.size == 0:
        raise ValueError(
            f"X is {_kind(X)}; it must be a numpy array of real numbers of shape "
            "(n_samples, n_features): numpy.asarray(X, dtype=float), or "
            "X.reshape(-1, 1) for a single feature."
        )
    # One number per column: a mask would take a byte for every value of a memory map.
    with np.errstate(all="ignore"):
        sums = X.sum(axis=0, dtype=np.float64)
    # scikit-learn checks by metric: one of them takes missing values.
    if metric in PRODUCT_METRICS and not np.isfinite(sums).all():
        raise ValueError(
            "X has values that are not finite; leave out their rows, or impute them."
        )


def _checked_groups(
    groups: IntArray | None, n_neighbors: int, n_samples: int
) -> IntArray | None:
    """Check groups, and that every row has as many neighbours."""
    most, which = n_samples - 1, "other rows"
    if groups is not None:
        numbered = "number groups by numpy.unique(groups, return_inverse=True)[1]."
        if not _is_array(groups, "iu") or groups.shape != (n_samples,):
            raise ValueError(
                f"groups is {_kind(groups)}; it must be a numpy array of integers of "
                f"shape ({n_samples},), one per row of X; {numbered}"
            )
        if groups.min() < 0:
            raise ValueError(
                f"groups has the negative value {groups.min()}; {numbered}"
            )
        groups = groups.astype(np.int64, copy=False)
        most = n_samples - int(np.unique(groups, return_counts=True)[1].max())
        which = "rows outside of the largest group"
    is_count = isinstance(n_neighbors, Integral) and not isinstance(n_neighbors, bool)
    if not is_count or not 1 <= n_neighbors <= most:
        raise ValueError(
            f"n_neighbors={n_neighbors!r} must be a positive integer of at most {most},"
            f" the number of {which}; lower n_neighbors, or pass more rows."
        )
    return groups


def _is_array(values: object, kinds: str) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in kinds


def _kind(values: object) -> str:
    if isinstance(values, np.ndarray):
        return f"{values.dtype} of shape {values.shape}"
    return f"a {type(values).__name__}"


def _resolved(
    backend: str, metric: str, n_features: int, approximate: bool | None
) -> str:
    """Library of the search."""
    if backend != "auto":
        return backend
    trees = n_features <= TREE_FEATURES and not approximate
    return "torch" if metric in PRODUCT_METRICS and not trees else "sklearn"


def _is_approximate(X: Array, approximate: bool | None, device: torch.device) -> bool:
    n_samples, n_features = int(X.shape[0]), int(X.shape[1])
    if approximate is not None:
        return approximate and n_samples >= FEWEST_APPROXIMATE
    if device.type == "cuda":
        return n_samples > EXACT_CUDA_ROWS
    wide = n_features > 2 * PROJECTED_FEATURES
    return n_samples > (EXACT_WIDE_ROWS if wide else EXACT_ROWS)


def _warn_of_recall(recall: float) -> None:
    warn_user(
        f"The approximate search found {recall:.1%} of the neighbours of a sample of "
        f"rows, less than {MIN_RECALL:.0%}: the data have many dimensions and no "
        "groups. Set approximate=False for an exact search, which takes longer, or "
        "reduce the number of features first.",
        GraphWarning,
    )
