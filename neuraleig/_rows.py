"""Rows that need not fit into memory: arrays, slices on disk, streams of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from neuraleig._interchange import as_numpy, has_dlpack
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import Array, FloatArray, IntArray


def is_sliced(X: object) -> bool:
    """Whether ``X`` is no numpy array, but can be sliced like one.

    Arrays on disk (zarr, h5py, dask) and memory maps of types that are no floats are
    read slice by slice: to convert them would be to load them. Data frames, sparse
    matrices and what hands over its memory by DLPack are not meant.
    """
    if isinstance(X, np.memmap):
        return X.ndim == 2 and X.dtype not in (np.float32, np.float64)
    if isinstance(X, np.ndarray | torch.Tensor) or sp.issparse(X) or has_dlpack(X):
        return False
    has_slices = hasattr(X, "__getitem__") and hasattr(X, "dtype")
    # A column of a data frame may be called dtype. Asked last: lazy frames would warn.
    return (
        has_slices and not hasattr(X, "columns") and len(getattr(X, "shape", ())) == 2
    )


def is_stream(X: object) -> bool:
    """Whether ``X`` has batches: a ``DataLoader``, a generator, a list of arrays.

    Lists and tuples are rows themselves, unless all that is in them has two
    dimensions.
    """
    if isinstance(X, list | tuple):
        return len(X) > 0 and all(getattr(part, "ndim", 0) == 2 for part in X)
    if hasattr(X, "__array__") or hasattr(X, "shape") or hasattr(X, "__getitem__"):
        return False
    if has_dlpack(X):
        return False
    return isinstance(X, Iterable)


def iter_once(X: object) -> bool:
    """Whether ``X`` is a stream that is used up by reading it, as generators are."""
    return is_stream(X) and isinstance(X, Iterator)


def slices_of(X: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever a user passes
    """Rows of ``X`` in order, as parts that fit into memory; an array as one part.

    Parameters
    ----------
    X : array-like, sliceable or iterable of batches
        See :func:`is_sliced` and :func:`is_stream`. Of a batch that is a tuple or a
        list of tensors, as from a ``DataLoader``, the first one holds the rows.

    Yields
    ------
    part : array-like of shape (n_rows, n_features)
        Not yet checked.
    """
    if is_stream(X):
        for batch in X:
            yield _rows_of_batch(batch)
    elif is_sliced(X):
        step = max(1, SLICE_ELEMENTS // max(1, X.shape[1]))
        for start in range(0, X.shape[0], step):
            yield np.asarray(X[start : start + step])
    else:
        yield X


def _rows_of_batch(batch: Any) -> Any:  # noqa: ANN401
    is_group = isinstance(batch, tuple | list) and len(batch) > 0
    if is_group and isinstance(batch[0], torch.Tensor | np.ndarray):
        first = batch[0]
        batch = first if first.ndim == 2 else batch
    batch = as_numpy(batch)
    # A copy: streams may write the next batch to the same memory.
    return batch.copy() if isinstance(batch, np.ndarray) else batch


@dataclass(frozen=True)
class DrawnRows:
    """Rows in memory: all, or some that were drawn at random.

    Parameters
    ----------
    rows : ndarray of shape (n_drawn, n_features)
        In the order of the data.
    index : ndarray of shape (n_drawn,), int64, or None
        Which rows of the data they are; ``None`` for all of them.
    n_rows : int
        Rows of the data.
    """

    rows: Array
    index: IntArray | None
    n_rows: int


def draw_rows(parts: Iterable[Array], most: int, seed: int) -> DrawnRows:
    """Draw up to ``most`` rows without replacement, in one pass over parts of them.

    Parameters
    ----------
    parts : iterable of ndarray of shape (n_rows, n_features)
        Rows, checked. How many there are need not be known.
    most : int
        Rows to keep.
    seed : int
        Seed of the draw.

    Returns
    -------
    drawn : DrawnRows
        Every set of ``most`` rows is as likely as any other.

    Notes
    -----
    Memory of up to five times the rows that are kept, and of one part.

    References
    ----------
    .. [1] J. S. Vitter, "Random sampling with a reservoir", ACM Transactions on
       Mathematical Software, 1985. Here every row draws a number, and those of the
       smallest numbers stay.
    """
    generator = np.random.default_rng(seed)
    kept: list[Array] = []
    numbers: FloatArray = np.empty(0)
    index: IntArray = np.empty(0, dtype=np.int64)
    n_rows = 0
    for part in parts:
        count = part.shape[0]
        numbers = np.concatenate([numbers, generator.random(count)])
        index = np.concatenate([index, np.arange(n_rows, n_rows + count)])
        kept.append(part)
        n_rows += count
        # To sort out at every part would copy all that is kept every time.
        if numbers.size > 2 * most:
            numbers, index, kept = _smallest(numbers, index, kept, most)
    if n_rows <= most:
        return DrawnRows(_joined(kept), None, n_rows)
    _, index, kept = _smallest(numbers, index, kept, most)
    return DrawnRows(kept[0], index, n_rows)


def _smallest(
    numbers: FloatArray, index: IntArray, kept: list[Array], most: int
) -> tuple[FloatArray, IntArray, list[Array]]:
    """Rows of the ``most`` smallest numbers, in their order."""
    chosen = np.sort(np.argpartition(numbers, most - 1)[:most])
    ends = np.cumsum([part.shape[0] for part in kept])
    pieces, start = [], 0
    for part, end in zip(kept, ends, strict=True):
        inside = chosen[(chosen >= start) & (chosen < end)] - start
        pieces.append(part[inside])
        start = int(end)
    return numbers[chosen], index[chosen], [_joined(pieces)]


def _joined(parts: list[Array]) -> Array:
    """Parts one below the other; a single one is not copied."""
    if not parts:
        return np.empty((0, 0))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
