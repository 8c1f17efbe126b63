import pickle
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from neuraleig.segmentation.evaluation import (
    ClusterMatching,
    ConfusionMatrix,
    match_clusters,
)

RULES = ["majority", "hungarian"]


def confusions_up_to(n_classes, n_clusters):
    return (
        st.tuples(st.integers(1, n_classes), st.integers(1, n_clusters))
        .flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(0, 9)))
        .filter(lambda counts: counts.sum() > 0)
    )


confusions = confusions_up_to(4, 5)
small_confusions = confusions_up_to(3, 3)


def iou_of(counts, c, k):
    union = counts[c].sum() + counts[:, k].sum() - counts[c, k]
    return counts[c, k] / union if union else 0.0


def right_pixels(counts, classes):
    return sum(counts[c, k] for k, c in enumerate(classes) if c >= 0)


@given(confusions)
def test_majority_takes_the_best_iou_of_every_cluster(counts):
    classes = match_clusters(counts, "majority").classes
    assert classes.dtype == np.int64
    for k, c in enumerate(classes):
        scores = [iou_of(counts, other, k) for other in range(len(counts))]
        if counts[:, k].sum() == 0:
            assert c == -1
        else:
            assert scores[c] == max(scores) > 0
            assert max(scores) not in scores[:c]


def test_majority_is_by_iou_and_not_by_vote():
    # Cluster 1 is all that there is of class 1, though class 0 has more of it.
    counts = [[4, 3, 0], [0, 2, 0]]
    np.testing.assert_array_equal(match_clusters(counts).classes, [0, 1, -1])


@given(small_confusions)
def test_hungarian_has_the_most_right_pixels_of_all_assignments(counts):
    n_classes, n_clusters = counts.shape
    classes = match_clusters(counts, "hungarian").classes
    taken = classes[classes >= 0]
    assert len(set(taken)) == len(taken)
    # Any cluster may go without a class.
    slots = [*range(n_classes), *[-1] * n_clusters]
    best = max(right_pixels(counts, order) for order in permutations(slots, n_clusters))
    assert right_pixels(counts, classes) == best


@given(st.permutations(range(5)), st.integers(0, 2**32 - 1))
def test_hungarian_is_scipy_where_that_is_unique(order, seed):
    counts = np.random.default_rng(seed).integers(1, 10**9, (4, 5))[:, order]
    rows, columns = linear_sum_assignment(counts, maximize=True)
    classes = match_clusters(counts, "hungarian").classes
    np.testing.assert_array_equal(classes[columns], rows)
    assert (classes == -1).sum() == 1


def test_unmatched_clusters_get_no_class():
    # More clusters than classes, a cluster that is empty, and a pair left over.
    np.testing.assert_array_equal(
        match_clusters([[9, 5, 0]], "hungarian").classes, [0, -1, -1]
    )
    np.testing.assert_array_equal(
        match_clusters([[9, 5], [0, 0]], "hungarian").classes, [0, -1]
    )


@pytest.mark.parametrize("how", RULES)
@given(counts=confusions, data=st.data())
def test_the_numbering_of_clusters_does_not_matter(how, counts, data):
    order = np.array(data.draw(st.permutations(range(counts.shape[1]))))
    matching, renamed = (match_clusters(c, how) for c in (counts, counts[:, order]))
    scores, again = matching.scores(counts), renamed.scores(counts[:, order])
    assert again.pixel_accuracy == scores.pixel_accuracy
    if how == "majority":
        np.testing.assert_array_equal(renamed.classes, matching.classes[order])
        np.testing.assert_array_equal(again.class_iou, scores.class_iou)


@pytest.mark.parametrize("how", RULES)
@given(counts=confusions)
def test_clusters_without_pixels_change_nothing(how, counts):
    padded = np.pad(counts, [(0, 0), (0, 2)])
    scores = match_clusters(counts, how).scores(counts)
    again = match_clusters(padded, how).scores(padded)
    assert (match_clusters(padded, how).classes[-2:] == -1).all()
    assert again.pixel_accuracy == scores.pixel_accuracy


@pytest.mark.parametrize("how", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_renamed_truth_is_perfect(how, seed):
    generator = np.random.default_rng(seed)
    masks = [generator.integers(0, 5, (6, 7)) for _ in range(3)]
    names = generator.permutation(8)[:5]
    confusion = ConfusionMatrix(5, 8)
    for mask in masks:
        confusion.update(mask, names[mask])
    counts = confusion.counts
    matching = match_clusters(counts, how)
    scores = matching.scores(counts)
    assert scores.pixel_accuracy == scores.mean_iou == 1.0
    np.testing.assert_array_equal(matching.apply(names[masks[0]]), masks[0])


@given(confusions, st.integers(0, 3), st.integers(0, 9), st.integers(0, 9))
def test_clusters_of_one_class_can_be_merged(counts, c, first, second):
    pure = np.zeros((len(counts), 2), dtype=np.int64)
    pure[c % len(counts)] = first, second
    split = np.hstack([counts, pure])
    merged = np.hstack([counts, pure.sum(axis=1, keepdims=True)])
    for_split, for_merged = match_clusters(split), match_clusters(merged)
    np.testing.assert_array_equal(for_split.classes[:-2], for_merged.classes[:-1])
    scores, again = for_split.scores(split), for_merged.scores(merged)
    assert again.pixel_accuracy == scores.pixel_accuracy
    np.testing.assert_array_equal(again.class_iou, scores.class_iou)


@pytest.mark.parametrize("how", RULES)
@given(counts=confusions)
def test_large_counts_are_matched_as_small_ones(how, counts):
    large = counts * 2**34
    assert match_clusters(large, how).scores(large).mean_iou == pytest.approx(
        match_clusters(counts, how).scores(counts).mean_iou
    )


def test_applying_a_map_and_scoring_the_pixels_agree():
    generator = np.random.default_rng(1)
    mask, labels = generator.integers(0, 3, (9, 9)), generator.integers(0, 6, (9, 9))
    counts = ConfusionMatrix(3, 6).update(mask, labels).counts
    for how in RULES:
        matching = match_clusters(counts, how)
        predicted = matching.apply(labels, ignore_index=-1)
        accuracy = np.mean(predicted == mask)
        assert matching.scores(counts).pixel_accuracy == pytest.approx(accuracy)
        assert predicted.dtype == np.int64
    # One to one leaves three clusters over.
    assert (predicted == -1).any()
    np.testing.assert_array_equal(
        matching.apply(labels.astype(np.uint8), 99) == 99, predicted == -1
    )


def test_held_out_maps_do_not_see_what_they_score():
    of_map, scored = [[9, 1, 0], [0, 8, 0]], [[0, 5, 0], [5, 0, 2]]
    held_out = match_clusters(of_map)
    assert held_out.scores(scored).pixel_accuracy == 0.0
    assert match_clusters(scored).scores(scored).pixel_accuracy == 1.0
    # The cluster that the images of the map lack has no class.
    assert held_out.scores([[0, 0, 0], [0, 1, 1]]).pixel_accuracy == 0.5
    assert held_out.scores(scored, ["a", "b"]).class_names == ("a", "b")


def test_a_map_survives_a_pickle():
    matching = match_clusters([[3, 1], [0, 2]])
    again = pickle.loads(pickle.dumps(matching))
    np.testing.assert_array_equal(again.classes, matching.classes)


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="how='vote' must be one of majority, hung"):
        match_clusters([[1]], "vote")


@pytest.mark.parametrize("how", RULES)
def test_maps_need_pixels(how):
    with pytest.raises(ValueError, match="confusion holds no pixel"):
        match_clusters([[0, 0], [0, 0]], how)


@pytest.mark.parametrize(
    ("labels", "ignore_index", "message"),
    [
        ([[0, 3]], 255, "values from 0 to 3.*are 0 to 2"),
        ([[-1, 0]], 255, "values from -1 to 0"),
        ([[0.0]], 255, "type float64"),
        ([[0]], 1, "ignore_index=1 is one of the 2 classes"),
    ],
)
def test_labels_that_no_map_knows_are_refused(labels, ignore_index, message):
    matching = match_clusters([[3, 0, 0], [0, 2, 0]])
    with pytest.raises(ValueError, match=message):
        matching.apply(labels, ignore_index)


def test_maps_score_their_own_clusters_only():
    matching = match_clusters([[3, 0], [0, 2]])
    with pytest.raises(ValueError, match="from 2 clusters to 2 classes"):
        matching.scores([[3, 0, 0], [0, 2, 0]])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([[0]], "one integer per cluster"),
        ([0.0, 0.0], "one integer per cluster"),
        ([0, 2], "from 0 to 1, or -1"),
        ([0, -2], "from 0 to 1, or -1"),
    ],
)
def test_maps_hold_classes(classes, message):
    with pytest.raises(ValueError, match=message):
        ClusterMatching(np.array(classes), 2, "by hand")
