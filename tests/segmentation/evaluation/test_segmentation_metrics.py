import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuraleig.segmentation.evaluation import ClusterMatching, ConfusionMatrix

N_CLASSES, N_CLUSTERS, IGNORED = 4, 6, 255
sizes = st.tuples(st.integers(1, 6), st.integers(1, 6))


def confusion_matrix(
    masks, labels, n_classes=N_CLASSES, n_clusters=N_CLUSTERS, ignore_index=IGNORED
):
    confusion = ConfusionMatrix(n_classes, n_clusters, ignore_index)
    for mask, label_map in zip(masks, labels, strict=True):
        confusion.update(mask, label_map)
    return confusion.counts


def segmentation_scores(counts, classes, class_names=None):
    matching = ClusterMatching(np.array(classes), len(counts), "by hand")
    return matching.scores(counts, class_names)


@st.composite
def pairs(draw, max_images=4):
    """Masks with ignored pixels and labels, of a size per image."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks, labels = [], []
    for shape in draw(st.lists(sizes, min_size=1, max_size=max_images)):
        mask = generator.integers(0, N_CLASSES, shape)
        mask[generator.random(shape) < 0.2] = IGNORED
        masks.append(mask)
        labels.append(generator.integers(0, N_CLUSTERS, shape))
    # One pixel at least has a class.
    masks[0][0, 0] = 1
    return masks, labels


def counted_one_by_one(masks, labels):
    counts = np.zeros((N_CLASSES, N_CLUSTERS), dtype=np.int64)
    for mask, label_map in zip(masks, labels, strict=True):
        for truth, found in zip(mask.ravel(), label_map.ravel(), strict=True):
            if truth != IGNORED:
                counts[truth, found] += 1
    return counts


def scored_one_by_one(masks, predictions, n_classes):
    """Scores from the pixels themselves; -1 is a prediction of no class."""
    truth = np.concatenate([mask.ravel() for mask in masks])
    found = np.concatenate([p.ravel() for p in predictions])[truth != IGNORED]
    truth = truth[truth != IGNORED]
    iou, accuracy = [], []
    for c in range(n_classes):
        either = (truth == c) | (found == c)
        both = (truth == c) & (found == c)
        iou.append(both.sum() / either.sum() if either.any() else np.nan)
        in_class = truth == c
        accuracy.append(both.sum() / in_class.sum() if in_class.any() else np.nan)
    present = [value for value in iou if not np.isnan(value)]
    return np.mean(truth == found), np.mean(present), iou, accuracy


@given(pairs())
def test_counts_are_those_of_the_pixels(pair):
    counts = confusion_matrix(*pair)
    np.testing.assert_array_equal(counts, counted_one_by_one(*pair))
    assert counts.dtype == np.int64


@given(pairs())
def test_the_order_of_images_does_not_matter(pair):
    masks, labels = pair
    whole = confusion_matrix(masks, labels, N_CLASSES, N_CLUSTERS)
    streamed = ConfusionMatrix(N_CLASSES, N_CLUSTERS)
    for mask, label_map in zip(reversed(masks), reversed(labels), strict=True):
        streamed.update(mask, label_map)
    np.testing.assert_array_equal(streamed.counts, whole)
    assert streamed.n_images == len(masks)


@pytest.mark.parametrize("mask_type", [np.uint8, np.int16, np.uint16, np.int64])
@pytest.mark.parametrize("label_type", [np.uint8, np.uint16, np.int32, np.uint64])
def test_small_types_do_not_overflow(mask_type, label_type):
    # 149 * 200 + 199 fits no byte.
    mask = np.array([[149, 0, 255]], dtype=mask_type)
    labels = np.array([[199, 3, 7]], dtype=label_type)
    counts = ConfusionMatrix(150, 200).update(mask, labels).counts
    assert counts[149, 199] == counts[0, 3] == 1
    assert counts.sum() == 2


def test_nothing_is_ignored_when_asked():
    mask, labels = [[0, 1]], [[0, 0]]
    assert confusion_matrix([mask], [labels], 2, 1, None).sum() == 2
    with pytest.raises(ValueError, match="value 255"):
        confusion_matrix([[[0, 255]]], [labels], 2, 1, None)
    assert confusion_matrix([[[0, -1]]], [labels], 2, 1, -1).sum() == 1


def test_counts_and_scores_beyond_32_bits():
    confusion = ConfusionMatrix(2, 2)
    confusion.update([[0, 1]], [[0, 1]])
    confusion.counts += np.array([[2**40, 0], [2**33, 2**40]])
    confusion.update([[1]], [[0]])
    np.testing.assert_array_equal(
        confusion.counts, [[2**40 + 1, 0], [2**33 + 1, 2**40 + 1]]
    )
    scores = segmentation_scores(confusion.counts, [0, 1])
    total = 2 * (2**40 + 1) + 2**33 + 1
    assert scores.pixel_accuracy == 2 * (2**40 + 1) / total
    assert scores.class_iou[0] == (2**40 + 1) / (2**40 + 1 + 2**33 + 1)


@given(pairs(), st.integers(0, 2**32 - 1))
def test_scores_are_those_of_the_pixels(pair, seed):
    masks, labels = pair
    classes = np.random.default_rng(seed).integers(-1, N_CLASSES, N_CLUSTERS)
    counts = confusion_matrix(masks, labels, N_CLASSES, N_CLUSTERS)
    scores = segmentation_scores(counts, classes)
    accuracy, mean_iou, iou, class_accuracy = scored_one_by_one(
        masks, [classes[label_map] for label_map in labels], N_CLASSES
    )
    assert scores.pixel_accuracy == pytest.approx(accuracy)
    assert scores.mean_iou == pytest.approx(mean_iou)
    np.testing.assert_allclose(scores.class_iou, iou)
    np.testing.assert_allclose(scores.class_accuracy, class_accuracy)
    np.testing.assert_array_equal(scores.class_pixels, counts.sum(axis=1))


@given(pairs())
def test_truth_as_labels_is_perfect(pair):
    masks, _ = pair
    labels = [np.where(mask == IGNORED, 0, mask) for mask in masks]
    counts = confusion_matrix(masks, labels, N_CLASSES, N_CLASSES)
    scores = segmentation_scores(counts, np.arange(N_CLASSES))
    assert scores.pixel_accuracy == scores.mean_iou == 1.0


def test_classes_in_neither_do_not_count():
    # Class 2 is nowhere; class 1 is predicted but in no mask.
    scores = segmentation_scores([[6, 2], [0, 0], [0, 0]], [0, 1])
    np.testing.assert_array_equal(scores.class_iou, [0.75, 0, np.nan])
    np.testing.assert_array_equal(scores.class_accuracy, [0.75, np.nan, np.nan])
    assert scores.mean_iou == 0.375


def test_pixels_of_clusters_without_a_class_are_wrong():
    counts = [[6, 2], [0, 8]]
    scores = segmentation_scores(counts, [0, -1])
    assert scores.pixel_accuracy == 6 / 16
    # A false negative of their class, a false positive of none.
    np.testing.assert_array_equal(scores.class_iou, [0.75, 0.0])
    nothing = segmentation_scores(counts, [-1, -1])
    assert nothing.pixel_accuracy == nothing.mean_iou == 0.0


def test_the_table_has_a_line_per_class():
    scores = segmentation_scores(
        [[6, 2], [0, 0], [0, 0]], [0, 1], ["road", "traffic light", "sky"]
    )
    header, rule, *lines, second_rule, overall, legend = scores.table().splitlines()
    assert header.split() == ["class", "IoU", "accuracy", "share"]
    assert [line.split() for line in lines] == [
        ["road", "75.00", "75.00", "100.00"],
        ["traffic", "light", "0.00", "-", "0.00"],
        ["sky", "-", "-", "0.00"],
    ]
    assert overall.split() == ["all", "37.50", "75.00"]
    assert rule == second_rule
    assert "mean IoU" in legend
    # Columns are aligned at the right.
    assert len({len(line) for line in [header, *lines]}) == 1


def test_scores_survive_a_pickle():
    scores = segmentation_scores([[6, 2], [1, 3]], [0, 1])
    again = pickle.loads(pickle.dumps(scores))
    assert again.table() == scores.table()


@pytest.mark.parametrize(
    ("mask", "labels", "message"),
    [
        ([[0, 1]], [[0], [1]], r"image 1: the mask has shape \(1, 2\) but.*\(2, 1\)"),
        ([[0, 7]], [[0, 1]], "image 1: the mask has the value 7.*n_classes=4"),
        ([[0, -1]], [[0, 1]], "image 1: the mask has the value -1"),
        ([[0, 1]], [[0, -1]], "image 1: the labels have the value -1"),
        ([[0, 255]], [[0, -1]], "image 1: the labels have the value -1"),
        ([[0, 1]], [[0, 6]], "image 1: the labels have the value 6.*n_clusters=6"),
        ([[0, 255]], [[0, 6]], "image 1: the labels have the value 6"),
        ([[0.0, 1.0]], [[0, 1]], "image 1: mask of shape .* type float64"),
        ([[0, 1]], [[0.0, 1.0]], "image 1: labels of shape .* type float64"),
        ([0, 1], [0, 1], r"image 1: mask of shape \(2,\)"),
        ([[0, 1]], [[[0, 1]]], r"image 1: labels of shape \(1, 1, 2\)"),
    ],
)
def test_bad_maps_are_refused_by_their_image(mask, labels, message):
    good = np.zeros((2, 2), dtype=np.int64)
    with pytest.raises(ValueError, match=message):
        confusion_matrix([good, mask], [good, labels], N_CLASSES, N_CLUSTERS)
    confusion = ConfusionMatrix(N_CLASSES, N_CLUSTERS).update(good, good)
    with pytest.raises(ValueError, match=message):
        confusion.update(mask, labels)
    # A refused image leaves no trace.
    assert (confusion.counts.sum(), confusion.n_images) == (4, 1)
    with pytest.raises(ValueError, match=r"street\.png: "):
        confusion.update(mask, labels, image="street.png")


@pytest.mark.parametrize("name", ["n_classes", "n_clusters"])
def test_there_is_a_class_and_a_cluster(name):
    with pytest.raises(ValueError, match=f"{name}=0 must be an integer of at least 1"):
        ConfusionMatrix(**{"n_classes": 2, "n_clusters": 2, name: 0})


@pytest.mark.parametrize(
    ("confusion", "classes", "names", "message"),
    [
        ([1, 2], [0, 0], None, r"confusion of shape \(2,\)"),
        ([[0.5, 1.0]], [0, 0], None, "type float64 must have"),
        ([[1, -2]], [0, 0], None, "integers of at least 0"),
        ([[1, 2]], [0], None, "from 1 clusters to 1 classes"),
        ([[1, 2]], [0, 0], ["a", "b"], "class_names has 2 names"),
        ([[0, 0]], [0, 0], None, "no pixel to score"),
    ],
)
def test_what_cannot_be_scored_is_refused(confusion, classes, names, message):
    with pytest.raises(ValueError, match=message):
        segmentation_scores(confusion, classes, names)
