"""Rows in parts: what is read how, and fair draws in one pass."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from neuraleig._rows import draw_rows, is_sliced, is_stream, iter_once, slices_of

X = np.arange(20.0).reshape(10, 2)


class Sliced:
    """An array on disk: slices, and nothing else."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.largest = 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        part = self.array[rows]
        self.largest = max(self.largest, len(part))
        return part


class Batches:
    """Batches that start anew on every pass."""

    def __init__(self, array, size):
        self.array, self.size = array, size

    def __iter__(self):
        for start in range(0, len(self.array), self.size):
            yield self.array[start : start + self.size]


@pytest.fixture
def memmap(tmp_path):
    def write(array):
        np.save(tmp_path / "rows.npy", array)
        return np.load(tmp_path / "rows.npy", mmap_mode="r")

    return write


def test_what_is_in_memory_is_one_part():
    tensor = torch.from_numpy(X)
    for rows in (X, X.tolist(), pd.DataFrame(X), sp.csr_array(X), tensor):
        assert not is_sliced(rows)
        assert not is_stream(rows)
        (part,) = slices_of(rows)
        assert part is rows


def test_memory_maps_are_sliced_only_where_they_would_be_converted(memmap):
    assert not is_sliced(memmap(X))
    assert is_sliced(memmap(X.astype(np.int16)))


def test_slices_on_disk_are_small(monkeypatch):
    monkeypatch.setattr("neuraleig._rows.SLICE_ELEMENTS", 6)
    source = Sliced(X)
    assert is_sliced(source)
    np.testing.assert_array_equal(np.concatenate(list(slices_of(source))), X)
    assert source.largest == 3


@pytest.mark.parametrize(
    ("stream", "once"),
    [
        (Batches(X, 3), False),
        ((part for part in np.split(X, 2)), True),
        (iter([X]), True),
        (DataLoader(torch.from_numpy(X), batch_size=4), False),
        (DataLoader(TensorDataset(torch.from_numpy(X), torch.arange(10))), False),
        (map(torch.from_numpy, [X[:4], X[4:]]), True),
        ([X[:7], X[7:]], False),
        ((X[:5], X[5:]), False),
        ([torch.from_numpy(X)], False),
        ([pd.DataFrame(X[:2]), pd.DataFrame(X[2:])], False),
    ],
)
def test_streams_give_their_batches(stream, once):
    assert is_stream(stream)
    assert iter_once(stream) == once
    np.testing.assert_array_equal(np.concatenate(list(slices_of(stream))), X)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_streams_may_use_their_memory_again(as_tensor):
    def reused():
        buffer = np.empty((2, 2))
        for start in range(0, 10, 2):
            buffer[:] = X[start : start + 2]
            yield torch.from_numpy(buffer) if as_tensor else buffer

    np.testing.assert_array_equal(draw_rows(slices_of(reused()), 10, 0).rows, X)


def test_lists_of_rows_are_rows_not_batches():
    batch = X[:2].tolist()
    (part,) = slices_of(iter([batch]))
    assert part == batch


@pytest.mark.parametrize("size", [1, 3, 4, 10])
def test_few_rows_are_all_kept(size):
    drawn = draw_rows(Batches(X, size), 10, seed=0)
    np.testing.assert_array_equal(drawn.rows, X)
    assert drawn.index is None
    assert drawn.n_rows == 10


def test_a_single_part_is_not_copied():
    assert draw_rows([X], 10, seed=0).rows is X


@pytest.mark.parametrize("most", [2, 5, 9])
def test_the_draw_does_not_depend_on_the_parts(most):
    whole = draw_rows([X], most, seed=3)
    assert whole.index.size == most
    assert np.all(np.diff(whole.index) > 0)
    np.testing.assert_array_equal(whole.rows, X[whole.index])
    for size in (1, 3, 4):
        drawn = draw_rows(Batches(X, size), most, seed=3)
        np.testing.assert_array_equal(drawn.index, whole.index)
        np.testing.assert_array_equal(drawn.rows, whole.rows)
        assert drawn.n_rows == 10


def test_every_row_is_as_likely():
    counts = np.zeros(10)
    for seed in range(2000):
        counts[draw_rows(Batches(X, 2), 3, seed=seed).index] += 1
    # 600 each in the mean, with a deviation of 20.
    assert np.abs(counts - 600).max() < 100


class Rows(IterableDataset):
    def __iter__(self):
        return iter(X)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (TensorDataset(torch.from_numpy(X)), r"TensorDataset.*pass DataLoader\(X"),
        (Rows(), r"Rows.*pass DataLoader\(X"),
        (DataLoader([{"a": row} for row in X]), r"dict with the keys \['a'\]"),
    ],
)
def test_data_sets_and_mappings_are_refused_in_words(stream, message):
    with pytest.raises(TypeError, match=message):
        list(slices_of(stream))
