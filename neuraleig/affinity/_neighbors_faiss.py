"""Nearest neighbours by faiss."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from neuraleig._device import CPU
from neuraleig._extras import missing
from neuraleig._shard import Shard
from neuraleig._standardize import Standardization
from neuraleig._typing import Array
from neuraleig.affinity._neighbors_exact import (
    SPARE_CANDIDATES,
    ExactRows,
    Found,
    full_search,
    rank,
    recall_of,
)
from neuraleig.affinity._neighbors_torch import (
    refined,
    sample_of,
    squared_norms,
    true_neighbors,
    without_rounding,
)

# Inverted lists per square root of the number of rows, as faiss recommends.
LISTS = 4
# Rows per list from which faiss finds the lists.
ROWS_PER_LIST = 64
# Required recall on the sample, and the number of lists per query from which on it is
# doubled until that is reached.
# As COVERAGE of the search by cells: above the recall that is asked for.
LIST_RECALL = 0.993
FIRST_PROBES = 8


def faiss_neighbors(
    X: Array, n_neighbors: int, *, approximate: bool, seed: int, shard: Shard
) -> tuple[Found, float]:
    """Euclidean neighbours of all rows, in float64 and units of ``X``, and the recall.

    An approximate search uses inverted lists; its recall is measured on a sample.
    """
    faiss = _faiss()
    standardization = Standardization.of(X)
    exact = ExactRows(X, standardization)
    rows = standardization.unbounded().apply(X)
    own = torch.arange(len(rows))[shard.part(len(rows))]
    if approximate:
        found, recall = _approximate(faiss, rows, exact, own, n_neighbors, seed, shard)
    else:
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows.numpy())
        found = _search(index, rows, own, n_neighbors + SPARE_CANDIDATES)
        found = Found(found.distances[:, :n_neighbors], found.indices[:, :n_neighbors])
        found = without_rounding(found, rows, exact, own).gathered(shard)
        recall = 1.0
    return Found(found.distances * standardization.scale, found.indices), recall


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        torch = "choose backend='torch'"
        raise ImportError(
            missing("backend='faiss'", "faiss", "faiss", otherwise=torch)
        ) from error
    module: ModuleType = faiss
    return module


def _approximate(
    faiss: ModuleType,
    rows: Tensor,
    exact: ExactRows,
    own: Tensor,
    n_neighbors: int,
    seed: int,
    shard: Shard,
) -> tuple[Found, float]:
    sample = sample_of(len(rows), seed)
    truth = true_neighbors(rows, exact, sample, n_neighbors, CPU, shard)
    index = _lists(faiss, rows, seed)
    width = n_neighbors + SPARE_CANDIDATES
    index.nprobe = min(FIRST_PROBES, index.nlist)
    while index.nprobe < index.nlist:
        tried = _search(index, rows, sample, width).distances[:, :n_neighbors]
        if recall_of(tried, truth.distances) >= LIST_RECALL:
            break
        index.nprobe = min(2 * index.nprobe, index.nlist)
    found = _search(index, rows, own, width).gathered(shard)
    found = refined(found, exact, squared_norms(rows), n_neighbors, shard)
    return found, recall_of(found.distances[sample], truth.distances)


def _lists(faiss: ModuleType, rows: Tensor, seed: int) -> Any:  # noqa: ANN401 - faiss has no types
    """Index of inverted lists over the rows."""
    n_rows, n_features = rows.shape
    n_lists = max(1, min(int(LISTS * n_rows**0.5), n_rows // ROWS_PER_LIST))
    index = faiss.index_factory(n_features, f"IVF{n_lists},Flat")
    index.cp.seed = seed % 2**31
    index.cp.max_points_per_centroid = ROWS_PER_LIST
    index.train(rows.numpy())
    index.add(rows.numpy())
    return index


def _search(
    index: Any,  # noqa: ANN401 - faiss has no types
    rows: Tensor,
    queries: Tensor,
    n_neighbors: int,
) -> Found:
    """Neighbours of queries, ranked by differences."""
    n_neighbors = min(n_neighbors, len(rows) - 1)
    asked = rows.index_select(0, queries).numpy()
    indices = torch.from_numpy(index.search(asked, n_neighbors + 1)[1])
    # -1 is a missing neighbour: replaced by the row itself, which is never kept.
    indices = torch.where(indices < 0, queries[:, None], indices)
    found = rank(rows, queries, indices, n_neighbors)
    short = torch.nonzero(found.distances[:, -1].isinf()).ravel()
    if len(short):
        better = full_search(rows, queries[short], n_neighbors, CPU)
        found.distances[short], found.indices[short] = better
    return found
