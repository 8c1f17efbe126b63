"""Clusters that follow the numbers of a former model."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neuraleig.reading import (
    Alignment,
    AlignmentWarning,
    Argmax,
    Discretizer,
    Renumbered,
)
from neuraleig.reading._alignment import SAME, FormerClusters, warn_of_changes
from neuraleig.reading._renumbered import renumbered


@st.composite
def two_labellings(draw):
    """Labels of the same rows by a former model and by a refit."""
    n_rows = draw(st.integers(1, 40))
    former, now = (
        np.array(draw(st.lists(st.integers(0, 5), min_size=n_rows, max_size=n_rows)))
        for _ in range(2)
    )
    n_former = draw(st.integers(int(former.max()) + 1, 7))
    return former, n_former, np.unique(now, return_inverse=True)[1]


def follow(former, labels, n_former=None, names=None):
    """Labels in the numbers of a former model, and the alignment."""
    former, labels = np.asarray(former), np.asarray(labels)
    clusters = FormerClusters(former, n_former or int(former.max()) + 1, names or {})
    order, alignment = clusters.followed_by(labels, int(labels.max()) + 1)
    return np.argsort(order)[labels], alignment


def jaccard(one, other):
    return np.sum(one & other) / np.sum(one | other)


@given(two_labellings())
def test_numbers_are_a_permutation(labellings):
    former, n_former, labels = labellings
    n_clusters = int(labels.max()) + 1
    order, alignment = FormerClusters(former, n_former).followed_by(labels, n_clusters)
    np.testing.assert_array_equal(np.sort(order), np.arange(n_clusters))
    assert len(alignment.former) == len(alignment.overlap) == n_clusters


@given(two_labellings())
def test_an_alignment_is_of_the_labels_as_they_are_numbered(labellings):
    former, n_former, labels = labellings
    now, alignment = follow(former, labels, n_former)
    assert alignment.agreement == pytest.approx(np.mean(now == former))
    for cluster, number in enumerate(alignment.former):
        if number is None:
            assert alignment.overlap[cluster] <= SAME
            # No former cluster is the same one, its partner or another.
            for other in range(n_former):
                assert jaccard(now == cluster, former == other) <= SAME
        else:
            found = jaccard(now == cluster, former == number)
            assert alignment.overlap[cluster] == pytest.approx(found)
            assert found > SAME
    known = {number for number in alignment.former if number is not None}
    assert set(alignment.lost) == set(range(n_former)) - known


@given(two_labellings())
def test_a_same_cluster_keeps_a_number_that_there_is(labellings):
    former, n_former, labels = labellings
    _, alignment = follow(former, labels, n_former)
    n_clusters = int(labels.max()) + 1
    for cluster, number in enumerate(alignment.former):
        if number is not None and number < n_clusters:
            assert cluster == number
    assert set(alignment.moved) == {
        f for f in alignment.former if f is not None and f >= n_clusters
    }


@given(two_labellings(), st.randoms(use_true_random=False))
def test_the_numbers_of_the_refit_do_not_matter(labellings, random):
    former, n_former, labels = labellings
    n_clusters = int(labels.max()) + 1
    names = list(range(n_clusters))
    random.shuffle(names)
    one, alignment = follow(former, labels, n_former)
    other, renamed = follow(former, np.array(names)[labels], n_former)
    # Where all partners are the same clusters, there are no ties.
    assume(None not in alignment.former)
    np.testing.assert_array_equal(one, other)
    assert alignment == renamed


@given(two_labellings())
def test_a_model_agrees_with_itself(labellings):
    _, _, labels = labellings
    now, alignment = follow(labels, labels)
    np.testing.assert_array_equal(now, labels)
    n_clusters = int(labels.max()) + 1
    assert alignment == Alignment(1.0, tuple(range(n_clusters)), (1.0,) * n_clusters)
    assert str(alignment) == "agreement 100.0 %"


def test_the_numbers_of_lost_clusters_are_taken():
    former = np.repeat([0, 1, 2, 3], [5, 2, 5, 5])
    # Cluster 1 has become part of 0; three are left, and 3 is no number of theirs.
    labels = np.repeat([2, 2, 0, 1], [5, 2, 5, 5])
    now, alignment = follow(former, labels, names={1: "gold", 3: "tin"})
    np.testing.assert_array_equal(now, np.repeat([0, 0, 2, 1], [5, 2, 5, 5]))
    assert alignment.former == (0, 3, 2)
    assert (alignment.new, alignment.lost) == ((), (1,))
    assert alignment.moved == {3: 1}
    assert alignment.lost_names == {1: "gold"}
    assert alignment.agreement == pytest.approx(10 / 17)
    assert str(alignment) == (
        "agreement 58.8 %; lost clusters: 1 (gold); other numbers: 3 is 1 now"
    )


def test_new_clusters_have_the_numbers_above():
    former = np.repeat([0, 1], [6, 10])
    labels = np.repeat([2, 1, 0], [6, 7, 3])
    now, alignment = follow(former, labels)
    np.testing.assert_array_equal(now, np.repeat([0, 1, 2], [6, 7, 3]))
    assert alignment.former == (0, 1, None)
    assert alignment.overlap == (1.0, pytest.approx(0.7), 0.0)


def test_half_a_cluster_takes_its_number_and_is_new():
    now, alignment = follow(np.zeros(8, int), np.repeat([0, 1], 4))
    assert alignment.former == (None, None)
    assert sorted(alignment.overlap) == [0.0, 0.5]
    assert (alignment.new, alignment.lost) == ((0, 1), (0,))
    assert alignment.agreement == 0.5
    assert set(now) == {0, 1}


def test_a_former_cluster_without_rows_is_lost():
    _, alignment = follow([0, 0, 2, 2], [0, 0, 1, 1], n_former=4)
    assert alignment.former == (0, 2)
    assert alignment.lost == (1, 3)


def test_names_follow_the_same_clusters():
    former = FormerClusters(np.repeat([0, 1, 2], 4), 3, {0: "a", 1: "b", 2: "c"})
    labels = np.repeat([1, 0], [8, 4])
    _, alignment = former.followed_by(labels, 2)
    assert alignment.former == (None, 2)
    assert former.names_of(alignment) == {1: "c"}
    assert alignment.lost_names == {0: "a", 1: "b"}


@pytest.mark.parametrize(
    ("alignment", "message"),
    [
        (Alignment(0.5, (0, None), (0.9, 0.2)), r"new clusters: 1\.$"),
        (
            Alignment(0.5, (0,), (0.9,), (1, 2), {2: "tin"}),
            r"lost clusters: 1, 2 \(tin\)\. The number of a lost .* another one now\.$",
        ),
    ],
)
def test_new_and_lost_clusters_are_warned_of(alignment, message):
    with pytest.warns(AlignmentWarning, match=message) as caught:
        warn_of_changes(alignment)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("alignment", [None, Alignment(0.6, (0, 1), (0.6, 0.6))])
def test_same_clusters_are_no_matter_of_a_warning(alignment):
    warn_of_changes(alignment)


class Fixed(Discretizer):
    needs_functions = False
    n_clusters = 3

    def forward(self, functions, logits):
        return logits


def test_renumbered_probabilities_move_with_the_clusters():
    table = np.array([[0.1, 0.7, 0.2]])
    found = Renumbered(Fixed(), np.array([2, 0, 1])).probabilities(table, table)
    np.testing.assert_array_equal(found, [[0.2, 0.1, 0.7]])


@pytest.mark.parametrize("order", [[2, 0, 1], [0, 1, 2]])
def test_scores_stay_scores(order):
    table, order = np.array([[0.1, 3.0, 0.7, 0.2]]), np.array(order)
    reader = Argmax(np.array([0, 2, 3]))
    found = renumbered(reader, order)
    assert type(found) is Argmax
    np.testing.assert_allclose(
        found.probabilities(table, table), reader.probabilities(table, table)[:, order]
    )


def test_the_same_order_changes_nothing():
    reader = Fixed()
    assert renumbered(reader, np.arange(3)) is reader
    assert type(renumbered(reader, np.array([1, 0, 2]))) is Renumbered
