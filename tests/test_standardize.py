import numpy as np
import pytest
import torch

from neuraleig import _standardize
from neuraleig._standardize import Standardization, bounded


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


def mean_and_unit(rows):
    """Mean and root mean square deviation of all rows, as one pass each has them."""
    shift = rows.mean(axis=0, dtype=np.float64)
    reach = np.abs(rows - shift).max()
    squares = np.square((rows - shift) / reach).sum()
    return shift, reach * np.sqrt(squares / rows.size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["normal", "lognormal", "sparse", "constant", "two"])
def test_without_far_rows_mean_and_unit_are_those_of_all_rows(dtype, kind):
    generator = np.random.default_rng(1)
    rows = {
        "normal": generator.normal(size=(3_000, 7)) * 9 + 4,
        "lognormal": np.exp(generator.normal(size=(500, 4))),
        "sparse": generator.poisson(0.3, size=(800, 30)) * 1.5,
        "constant": np.hstack([generator.normal(size=(90, 2)), np.full((90, 3), 1e4)]),
        "two": np.repeat([[0.0, 0.0], [1e9, 3.0]], 50, axis=0),
    }[kind].astype(dtype)
    found = Standardization.of(rows)
    shift, scale = mean_and_unit(rows)
    np.testing.assert_array_equal(found.shift, shift)
    assert found.scale == scale
    expected = ((rows - shift) / scale).astype(np.float32)
    np.testing.assert_array_equal(found.apply(rows).numpy(), expected)


def far_ones(kind, n_features):
    """Far rows, or the far entries of a row at index 0."""
    generator = np.random.default_rng(2)
    directions = generator.normal(size=(8, n_features))
    one_entry = np.where(np.arange(n_features) == 0, 1e6, 0.0)[None]
    return {
        "one row": np.full((1, n_features), 1e3),
        "one huge row": np.full((1, n_features), 3.4e38),
        "one entry": one_entry,
        "nodata": np.full((5, n_features), -9999.0),
        "directions": directions * np.logspace(3, 30, 8)[:, None],
        "blob": 1e4 + generator.normal(size=(20, n_features)),
        "column": np.repeat(one_entry * 1e24, 5, axis=0),
    }[kind]


FAR_KINDS = ["one row", "one huge row", "one entry", "nodata", "directions"]
FAR_KINDS += ["blob", "column"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", FAR_KINDS)
def test_far_rows_decide_neither_mean_nor_unit(rows, monkeypatch, kind, dtype):
    monkeypatch.setattr(_standardize, "SLICE_ELEMENTS", 21)
    far = far_ones(kind, 3).astype(dtype)
    rows = rows.astype(dtype)
    found = Standardization.of(np.concatenate([far, rows]))
    expected = Standardization.of(rows)
    np.testing.assert_allclose(found.shift, expected.shift)
    assert found.scale == pytest.approx(expected.scale)
    assert found.bound == pytest.approx(expected.bound, rel=1e-6)
    np.testing.assert_allclose(found.apply(rows), expected.apply(rows), atol=1e-6)
    inputs = found.apply(far).abs()
    assert float(inputs.max()) > found.bound
    assert float(inputs.max()) < 10 * found.bound


def test_many_far_rows_among_many_equal_ones():
    # Copies of one row have no extent, by which others could be far.
    rows = np.zeros((100, 2))
    rows[:30] = np.random.default_rng(0).normal(size=(30, 2))
    rows[0] = 1e30
    assert Standardization.of(rows).scale == pytest.approx(
        Standardization.of(rows[1:]).scale
    )


def test_values_up_to_the_bound_stay_and_others_keep_sign_and_order():
    bound = 8.0
    values = np.array([0.0, 1e-30, 3.0, 8.0, 8.1, 50.0, 799.0, 801.0, 1e9, 1e15])
    rows = torch.from_numpy(np.concatenate([-values[::-1], values])).float()
    found = bounded(rows, bound)
    assert found.dtype == torch.float32
    is_inside = rows.abs() <= bound
    assert torch.equal(found[is_inside], rows[is_inside])
    assert torch.equal(found.sign(), rows.sign())
    distinct = found[values.size + 1 :]
    assert torch.all(distinct.diff() > 0)
    assert torch.all(distinct <= rows[values.size + 1 :])
    assert float(found.max()) < 10 * bound


def test_gradients_are_finite_and_continuous_at_the_bound():
    rows = torch.tensor([0.0, 1.0, 7.999, 8.001, 799.9, 800.1, 1e15])
    rows.requires_grad_()
    bounded(rows, 8.0).sum().backward()
    slopes = rows.grad
    assert torch.all(torch.isfinite(slopes))
    np.testing.assert_allclose(slopes[:4], 1, atol=1e-3)
    assert float(slopes[4]) == pytest.approx(float(slopes[5]), rel=1e-3)


def test_a_far_row_is_standardised_alike_alone_and_in_company(rows):
    far = far_ones("directions", 3)
    standardization = Standardization.of(rows)
    together = standardization.apply(np.concatenate([far, rows]))
    for number in range(len(far)):
        alone = standardization.apply(far[number : number + 1])
        assert torch.equal(alone[0], together[number])


def test_what_is_far_does_not_depend_on_the_order_of_rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(2000, 3))
    X[1::2] += 100
    order = generator.permutation(2000)
    one, other = Standardization.of(X), Standardization.of(X[order])
    np.testing.assert_allclose(one.shift, other.shift)
    assert one.scale == pytest.approx(other.scale)
    assert one.scale > 40
