import numpy as np
import pytest

from neuraleig.plotting._palette import COLORS
from neuraleig.segmentation.outputs import label_colors, overlay
from neuraleig.segmentation.outputs._palette import boundaries, lab_of


def test_the_first_colours_are_those_of_the_plots():
    found = [f"#{bytes(color).hex()}" for color in label_colors(10)]
    assert found == list(COLORS)


@pytest.mark.parametrize("n_labels", [1, 9, 65, 500, 1025, 3000])
def test_a_colour_does_not_depend_on_their_number(n_labels):
    colors = label_colors(n_labels)
    assert colors.shape == (n_labels, 3)
    assert colors.dtype == np.uint8
    np.testing.assert_array_equal(colors, label_colors(5000)[:n_labels])


def test_the_caller_may_change_the_colours():
    label_colors(20)[:] = 0
    assert label_colors(20).any()


# A difference of 2.3 in CIELAB is just noticed.
@pytest.mark.parametrize(("n_labels", "least"), [(64, 18), (256, 13), (1024, 7)])
def test_colours_are_far_apart(n_labels, least):
    places = lab_of(label_colors(n_labels))
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() > least


def test_places_in_lab_are_the_known_ones():
    places = lab_of(np.array([[255, 255, 255], [255, 0, 0], [0, 0, 0]]))
    expected = [[100, 0, 0], [53.24, 80.09, 67.20], [0, 0, 0]]
    np.testing.assert_allclose(places, expected, atol=0.01)


def test_no_labels_have_no_colours():
    with pytest.raises(ValueError, match="n_labels=0"):
        label_colors(0)


def test_boundaries_are_both_sides_of_a_border():
    labels = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]])
    expected = [[0, 1, 1], [0, 1, 1], [0, 0, 1]]
    np.testing.assert_array_equal(boundaries(labels), np.array(expected, bool))


@pytest.mark.parametrize("opacity", [0, 0.3, 1])
def test_colours_are_laid_over_the_image(opacity):
    generator = np.random.default_rng(0)
    # Higher than a strip.
    image = generator.integers(0, 256, (600, 7, 3), np.uint8)
    labels = generator.integers(0, 5, (600, 7))
    before = image.copy()
    colors = label_colors(5)
    found = overlay(image, labels, colors, opacity, outline=False)
    expected = opacity * colors[labels] + (1 - opacity) * image
    assert np.abs(found - expected).max() <= 1
    np.testing.assert_array_equal(image, before)


def test_borders_are_drawn_in_full_colour():
    image, colors = np.zeros((4, 6, 3), np.uint8), label_colors(2)
    labels = np.repeat([[0, 0, 0, 1, 1, 1]], 4, axis=0)
    found = overlay(image, labels, colors)
    np.testing.assert_array_equal(found[:, 2], np.repeat(colors[:1], 4, axis=0))
    np.testing.assert_array_equal(found[:, 3], np.repeat(colors[1:], 4, axis=0))
    assert (found[:, 0] < colors[0]).all()


@pytest.mark.parametrize(
    ("labels", "opacity", "message"),
    [
        (np.zeros((4, 5), int), 0.5, r"\(4, 5\)"),
        (np.full((4, 6), 2), 0.5, "must be 0 to 1"),
        (np.zeros((4, 6), int), 1.5, "opacity=1.5"),
        (np.zeros((4, 6), int), -0.5, "opacity=-0.5"),
    ],
)
def test_what_cannot_be_laid_over_is_refused(labels, opacity, message):
    with pytest.raises(ValueError, match=message):
        overlay(np.zeros((4, 6, 3), np.uint8), labels, label_colors(2), opacity)
