import numpy as np
import pytest
import torch

from neuraleig import _standardize
from neuraleig._standardize import Standardization


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    return generator.normal(size=(50, 3)) * [1.0, 2.0, 5.0] + [4.0, 0.0, -3.0]


def test_rows_get_mean_zero_and_unit_mean_square(rows):
    standard = Standardization.of(rows).apply(rows).numpy()
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-6)
    assert np.mean(standard.astype(np.float64) ** 2) == pytest.approx(1.0)


def test_distances_keep_their_proportions(rows):
    standardization = Standardization.of(rows)
    standard = standardization.apply(rows).numpy()
    before = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    after = np.linalg.norm(standard[:, None] - standard[None], axis=2)
    np.testing.assert_allclose(after * standardization.scale, before, atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e9])
@pytest.mark.parametrize("unit", [1e-200, 1e-9, 1.0, 1e9, 1e200])
def test_offset_and_unit_do_not_matter(rows, offset, unit):
    expected = Standardization.of(rows).apply(rows).numpy()
    other = unit * (rows + offset)
    found = Standardization.of(other).apply(other).numpy()
    rounding = 1e-6 + 1e-15 * abs(offset)
    np.testing.assert_allclose(found, expected, atol=rounding)


def test_rows_that_are_all_alike_become_zero():
    rows = np.full((4, 2), 7.5)
    standardization = Standardization.of(rows)
    assert standardization.scale == 1.0
    np.testing.assert_array_equal(standardization.apply(rows), np.zeros((4, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_slices_and_dtypes_do_not_show(rows, monkeypatch, dtype):
    rows = np.round(rows).astype(dtype)
    whole = Standardization.of(rows.astype(np.float64))
    monkeypatch.setattr(_standardize, "SLICE_ELEMENTS", 21)
    sliced = Standardization.of(rows)
    np.testing.assert_allclose(sliced.shift, whole.shift)
    assert sliced.scale == pytest.approx(whole.scale)
    np.testing.assert_allclose(
        sliced.apply(rows), whole.apply(rows.astype(np.float64)), atol=1e-6
    )


@pytest.mark.parametrize("far", [1e45, -1e45, 1e308])
@pytest.mark.parametrize("unit", [1e-200, 1.0])
def test_far_rows_have_finite_squares(rows, far, unit):
    standard = Standardization.of(unit * rows).apply(np.full((2, 3), far))
    assert torch.all(torch.isfinite(standard.square()))
    assert torch.all(torch.sign(standard) == np.sign(far))
