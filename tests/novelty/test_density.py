"""The density of rows: a known density, and laws of its scores."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score

from neuraleig._standardize import Standardization
from neuraleig.novelty import RowDensity, fit_density
from neuraleig.novelty._density import SHARES, packed, unpacked


def scored(X, *others, seed=0):
    """Scores of rows and of others by the density of the former."""
    units = Standardization.of(X)
    density = fit_density(X, units, seed)
    return density, [density(units.unbounded().apply(part)) for part in (X, *others)]


@pytest.fixture(scope="module")
def gaussian():
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(3, 3))
    return generator.normal(size=(5000, 3)) @ mixing, mixing


def test_it_is_the_density_of_what_was_drawn(gaussian):
    X, mixing = gaussian
    _, (scores,) = scored(X)
    unit = Standardization.of(X).scale
    truth = multivariate_normal(np.zeros(3), mixing.T @ mixing / unit**2)
    expected = truth.logpdf(X / unit)
    assert abs(np.mean(scores.numpy() - expected)) < 0.05
    assert np.corrcoef(scores, expected)[0, 1] > 0.97


def test_a_mixture_by_hand():
    generator = np.random.default_rng(0)
    means = np.array([[0.0, 1.0], [3.0, -1.0]], dtype=np.float32)
    triangles = np.array([[[2.0, 0.5], [0, 1.0]], [[1.0, -0.3], [0, 3.0]]])
    density = RowDensity(
        np.zeros(2),
        np.eye(2),
        0.0,
        np.log([0.3, 0.7]),
        means,
        packed(triangles),
        SHARES,
    )
    X = generator.normal(size=(7, 2)).astype(np.float32)
    parts = [
        multivariate_normal(m, np.linalg.inv(t @ t.T)).pdf(X)
        for m, t in zip(means, triangles, strict=True)
    ]
    expected = np.log(0.3 * parts[0] + 0.7 * parts[1])
    np.testing.assert_allclose(density(torch.from_numpy(X)), expected, rtol=1e-5)


def test_triangles_are_packed_and_unpacked():
    triangles = np.triu(np.random.default_rng(0).normal(size=(3, 4, 4)))
    found = unpacked(torch.from_numpy(packed(triangles)), 4).numpy()
    np.testing.assert_array_equal(found, triangles.transpose(0, 2, 1))


@pytest.mark.parametrize("n_features", [2, 40])
def test_a_row_is_alike_alone_and_in_company(n_features):
    X = np.random.default_rng(0).normal(size=(1500, n_features)).astype(np.float32)
    density, (scores,) = scored(X)
    rows = Standardization.of(X).unbounded().apply(X)
    for part in (slice(0, 1), slice(5, 9), slice(3, 700), slice(1499, 1500)):
        assert torch.equal(density(rows[part]), scores[part])
    order = torch.from_numpy(np.random.default_rng(1).permutation(1500))
    assert torch.equal(density(rows[order]), scores[order])
    assert density(rows[:0]).shape == (0,)


def test_the_unit_of_the_rows_does_not_matter(gaussian):
    X, _ = gaussian
    _, (scores,) = scored(X)
    _, (moved,) = scored(100 + 4096 * X)
    np.testing.assert_allclose(moved, scores, atol=1e-2)


def test_thin_shapes_need_many_gaussians():
    X, _ = make_moons(1500, noise=0.04, random_state=0)
    generator = np.random.default_rng(0)
    # Between the moons, where one Gaussian has most of its mass.
    between = np.array([0.5, 0.25]) + 0.05 * generator.normal(size=(200, 2))
    density, (scores, others) = scored(X, between)
    assert density.n_gaussians >= 8
    is_row = np.r_[np.ones(1500), np.zeros(200)]
    assert roc_auc_score(is_row, np.r_[scores, others]) > 0.99


def test_directions_that_rows_do_not_have_are_new():
    generator = np.random.default_rng(0)
    X = np.zeros((800, 60))
    X[:, :5] = generator.normal(size=(800, 5))
    X += 0.01 * generator.normal(size=X.shape)
    across = X[:200].copy()
    across[:, 30] += 0.5
    _, (scores, others) = scored(X, across)
    assert others.max() < np.quantile(scores, 0.02)


@pytest.mark.parametrize("n_features", [2, 40])
def test_the_farther_the_lower(n_features):
    X = np.random.default_rng(0).normal(size=(600, n_features))
    away = np.random.default_rng(1).normal(size=n_features)
    far = np.outer([10, 1e2, 1e4, 1e8, 1e13], away / np.linalg.norm(away))
    _, (scores, others) = scored(X, far)
    assert torch.isfinite(others).all()
    assert others[0] < scores.min()
    assert (others.diff() < 0).all()


def test_far_training_rows_do_not_become_known():
    generator = np.random.default_rng(0)
    X = np.concatenate([generator.normal(size=(600, 2)), [[1e4, 1e4], [-1e6, 0]]])
    _, (scores,) = scored(X)
    assert scores[600:].max() < scores[:600].min()


def test_thresholds_flag_their_share_of_new_rows():
    generator = np.random.default_rng(0)
    X, new = generator.normal(size=(2, 8000, 4))
    density, (_, scores) = scored(X, new)
    for share in (0.01, 0.03, 0.1, 0.5):
        found = float((scores < density.threshold(share)).double().mean())
        # Three deviations of a share of the 2,000 rows that were held out.
        assert abs(found - share) < 3.5 * np.sqrt(share * (1 - share) / 2000)
    thresholds = [density.threshold(share) for share in np.geomspace(0.001, 0.5, 30)]
    assert (np.diff(thresholds) >= 0).all()


@pytest.mark.parametrize("share", [0, 0.0001, 0.9, "1", None])
def test_other_shares_are_refused(gaussian, share):
    density, _ = scored(gaussian[0])
    with pytest.raises(ValueError, match=f"share={share!r} is not a share from 0.001"):
        density.threshold(share)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((50, 3)),
        np.repeat([[0.0, 1.0], [1.0, 0.0]], 40, axis=0),
        np.arange(6.0).reshape(2, 3),
        np.random.default_rng(0).normal(size=(9, 300)),
        np.repeat(np.random.default_rng(0).normal(size=(20, 2)), 30, axis=0),
    ],
    ids=["one row", "two rows", "two rows in all", "wide", "copies"],
)
def test_rows_of_few_kinds_have_finite_scores(X):
    density, (scores, away) = scored(X, X + 100 * np.ptp(X) + 100)
    assert torch.isfinite(scores).all()
    assert np.isfinite(density.threshold(0.01))
    assert away.max() < scores.min()


def test_equal_seeds_give_equal_densities(gaussian):
    first, second = (scored(gaussian[0], seed=3)[0] for _ in range(2))
    for name, values in first.state_dict().items():
        assert torch.equal(values, second.state_dict()[name])


def test_its_size_is_bounded():
    X = np.random.default_rng(0).normal(size=(3000, 300))
    density, _ = scored(X)
    size = sum(v.numel() * v.element_size() for v in density.state_dict().values())
    assert size < 70_000


def test_thresholds_are_not_those_of_far_rows():
    rows = np.random.default_rng(0).normal(size=(600, 3))
    plain = fit_density(rows, Standardization.of(rows), 0).threshold(0.01)
    rows[::120] = 1e10
    found = fit_density(rows, Standardization.of(rows), 0)
    assert found.threshold(0.01) == pytest.approx(plain, abs=2.0)
