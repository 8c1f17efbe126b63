"""The nearest neighbours of every row: one interface, three backends."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from neuraleig._shard import ALONE, Shard
from neuraleig._typing import Array, IntArray
from neuraleig._warnings import warn_user
from neuraleig.affinity._base import GraphWarning
from neuraleig.affinity._neighbors_exact import Neighbors
from neuraleig.affinity._neighbors_faiss import faiss_neighbors
from neuraleig.affinity._neighbors_torch import (
    CPU,
    PROJECTED_FEATURES,
    torch_neighbors,
)
from neuraleig.affinity._neighbors_trees import tree_neighbors
from neuraleig.affinity._units import unit_rows

NeighborBackend = Literal["auto", "torch", "faiss", "sklearn"]
NEIGHBOR_BACKENDS: tuple[str, ...] = get_args(NeighborBackend)

# Metrics of torch and faiss: cosine distances are Euclidean ones of unit vectors.
PRODUCT_METRICS = ("euclidean", "cosine")
# Trees beat matrix products up to about here.
TREE_FEATURES = 8
# Up to so many rows of 64 features an exact search takes ten seconds of one thread, and
# an approximate one a quarter of that. Wide rows reach that time earlier, and
# a GPU later.
EXACT_ROWS = 50_000
EXACT_WIDE_ROWS = 10_000
EXACT_CUDA_ROWS = 1_000_000
# Fewer rows than this are searched exactly whatever is asked for: it is faster.
FEWEST_APPROXIMATE = 2_000
# An approximate search that finds less says so.
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
    """Distances and indices of the nearest other rows of every row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; a memory map is read by slices.
    n_neighbors : int
        Neighbours per row, fewer than ``n_samples``.
    metric : str, default="euclidean"
        ``"euclidean"``, ``"cosine"`` or any other metric of
        :class:`sklearn.neighbors.NearestNeighbors`.
    groups : ndarray of shape (n_samples,), int64, or None, default=None
        Group of every row, from 0: neighbours are rows of other groups, of which
        there must be ``n_neighbors`` for every group. ``None``: all other rows.
    backend : {"auto", "torch", "faiss", "sklearn"}, default="auto"
        What searches. ``"auto"``: scikit-learn's trees for up to 8 features and for
        metrics other than the two named, torch otherwise. ``"faiss"`` needs the extra
        ``faiss``.
    device : torch.device or None, default=None
        Where torch searches. The other backends use the CPU. ``None``: the CPU.
    approximate : bool or None, default=None
        Whether a few neighbours may be missed. ``None``: exact up to 50,000 rows
        (10,000 of more than 128 features; 1,000,000 on a GPU), and always with
        scikit-learn. Fewer than 2,000 rows are searched exactly anyway.
    n_jobs : int or None, default=None
        Processes of scikit-learn's search, where that is used.
    seed : int, default=0
        Seed of what an approximate search draws.
    shard : Shard, default=ALONE
        Share of this process, where several hold the same rows.

    Returns
    -------
    neighbors : Neighbors
        The same on every process.

    Raises
    ------
    ValueError
        If the backend has not the metric, or no approximate search.
    ImportError
        If ``backend="faiss"`` and faiss is not installed.

    Warns
    -----
    GraphWarning
        If an approximate search finds less than 99 % of the neighbours of its sample.

    Notes
    -----
    An exact search takes O(n^2 d) time. An approximate one compares every row with the
    rows of so many near cells that 99.3 % of the neighbours of a sample are met, and
    with 64 sqrt(n) rows at most: O(n^1.5 d) at worst, and far less where the data have
    groups or few intrinsic dimensions. Memory beyond ``X`` is two float32 copies of it,
    a few hundred MiB of distances, and O(n n_neighbors).
    """
    device = CPU if device is None else device
    across = groups is not None
    check_search(backend, metric, approximate, across_groups=across)
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
    """Refuse a search that no backend has.

    Parameters
    ----------
    backend, metric, approximate
        As for :func:`nearest_neighbors`.
    across_groups : bool, default=False
        Whether neighbours are searched in other groups only.
    prefix : str, default=""
        Put before the names of the parameters in messages.

    Raises
    ------
    ValueError
        If they do not go together.
    """
    if backend not in NEIGHBOR_BACKENDS:
        raise ValueError(f"{prefix}backend={backend!r} is none of {NEIGHBOR_BACKENDS}.")
    has_products = metric in PRODUCT_METRICS
    if backend in ("torch", "faiss") and not has_products:
        raise ValueError(
            f"{prefix}backend={backend!r} has no metric={metric!r}; choose "
            f"{prefix}backend='sklearn', or metric='euclidean' or 'cosine'."
        )
    if approximate and (backend == "sklearn" or not has_products):
        raise ValueError(
            f"{prefix}approximate=True has no search by scikit-learn, which is exact; "
            f"choose {prefix}approximate=None, or {prefix}backend='torch' with "
            "metric='euclidean' or 'cosine'."
        )
    if across_groups and backend == "faiss":
        raise ValueError(
            f"{prefix}backend='faiss' has no search across groups; choose "
            f"{prefix}backend='torch' or 'auto'."
        )


def _resolved(
    backend: str, metric: str, n_features: int, approximate: bool | None
) -> str:
    """The backend in use."""
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
        f"rows, less than {MIN_RECALL:.0%}: the rows have many dimensions and no "
        "groups. Pass approximate=False for all of them, at the price of time, or "
        "reduce the features first.",
        GraphWarning,
    )
