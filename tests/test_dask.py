"""Prediction over the blocks of a Dask array."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering

da = pytest.importorskip("dask.array", reason="needs the extra dask")

# Blocks of unequal size, one of a single row.
CHUNKS = ((100, 1, 99), (4,))


@pytest.fixture(scope="module")
def rows():
    return make_blobs(200, n_features=4, centers=3, random_state=0)[0]


@pytest.fixture(scope="module")
def model(rows):
    fitted = NeuralEigenSpectralClustering(3, hidden_sizes=(32,), random_state=0)
    # Workers have a copy.
    return pickle.loads(pickle.dumps(fitted.fit(rows)))


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_labels_do_not_depend_on_blocks(model, rows, scheduler):
    blocks = da.from_array(rows, chunks=CHUNKS)
    labels = blocks.map_blocks(model.predict, dtype=np.int64, drop_axis=1)
    found = labels.compute(scheduler=scheduler, num_workers=2)
    np.testing.assert_array_equal(found, model.labels_)


def labelled(part, estimator):
    return estimator.predict(part)


def test_types_may_be_found_by_a_row_of_zeros(model, rows):
    """What ParallelPostFit of dask-ml does."""
    blocks = da.from_array(rows, chunks=(60, 2)).rechunk({1: -1})
    meta = labelled(np.zeros((1, rows.shape[1]), dtype=rows.dtype), model)
    labels = blocks.map_blocks(labelled, estimator=model, drop_axis=1, meta=meta)
    assert labels.dtype == np.int64
    assert labels.chunks == (blocks.chunks[0],)
    found = labels.compute(scheduler="threads", num_workers=2)
    np.testing.assert_array_equal(found, model.labels_)


@pytest.mark.parametrize("method", ["predict_proba", "transform"])
def test_values_are_those_of_all_rows_to_the_last_bit(model, rows, method):
    evaluate = getattr(model, method)
    blocks = da.from_array(rows, chunks=CHUNKS)
    expected = evaluate(rows)
    chunks = (blocks.chunks[0], (expected.shape[1],))
    found = blocks.map_blocks(evaluate, dtype=expected.dtype, chunks=chunks)
    computed = found.compute(scheduler="threads", num_workers=2)
    np.testing.assert_array_equal(computed, expected)


UNUSUAL = {
    "unknown lengths": lambda rows: rows[rows[:, 0] > -1e9],
    "unknown and empty": lambda rows: rows[da.arange(len(rows), chunks=20) < 90],
    "columns in parts": lambda rows: rows.rechunk({1: 2})[rows[:, 0] > -1e9],
    "an empty part": lambda rows: da.concatenate([rows[:50], rows[:0], rows[50:]]),
}


@pytest.mark.parametrize("unusual", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_lengths_may_be_unknown_and_parts_empty(model, rows, unusual):
    blocks = unusual(da.from_array(rows, chunks=(20, 4)))
    there = blocks.compute(scheduler="synchronous")
    refit = clone(model).fit(blocks)
    np.testing.assert_array_equal(refit.labels_, clone(model).fit(there).labels_)
    stream = clone(model).partial_fit(blocks)
    np.testing.assert_array_equal(stream.predict(blocks), stream.labels_)
    np.testing.assert_array_equal(model.predict(blocks), model.predict(there))
    np.testing.assert_array_equal(model.transform(blocks), model.transform(there))
    assert model.score(blocks) == model.score(there)


def test_sparse_blocks_are_rows(model, rows):
    blocks = da.from_array(rows, chunks=(20, 4)).map_blocks(sp.csr_matrix)
    np.testing.assert_array_equal(model.predict(blocks), model.labels_)
    refit = clone(model).fit(blocks)
    np.testing.assert_array_equal(refit.labels_, model.labels_)


def test_masked_blocks_are_refused(model, rows):
    blocks = da.from_array(rows, chunks=(20, 4))
    masked = da.ma.masked_greater(blocks, np.quantile(rows, 0.9))
    with pytest.raises(ValueError, match="X has masked entries"):
        model.predict(masked)
