"""Rows in memory, in slices on disk, or in streams of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch.utils.data import Dataset

from neuraleig._interchange import as_numpy, has_dlpack
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig._typing import AnyRows, FloatArray, IntArray


def is_sliced(X: object) -> bool:
    """Whether ``X`` is an array that is read slice by slice.

    True for arrays on disk (zarr, h5py, dask) and memory maps of other types than
    floats, whose conversion would load them. False for arrays of numpy and torch, data
    frames, sparse matrices and arrays with DLPack.
    """
    if isinstance(X, np.memmap):
        return X.ndim == 2 and X.dtype not in (np.float32, np.float64)
    if isinstance(X, np.ndarray | torch.Tensor) or sp.issparse(X) or has_dlpack(X):
        return False
    has_slices = hasattr(X, "__getitem__") and hasattr(X, "dtype")
    # A column of a data frame may be named dtype. Last: lazy frames warn.
    return (
        has_slices and not hasattr(X, "columns") and len(getattr(X, "shape", ())) == 2
    )


def is_stream(X: object) -> bool:
    """Whether ``X`` is an iterable of batches, such as a ``DataLoader``.

    A list or tuple is one if all its items have two dimensions, or are tuples that
    begin with such an item; otherwise it is rows.
    """
    if isinstance(X, list | tuple):
        firsts = [part[0] if isinstance(part, tuple) and part else part for part in X]
        return len(X) > 0 and all(getattr(first, "ndim", 0) == 2 for first in firsts)
    if hasattr(X, "__array__") or hasattr(X, "shape") or hasattr(X, "__getitem__"):
        return False
    if has_dlpack(X):
        return False
    return isinstance(X, Iterable)


def iter_once(X: object) -> bool:
    """Whether ``X`` is a stream that can be read only once, such as a generator."""
    return is_stream(X) and isinstance(X, Iterator)


def slices_of(X: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever a user passes
    """Rows of ``X`` in order, as unchecked parts (n_rows, n_features).

    An array in memory is one part. The rows of a batch that is a tuple or a list of
    tensors, as from a ``DataLoader``, are its first tensor.
    """
    if isinstance(X, Dataset):
        raise TypeError(
            f"X is a {type(X).__name__}, a data set without batches; pass "
            "DataLoader(X, batch_size=1024)."
        )
    if is_stream(X):
        for batch in X:
            yield _rows_of_batch(batch)
    elif is_sliced(X):
        step = max(1, SLICE_ELEMENTS // max(1, X.shape[1]))
        for part in _known_parts(X):
            for start in range(0, part.shape[0], step):
                yield _in_memory(part[start : start + step])
    else:
        yield X


def _known_parts(X: Any) -> Iterator[Any]:  # noqa: ANN401
    """Array that is sliced, or blocks of rows of a Dask array of unknown length."""
    if isinstance(X.shape[0], Integral):
        yield X
        return
    for number in range(X.numblocks[0]):
        # Only then is its length known.
        yield _in_memory(X.blocks[number])


def _in_memory(part: Any) -> Any:  # noqa: ANN401
    """Slice of an array on disk, or of Dask, as it is: masked and sparse, too."""
    return part.compute() if hasattr(part, "compute") else np.asanyarray(part)


def _rows_of_batch(batch: Any) -> Any:  # noqa: ANN401
    if isinstance(batch, Mapping) and not sp.issparse(batch):
        raise TypeError(
            f"X has batches of type {type(batch).__name__} with the keys "
            f"{sorted(map(str, batch))}; a batch must be an array (n_rows, n_features) "
            "or a tuple that begins with one: pass batches of one entry, such as "
            "DataLoader(X, collate_fn=...)."
        )
    is_group = isinstance(batch, tuple | list) and len(batch) > 0
    is_array = is_group and isinstance(batch[0], torch.Tensor | np.ndarray)
    if is_array or (is_group and sp.issparse(batch[0])):
        first = batch[0]
        batch = first if first.ndim == 2 else batch
    batch = as_numpy(batch)
    # A copy: a stream may reuse the memory of a batch.
    is_array = isinstance(batch, np.ndarray) or sp.issparse(batch)
    return batch.copy() if is_array else batch


@dataclass(frozen=True)
class DrawnRows:
    """Rows in memory: all rows of the data, or a random draw of them.

    Parameters
    ----------
    rows : ndarray or csr_array of shape (n_drawn, n_features)
        Rows, in the order of the data.
    index : ndarray of shape (n_drawn,), int64, or None
        Their indices in the data; None if all rows were kept.
    n_rows : int
        Number of rows in the data.
    """

    rows: AnyRows
    index: IntArray | None
    n_rows: int


def draw_rows(parts: Iterable[AnyRows], most: int, seed: int) -> DrawnRows:
    """Draw up to ``most`` rows without replacement, in one pass over checked parts.

    Every set of ``most`` rows is equally likely. Memory: up to five times the rows that
    are kept, and one part.

    References
    ----------
    .. [1] J. S. Vitter, "Random sampling with a reservoir", ACM Transactions on
       Mathematical Software, 1985. Here every row draws a number, and the rows with
       the smallest numbers are kept.
    """
    generator = np.random.default_rng(seed)
    kept: list[AnyRows] = []
    numbers: FloatArray = np.empty(0)
    index: IntArray = np.empty(0, dtype=np.int64)
    n_rows = 0
    for part in parts:
        count = part.shape[0]
        numbers = np.concatenate([numbers, generator.random(count)])
        index = np.concatenate([index, np.arange(n_rows, n_rows + count)])
        kept.append(part)
        n_rows += count
        # Not after every part, which would copy all kept rows each time.
        if numbers.size > 2 * most:
            numbers, index, kept = _smallest(numbers, index, kept, most)
    if n_rows <= most:
        return DrawnRows(stacked(kept), None, n_rows)
    _, index, kept = _smallest(numbers, index, kept, most)
    return DrawnRows(kept[0], index, n_rows)


def _smallest(
    numbers: FloatArray, index: IntArray, kept: list[AnyRows], most: int
) -> tuple[FloatArray, IntArray, list[AnyRows]]:
    """Rows with the ``most`` smallest numbers, in the order of the data."""
    chosen = np.sort(np.argpartition(numbers, most - 1)[:most])
    ends = np.cumsum([part.shape[0] for part in kept])
    pieces, start = [], 0
    for part, end in zip(kept, ends, strict=True):
        inside = chosen[(chosen >= start) & (chosen < end)] - start
        pieces.append(part[inside])
        start = int(end)
    return numbers[chosen], index[chosen], [stacked(pieces)]


def stacked(parts: list[Any]) -> Any:  # noqa: ANN401
    """Parts one below the other, sparse if one is; a single one is not copied."""
    if not parts:
        return np.empty((0, 0))
    if len(parts) == 1:
        return parts[0]
    if any(map(sp.issparse, parts)):
        return sp.vstack([sp.csr_array(part) for part in parts], format="csr")
    return np.concatenate(parts)
