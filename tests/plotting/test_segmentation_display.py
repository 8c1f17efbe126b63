"""Segments of images: pixels are those of the overlay."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from sklearn.datasets import load_sample_image

from neuraleig.plotting import SegmentationDisplay
from neuraleig.plotting._segmentation import MAX_ENTRIES, MAX_SIDE
from neuraleig.segmentation import label_colors, overlay

GENERATOR = np.random.default_rng(0)
IMAGE = GENERATOR.integers(0, 256, (12, 20, 3), dtype=np.uint8)
# 15 % of the pixels, nothing, 55 % and 30 %.
LABELS = np.repeat([[0] * 3 + [2] * 11 + [3] * 6], 12, axis=0)


@pytest.mark.parametrize("opacity", [0, 0.4, 1])
@pytest.mark.parametrize("outline", [True, False])
def test_pixels_are_those_of_the_overlay(ax, opacity, outline):
    display = SegmentationDisplay.from_predictions(
        IMAGE, LABELS, opacity=opacity, outline=outline, ax=ax
    )
    expected = overlay(IMAGE, LABELS, label_colors(4), opacity, outline)
    np.testing.assert_array_equal(display.image_.get_array(), expected)
    # The axes count pixels, from the upper left corner on.
    assert tuple(display.image_.get_extent()) == (-0.5, 19.5, 11.5, -0.5)


def test_the_legend_names_what_occurs_with_shares_the_largest_first(ax, legend_texts):
    display = SegmentationDisplay.from_predictions(
        IMAGE,
        LABELS,
        cluster_names={1: "nowhere", 2: "road", 7: ""},
        n_clusters=8,
        ax=ax,
    )
    assert legend_texts(display) == ["2 road: 55.0 %", "3: 30.0 %", "0: 15.0 %"]
    np.testing.assert_allclose(display.shares_[:4], [0.15, 0, 0.55, 0.3])
    for patch, cluster in zip(display.legend_.legend_handles, (2, 3, 0), strict=True):
        expected = label_colors(4)[cluster] / 255
        np.testing.assert_allclose(patch.get_facecolor()[:3], expected)


def test_colours_do_not_depend_on_the_number_of_clusters(ax):
    few = SegmentationDisplay.from_predictions(IMAGE, LABELS, ax=ax)
    many = SegmentationDisplay.from_predictions(IMAGE, LABELS, n_clusters=40, ax=ax)
    np.testing.assert_array_equal(few.image_.get_array(), many.image_.get_array())


def test_small_clusters_share_an_entry(ax, legend_texts):
    labels = np.repeat(np.arange(24), 10).reshape(12, 20)
    display = SegmentationDisplay.from_predictions(IMAGE, labels, ax=ax)
    texts = legend_texts(display)
    assert len(texts) == MAX_ENTRIES + 1
    assert texts[-1] == "6 more: 25.0 %"


def test_given_colours_are_used(ax):
    colors = np.array([[1, 2, 3]] * 3 + [[200, 0, 0]], np.uint8)
    display = SegmentationDisplay.from_predictions(
        IMAGE, LABELS, colors=colors, opacity=1, ax=ax
    )
    np.testing.assert_array_equal(display.image_.get_array(), colors[LABELS])
    patch = display.legend_.legend_handles[1]
    assert patch.get_facecolor()[:3] == pytest.approx(to_rgb("#c80000"), abs=1e-6)


def test_a_plot_can_be_made_again_without_colours_and_legend(ax):
    display = SegmentationDisplay.from_predictions(IMAGE, LABELS)
    display.plot(ax, opacity=0, outline=False, legend=False)
    np.testing.assert_array_equal(display.image_.get_array(), IMAGE)
    assert display.legend_ is ax.get_legend() is None


def test_large_images_are_thinned_out_and_keep_their_pixels_and_shares(ax):
    size = MAX_SIDE + 10
    image = np.zeros((40, size, 3), np.uint8)
    labels = np.zeros((40, size), int)
    labels[1::2] = 1
    display = SegmentationDisplay.from_predictions(image, labels, ax=ax)
    assert display.image_.get_array().shape == (20, size // 2, 3)
    assert tuple(display.image_.get_extent()) == (-0.5, size - 0.5, 39.5, -0.5)
    # Of the rows that are drawn, none has the label 1.
    assert display.shares_.tolist() == [0.5, 0.5]


def test_a_segmenter_labels_its_image(segmenter, pictures, ax, legend_texts):
    segmenter.name_clusters({0: "dark"})
    try:
        display = SegmentationDisplay.from_estimator(segmenter, pictures[0], ax=ax)
    finally:
        segmenter.name_clusters({0: ""})
    labels = segmenter.predict(pictures[0])
    np.testing.assert_array_equal(display.labels, labels)
    assert len(display.colors) == segmenter.n_clusters_
    assert any(text.startswith("0 dark: ") for text in legend_texts(display))


def test_images_are_read_in_any_form(segmenter, pictures, tmp_path, ax):
    path, mask = tmp_path / "image.png", tmp_path / "labels.png"
    Image.fromarray(pictures[0]).save(path)
    labels = np.asarray(segmenter.predict(pictures[0]))
    Image.fromarray(labels).save(mask)
    found = SegmentationDisplay.from_estimator(segmenter, path, ax=ax)
    given = SegmentationDisplay.from_predictions(Image.open(path), mask, ax=ax)
    for display in (found, given):
        np.testing.assert_array_equal(display.image, pictures[0])
        np.testing.assert_array_equal(display.labels, labels)


def test_lists_are_labels(ax):
    display = SegmentationDisplay.from_predictions(IMAGE, LABELS.tolist(), ax=ax)
    np.testing.assert_array_equal(display.labels, LABELS)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (LABELS[:5], {}, "labels have shape (5, 20), but the image has (12, 20)"),
        (LABELS - 1, {}, "labels has -1;"),
        (LABELS, {"n_clusters": 3}, "n_clusters=3 is too small for labels up to 3"),
        (LABELS, {"cluster_names": ["a"] * 5}, "name for cluster 4"),
        (LABELS, {"colors": np.zeros((2, 3), np.uint8)}, "n_clusters=2 is too small"),
        (LABELS, {"colors": np.zeros((4, 3))}, "colors of shape (4, 3) and type"),
        (LABELS, {"opacity": -0.1}, "opacity=-0.1"),
        (LABELS, {"opacity": "half"}, "opacity='half'"),
    ],
)
def test_what_does_not_go_together_is_refused(labels, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SegmentationDisplay.from_predictions(IMAGE, labels, **options)


@pytest.mark.parametrize("crop", [slice(None), slice(100, 180)])
@pytest.mark.parametrize("n_clusters", [3, 40])
def test_the_picture_takes_a_fair_part_of_the_figure(crop, n_clusters):
    image = load_sample_image("china.jpg")[:, crop]
    height, width = image.shape[:2]
    labels = np.arange(height * width).reshape(height, width) % n_clusters
    display = SegmentationDisplay.from_predictions(
        image, labels, cluster_names={1: "vegetation"}
    )
    figure = display.figure_
    figure.draw_without_rendering()
    picture, legend = display.ax_.get_window_extent(), display.legend_
    assert picture.height > 0.6 * figure.bbox.height
    assert legend.get_window_extent().x1 <= figure.bbox.x1 + 1
    assert legend.get_window_extent().y0 >= -1
    assert legend.get_window_extent().x0 >= picture.x1
