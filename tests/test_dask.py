"""Prediction over the blocks of a Dask array."""

import pickle

import numpy as np
import pytest
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
