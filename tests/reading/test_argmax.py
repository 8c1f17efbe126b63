import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neuraleig.reading import Argmax
from neuraleig.reading._base import softmax

scores = st.tuples(st.integers(1, 20), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-1e4, 1e4, width=32))
)


@given(scores)
def test_rows_are_distributions_ordered_as_the_scores(logits):
    probabilities = softmax(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    top = np.take_along_axis(logits, probabilities.argmax(axis=1)[:, None], axis=1)
    np.testing.assert_allclose(top[:, 0], logits.max(axis=1), rtol=1e-6, atol=1e-6)


def test_softmax_is_the_logistic_function_of_a_difference():
    found = softmax(torch.tensor([[0.0, 3.0]], dtype=torch.float64).log1p())
    np.testing.assert_allclose(found, [[0.2, 0.8]])


@given(scores)
def test_labels_are_consecutive_and_every_one_has_a_row(logits):
    labels = Argmax.from_scores(logits).probabilities(logits, logits).argmax(axis=1)
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))


def test_clusters_without_a_row_never_get_one():
    logits = np.array([[3.0, 2.0, 0.0], [0.0, 1.0, 4.0]])
    discretizer = Argmax.from_scores(logits)
    np.testing.assert_array_equal(discretizer.clusters, [0, 2])
    # The second score would win; the first is the better of those that count.
    probabilities = discretizer.probabilities(logits, np.array([[1.0, 9.0, 0.0]]))
    np.testing.assert_allclose(probabilities, [[np.e / (1 + np.e), 1 / (1 + np.e)]])


def test_scores_that_the_softmax_cannot_tell_apart_leave_no_gap():
    # exp(1e-20) is 1: the second score is the largest of a row, but no label.
    logits = np.array([[0.0, 1e-20, -1.0], [1.0, 0.0, -1.0], [0.0, -1.0, 2.0]])
    labels = Argmax.from_scores(logits).probabilities(logits, logits).argmax(axis=1)
    assert np.unique(labels).tolist() == [0, 1]
