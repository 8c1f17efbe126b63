"""Sizes of clusters: bars are counts."""

import re
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.cluster import DBSCAN, KMeans

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.plotting import ClusterSizesDisplay
from neuraleig.plotting._palette import ACCENT, colors_of
from neuraleig.training import Training

LABELS = [0, 3, 3, 1, 1, 1]


def heights(display):
    return [bar.get_height() for bar in display.bars_]


def widths(display):
    return [bar.get_width() for bar in display.bars_]


def ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def words(display):
    return [text.get_text() for text in display.texts_]


def test_bars_are_counts_and_empty_clusters_have_one(ax):
    display = ClusterSizesDisplay.from_predictions(LABELS, n_clusters=5, ax=ax)
    assert heights(display) == [1, 3, 0, 2, 0]
    assert ticks(ax.xaxis) == ["0", "1", "2", "3", "4"]
    assert words(display) == ["1", "3", "0", "2", "0"]
    assert ax.get_xlabel() == "Cluster (2 of 5 empty)"
    empty = [text.get_color() == ACCENT for text in display.texts_]
    assert empty == [False, False, True, False, True]


def test_bars_have_the_colours_of_the_clusters(ax):
    display = ClusterSizesDisplay.from_predictions(LABELS, sort=True, ax=ax)
    found = [to_hex(bar.get_facecolor()) for bar in display.bars_]
    assert found == [colors_of(4)[cluster] for cluster in (1, 3, 0, 2)]


def test_sorted_bars_begin_with_the_largest_and_keep_their_names(ax):
    display = ClusterSizesDisplay.from_predictions(
        LABELS, sort=True, cluster_names={1: "road"}, orientation="vertical", ax=ax
    )
    np.testing.assert_array_equal(display.order_, [1, 3, 0, 2])
    assert heights(display) == [3, 2, 1, 0]
    assert ticks(ax.xaxis) == ["1 road", "3", "0", "2"]


def test_shares_sum_to_a_hundred(ax):
    display = ClusterSizesDisplay.from_predictions(LABELS, normalize=True, ax=ax)
    assert sum(heights(display)) == pytest.approx(100)
    assert words(display) == ["16.7 %", "50.0 %", "0.0 %", "33.3 %"]
    assert ax.get_ylabel() == "Share of all (%)"


def test_a_plot_can_be_made_again_in_another_way(ax):
    display = ClusterSizesDisplay.from_predictions(LABELS)
    display.plot(ax, orientation="horizontal", sort=True, normalize=True)
    assert widths(display) == pytest.approx([50, 100 / 3, 50 / 3, 0])
    np.testing.assert_array_equal(display.counts, [1, 3, 0, 2])


@pytest.mark.parametrize(
    ("options", "is_flat"),
    [
        ({}, False),
        ({"n_clusters": 12}, False),
        ({"n_clusters": 13}, True),
        ({"cluster_names": {0: "sky"}}, True),
        ({"cluster_names": {}}, False),
        ({"n_clusters": 30, "orientation": "vertical"}, False),
        ({"orientation": "horizontal"}, True),
    ],
)
def test_many_or_named_clusters_lie_one_below_the_other(ax, options, is_flat):
    display = ClusterSizesDisplay.from_predictions(LABELS, ax=ax, **options)
    sizes = widths(display) if is_flat else heights(display)
    np.testing.assert_array_equal(sizes, display.counts)
    if is_flat:
        # The first at the top.
        bottom, top = ax.get_ylim()
        assert bottom > top


@pytest.mark.parametrize("n_clusters", [9, 40, 50])
def test_no_label_covers_another(n_clusters):
    labels = np.repeat(np.arange(n_clusters), 123_456)
    for orientation in ("auto", "vertical") if n_clusters < 20 else ("auto",):
        display = ClusterSizesDisplay.from_predictions(labels, orientation=orientation)
        display.figure_.draw_without_rendering()
        for texts in (
            display.texts_,
            display.ax_.get_xticklabels(),
            display.ax_.get_yticklabels(),
        ):
            boxes = [text.get_window_extent() for text in texts if text.get_text()]
            pairs = pairwise(boxes)
            assert not any(one.overlaps(other) for one, other in pairs)


def test_very_many_clusters_have_every_second_or_third_label():
    display = ClusterSizesDisplay.from_predictions([0], n_clusters=120)
    assert display.texts_ == []
    assert ticks(display.ax_.yaxis) == [str(n) for n in range(0, 120, 3)]
    assert len(display.bars_) == 120


def test_training_rows_of_an_estimator_are_counted(clustering, rows, ax):
    display = ClusterSizesDisplay.from_estimator(clustering, ax=ax)
    np.testing.assert_array_equal(
        display.counts, np.bincount(clustering.labels_, minlength=3)
    )
    some = ClusterSizesDisplay.from_estimator(clustering, rows[:50], ax=ax)
    np.testing.assert_array_equal(
        some.counts, np.bincount(clustering.predict(rows[:50]), minlength=3)
    )


def test_clusters_without_rows_are_those_that_were_asked_for(rows, ax):
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    only = rows[model.labels_ == 0]
    display = ClusterSizesDisplay.from_estimator(model, only, ax=ax)
    assert display.counts.tolist() == [len(only), 0, 0]


def test_other_estimators_are_counted(rows, ax):
    model = KMeans(4, n_init=1, random_state=0).fit(rows)
    display = ClusterSizesDisplay.from_estimator(model, ax=ax)
    np.testing.assert_array_equal(display.counts, np.bincount(model.labels_))
    predicted = ClusterSizesDisplay.from_estimator(model, rows, ax=ax)
    np.testing.assert_array_equal(predicted.counts, display.counts)


def test_pixels_of_images_are_counted_and_names_are_the_given_ones(
    segmenter, pictures, ax
):
    segmenter.name_clusters({1: "road"})
    try:
        display = ClusterSizesDisplay.from_estimator(segmenter, pictures, ax=ax)
    finally:
        segmenter.name_clusters({1: ""})
    pixels = np.concatenate([m.ravel() for m in segmenter.predict(pictures)])
    n_clusters = segmenter.n_clusters_
    np.testing.assert_array_equal(
        display.counts, np.bincount(pixels, minlength=n_clusters)
    )
    assert ticks(ax.yaxis)[:2] == ["0", "1 road"]
    alone = ClusterSizesDisplay.from_estimator(segmenter, pictures[0], ax=ax)
    assert alone.counts.sum() == pictures[0].shape[0] * pictures[0].shape[1]


def test_a_segmenter_needs_images(segmenter):
    with pytest.raises(TypeError, match="DenseSegmenter, which has no labels_"):
        ClusterSizesDisplay.from_estimator(segmenter)


def test_images_of_several_sizes_are_counted_together(ax):
    images = [np.zeros((2, 3), np.uint8), np.ones((4, 1), np.uint16)]
    display = ClusterSizesDisplay.from_predictions(images, ax=ax)
    assert display.counts.tolist() == [6, 4]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "labels is empty"),
        ([0, -1], {}, "labels has -1;"),
        ([0.0, 1.0], {}, "labels has type float64"),
        (["a", "b"], {}, "labels has type <U1"),
        ([0, 5], {"n_clusters": 5}, "n_clusters=5 is too small for labels up to 5"),
        ([0], {"n_clusters": 0}, "n_clusters=0"),
        ([0], {"n_clusters": 1.5}, "n_clusters=1.5"),
        ([0, 1], {"cluster_names": {2: "sky"}}, "name for cluster 2"),
        ([0, 1], {"orientation": "flat"}, "orientation='flat'"),
    ],
)
def test_what_is_no_labels_of_clusters_is_refused(labels, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ClusterSizesDisplay.from_predictions(labels, **options)


def test_outliers_are_no_cluster(rows, ax):
    model = DBSCAN(eps=0.1).fit(rows)
    with pytest.raises(ValueError, match="labels has -1;"):
        ClusterSizesDisplay.from_estimator(model, ax=ax)


def test_style_is_passed_on(ax):
    display = ClusterSizesDisplay.from_predictions(LABELS, ax=ax, color="0.5", lw=2)
    bar = display.bars_[0]
    assert (to_hex(bar.get_facecolor()), bar.get_linewidth()) == ("#808080", 2)


def test_label_maps_of_an_iterator_are_counted_one_by_one(segmenter, pictures, ax):
    maps = list(segmenter.iter_predict(pictures))
    display = ClusterSizesDisplay.from_predictions(
        segmenter.iter_predict(pictures), n_clusters=segmenter.n_clusters_, ax=ax
    )
    expected = np.bincount(np.ravel(maps), minlength=segmenter.n_clusters_)
    np.testing.assert_array_equal(display.counts, expected)
    with pytest.raises(ValueError, match="labels is empty"):
        ClusterSizesDisplay.from_predictions(iter([]))


def test_estimators_without_clusters_are_refused(embedding, rows):
    with pytest.raises(TypeError, match="NeuralSpectralEmbedding, which does not pred"):
        ClusterSizesDisplay.from_estimator(embedding, rows)
