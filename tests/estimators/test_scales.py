"""A warning where one feature rules the distances."""

import warnings

import numpy as np
import pytest

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.estimators._scales import ScaleWarning, warn_of_scales


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(300, 4))


def silent(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_scales(X)
    return True


def test_one_large_feature_is_named(rows):
    rows[:, 2] *= 1000
    with pytest.warns(ScaleWarning, match=r"Feature 2 spreads over 2.*e\+03, and no "):
        warn_of_scales(rows)
    with pytest.warns(ScaleWarning, match="Column 'income' spreads"):
        warn_of_scales(rows, ["age", "size", "income", "x"])


def test_the_warning_is_at_the_line_of_the_fit(rows):
    rows[:, 1] *= 1000
    model = NeuralEigenSpectralClustering(2, random_state=0)
    with pytest.warns(ScaleWarning) as found:
        model.fit(rows)
    assert found[0].filename == __file__


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_units_of_all_do_not_matter(rows, factor):
    assert silent(factor * rows)
    with pytest.warns(ScaleWarning):
        warn_of_scales(factor * rows * [1, 1, 1, 99])


def test_two_large_features_are_no_fault(rows):
    assert silent(rows * [1, 1, 1000, 800])


def test_far_rows_are_no_spread(rows):
    rows[:10, 1] = 1e9
    assert silent(rows)


def test_rare_features_count_by_their_deviation(rows):
    """Most of a column of 0 and 1 may be 0."""
    rows[:, 3] = 0
    rows[:20, 3] = 1
    assert silent(rows)
    rows[:20, 3] = 1e4
    with pytest.warns(ScaleWarning, match="Feature 3"):
        warn_of_scales(rows)


def test_others_may_be_constant(rows):
    rows[:, 1:] = 5
    with pytest.warns(ScaleWarning, match="and the others are constant"):
        warn_of_scales(rows)


def test_coordinates_have_one_unit(rows):
    assert silent(rows[:, :3] * [1, 1, 1000])
    assert silent(np.zeros((5, 4)))
