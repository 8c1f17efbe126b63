"""Numbers behind a page: moments, probabilities, and how they are written."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.pipeline import Pipeline

from neuraleig.report._columns import Columns
from neuraleig.report._figures import inline_svg
from neuraleig.report._model import value_text
from neuraleig.report._page import number_text
from neuraleig.report._profile import CellCounts
from neuraleig.report._rows import RowSummary
from neuraleig.report._statistics import (
    N_BINS,
    Confidences,
    FeatureMoments,
    separating_features,
    telling_features,
)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("cuts", [[], [1], [30, 31, 90]])
def test_moments_are_those_of_numpy_however_rows_come(generator, offset, cuts):
    rows = generator.normal(size=(100, 4)) * [1, 10, 0.1, 0] + offset
    labels = generator.integers(0, 3, 100)
    labels[labels == 1] = 0
    found = FeatureMoments(4)
    for part, own in zip(np.split(rows, cuts), np.split(labels, cuts), strict=True):
        found.add(part, own)
    np.testing.assert_allclose(found.means, rows.mean(axis=0), rtol=1e-12)
    expected = rows.std(axis=0)
    np.testing.assert_allclose(found.deviations[:3], expected[:3], rtol=1e-5)
    assert found.deviations[3] == 0
    for cluster in (0, 2):
        own = rows[labels == cluster].mean(axis=0)
        np.testing.assert_allclose(found.cluster_means[cluster], own, rtol=1e-12)
    assert np.isnan(found.cluster_means[[1, 3]]).all()


def test_a_constant_that_rounding_disturbs_has_no_deviation():
    rows = np.full((1000, 1), 0.1)
    rows[0] = 0.1 + 2e-17
    moments = FeatureMoments(1)
    moments.add(rows, np.zeros(1000, dtype=np.int64))
    assert moments.deviations == [0.0]


def test_features_are_ranked_by_what_they_tell():
    differences = np.array([[0.0, -3.0, 1.0], [0.5, 0.1, 1.0]])
    assert telling_features(differences[0]).tolist() == [1, 2, 0]
    # A small cluster does not decide for all.
    sizes = np.array([1, 99])
    assert separating_features(differences, sizes).tolist() == [2, 0, 1]


def test_confidences_are_counted_whatever_the_parts(generator):
    labels = generator.integers(0, 3, 200)
    probabilities = generator.random(200)
    probabilities[:2] = 1.0, 1.0 + 1e-7
    found = Confidences(4)
    found.add(labels[:120].reshape(10, 12), probabilities[:120].reshape(10, 12))
    found.add(labels[120:], probabilities[120:])
    assert found.sizes.tolist() == np.bincount(labels, minlength=4).tolist()
    assert found.histogram.size == N_BINS
    assert found.histogram.sum() == 200
    edges = np.linspace(0, 1, N_BINS + 1)
    expected, _ = np.histogram(np.minimum(probabilities, 1.0), edges)
    assert np.abs(found.histogram - expected).max() <= 1
    assert found.means[0] == pytest.approx(probabilities[labels == 0].mean())
    assert np.isnan(found.means[3])
    assert found.mean == pytest.approx(probabilities.mean())
    assert found.n_doubtful == np.sum(probabilities < 0.5)


def test_typical_rows_are_near_the_mean_and_sure():
    rows = np.array([[0.0], [0.1], [5.0], [0.2], [9.0]])
    sure = np.array([0.6, 0.9, 0.9, 0.95, 0.99])
    probabilities = np.column_stack([sure, 1 - sure])
    probabilities[4] = probabilities[4, ::-1]
    columns = Columns(None, None)
    columns.read(rows)
    cells = CellCounts(columns, 2)
    # A cluster mean of 0, with the row that is nearest to it the least sure.
    cells.add(np.array([[-1.0], [1.0], [9.0]]), np.array([0, 0, 1]))
    profile = cells.profile(np.array([2, 1]))
    summary = RowSummary(
        5, profile, Confidences(2), rows, np.arange(5), np.zeros((5, 2)), probabilities
    )
    assert summary.typical_rows(0, 2).tolist() == [1, 3]
    assert summary.typical_rows(1, 2).tolist() == [4]
    assert summary.doubtful_rows(2).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (1234567.0, "1,234,567"),
        (123456.7, "123,457"),
        (12345.678, "12,346"),
        (1234.56, "1,235"),
        (0.12345, "0.1235"),
        (1e30, "1e+30"),
        (-0.0, "0"),
        (np.nan, "\N{EN DASH}"),
    ],
)
def test_numbers_in_words(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (-3e-17, 1.0, "0.0"),
        (3e-17, 1e-16, "3e-17"),
        (3e-19, 1e-16, "0"),
        (0.97571, 0.8, "0.98"),
        (0.2, 0.8, "0.20"),
        (55.27, 18.0, "55"),
        (10976561.3, 8e6, "10,976,561"),
        (1e30, 1e29, "1e+30"),
        (12.5, np.inf, "12.5"),
    ],
)
def test_numbers_of_one_scale_have_equal_decimals(value, scale, text):
    assert number_text(value, scale) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "'x'"),
        (np.float64(0.5), "0.5"),
        ((1,), "(1,)"),
        ((1.0, 0.3), "(1.0, 0.3)"),
        ([None, True], "[None, True]"),
        ({"a": [1]}, "{'a': [1]}"),
        (len, "builtins.len"),
        (KMeans(3, init=len), "KMeans(n_clusters=3, init=builtins.len)"),
        ({"a": [Pipeline([])]}, "{'a': [Pipeline(steps=[])]}"),
        (np.random.RandomState(0), "an object of type RandomState"),
    ],
)
def test_values_of_parameters_in_words(value, text):
    assert value_text(value) == text


def test_figures_keep_what_they_refer_to_and_nothing_else():
    text = (
        '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="1">'
        '<style type="text/css">*{a: b}</style><g id="figure_1"><path id="m1"/>'
        '<use xlink:href="#m1"/><clipPath id="c"/><g clip-path="url(#c)"/></g></svg>'
    )
    found = inline_svg(text, "sizes")
    assert "http" not in found
    assert "figure_1" not in found
    assert "<style" not in found
    for part in ('id="sizes-m1"', 'href="#sizes-m1"', 'id="sizes-c"', "url(#sizes-c)"):
        assert part in found
