"""How far readings of a graph agree."""

import numpy as np
import scipy.sparse as sp

from neuraleig.reading import neighbor_agreement, reading_agreement
from neuraleig.reading._agreement import SHARPNESS, matched_labels

LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])


def test_numbers_of_clusters_do_not_matter():
    renamed = np.array([2, 0, 1])[LABELS]
    np.testing.assert_array_equal(matched_labels(LABELS, renamed), LABELS)
    np.testing.assert_array_equal(
        reading_agreement(LABELS, [renamed, LABELS], [0.1, 0.1]), np.ones(9)
    )


def test_readings_of_equal_cut_vote():
    other = LABELS.copy()
    other[0] = 1
    agreement = reading_agreement(LABELS, [LABELS, other, other], [0.2, 0.2, 0.2])
    np.testing.assert_allclose(agreement, [1 / 3, *np.ones(8)])


def test_a_reading_that_cuts_more_weighs_less():
    other = LABELS.copy()
    other[0] = 1
    (first, *_) = reading_agreement(LABELS, [LABELS, other], [0.2, 0.3])
    weight = np.exp(-SHARPNESS / 2)
    np.testing.assert_allclose(first, 1 / (1 + weight), rtol=1e-6)
    # Where nothing need be cut, whatever cuts is no evidence.
    (first, *_) = reading_agreement(LABELS, [LABELS, other], [0.0, 0.01])
    assert first == 1.0


def test_clusters_beyond_the_labels_agree_with_none():
    finer = np.array([0, 0, 3, 1, 1, 1, 2, 2, 2])
    assert matched_labels(LABELS, finer).tolist() == [0, 0, -1, 1, 1, 1, 2, 2, 2]


def test_neighbours_agree_by_their_weights():
    weights = sp.csr_array(
        np.array([[0, 1, 3, 0], [1, 0, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0.0]])
    )
    agreement = neighbor_agreement(weights, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(agreement, [0.25, 1, 0, 1])


def test_nodes_without_edges_agree_with_themselves():
    agreement = neighbor_agreement(sp.csr_array((3, 3)), np.array([0, 1, 1]))
    np.testing.assert_array_equal(agreement, 1.0)
