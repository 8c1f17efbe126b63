import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from neuraleig.segmentation.inference import Lattice, _upsample, labels_from_scores
from neuraleig.segmentation.inference._upsample import (
    pixel_centers,
    probabilities_in_strips,
    resampled,
)

SIDES = st.integers(1, 60)


def some_scores(lattice, n_clusters, seed=0, levels=None):
    """Random scores, or integers of a few levels that tie often."""
    generator = torch.Generator().manual_seed(seed)
    shape = (*lattice.shape, n_clusters)
    if levels is not None:
        return torch.randint(levels, shape, generator=generator).float()
    return torch.randn(shape, generator=generator)


def interpolated(scores, lattice):
    """All scores of the padded image, cropped, in double precision."""
    maps = scores.double().permute(2, 0, 1)[None]
    found = F.interpolate(
        maps, size=lattice.padded_shape, mode="bilinear", align_corners=False
    )
    return found[0, :, : lattice.height, : lattice.width].permute(1, 2, 0)


def everywhere(scores, lattice, size):
    """Scores of all pixels of any size, one by one."""
    h, w, _ = scores.shape
    found = torch.empty(*size, scores.shape[2], dtype=torch.float64)
    for y in range(size[0]):
        v = (y + 0.5) * lattice.height / size[0] / lattice.patch_size - 0.5
        v = min(max(v, 0.0), h - 1.0)
        for x in range(size[1]):
            u = (x + 0.5) * lattice.width / size[1] / lattice.patch_size - 0.5
            u = min(max(u, 0.0), w - 1.0)
            i, j = int(v), int(u)
            below, right = min(i + 1, h - 1), min(j + 1, w - 1)
            top = (1 - u + j) * scores[i, j] + (u - j) * scores[i, right]
            bottom = (1 - u + j) * scores[below, j] + (u - j) * scores[below, right]
            found[y, x] = (1 - v + i) * top + (v - i) * bottom
    return found


def agree_but_for_rounding(labels, values):
    """Whether labels are the argmax, where that is not a matter of rounding."""
    top = values.amax(dim=-1)
    own = values.gather(-1, torch.from_numpy(labels.astype(np.int64))[..., None])
    return bool((top - own[..., 0]).max() < 1e-5)


@given(SIDES, SIDES, st.integers(1, 16), st.integers(1, 12), st.integers(0, 99))
def test_labels_are_the_argmax_of_all_interpolated_scores(h, w, patch, k, seed):
    lattice = Lattice.of(h, w, patch)
    scores = some_scores(lattice, k, seed)
    labels = labels_from_scores(scores, lattice)
    assert labels.shape == (h, w)
    values = interpolated(scores, lattice)
    assert agree_but_for_rounding(labels, values)
    assert (labels == values.argmax(dim=2).numpy()).mean() > 0.99


@given(SIDES, SIDES, st.sampled_from([1, 2, 4, 8, 16]), st.integers(1, 6), SIDES)
def test_ties_go_to_the_lowest_cluster(h, w, patch, k, seed):
    # Small integers and halves of them are exact.
    lattice = Lattice.of(h, w, patch)
    scores = some_scores(lattice, k, seed, levels=3)
    expected = interpolated(scores, lattice).argmax(dim=2)
    np.testing.assert_array_equal(labels_from_scores(scores, lattice), expected)


@given(SIDES, SIDES, st.integers(1, 16), SIDES, SIDES)
def test_labels_come_back_at_another_size(h, w, patch, height, width):
    lattice = Lattice.of(h, w, patch)
    scores = some_scores(lattice, 5)
    labels = labels_from_scores(scores, lattice, (height, width))
    assert labels.shape == (height, width)
    expected = everywhere(scores, lattice, (height, width))
    assert agree_but_for_rounding(labels, expected)
    found = resampled(
        scores, pixel_centers(height, h, patch), pixel_centers(width, w, patch)
    )
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(300, 500), (700, 20)])
def test_one_token_may_span_many_pixels(size):
    lattice = Lattice.of(2, 3, 1)
    scores = some_scores(lattice, 4)
    labels = labels_from_scores(scores, lattice, size)
    maps = scores.double().permute(2, 0, 1)[None]
    values = F.interpolate(maps, size=size, mode="bilinear")[0].permute(1, 2, 0)
    assert agree_but_for_rounding(labels, values)


def test_groups_of_blocks_make_no_difference(monkeypatch):
    lattice = Lattice.of(90, 120, 8)
    scores = some_scores(lattice, 9)
    expected = labels_from_scores(scores, lattice)
    monkeypatch.setattr(_upsample, "BLOCK_PIXELS", 1)
    monkeypatch.setattr(_upsample, "LONGEST_BLOCK", 3)
    np.testing.assert_array_equal(labels_from_scores(scores, lattice), expected)


def test_a_cluster_that_wins_at_no_token_can_win_between_them():
    lattice = Lattice.of(8, 32, 8)
    scores = torch.tensor([[[4.0, 0, 3], [4, 0, 3], [0, 4, 3], [0, 4, 3]]])
    labels = labels_from_scores(scores, lattice)
    assert 2 in labels
    expected = interpolated(scores, lattice).argmax(dim=2)
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize(
    ("n_clusters", "expected"),
    [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65537, np.uint32)],
)
def test_labels_have_the_smallest_type(n_clusters, expected):
    scores = torch.zeros(1, 2, n_clusters)
    scores[..., -1] = 1
    labels = labels_from_scores(scores, Lattice.of(4, 8, 4))
    assert labels.dtype == expected
    assert (labels == n_clusters - 1).all()


@given(SIDES, SIDES, st.integers(1, 16), st.integers(1, 7))
def test_probabilities_are_the_softmax_of_interpolated_scores(h, w, patch, k):
    lattice = Lattice.of(h, w, patch)
    scores = some_scores(lattice, k)
    expected = interpolated(scores, lattice).softmax(dim=2).numpy()
    strips = list(probabilities_in_strips(scores, lattice))
    assert strips[0][0].start == 0
    assert strips[-1][0].stop == h
    found = np.concatenate([values for _, values in strips])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_strips_are_lazy_and_bounded(monkeypatch):
    monkeypatch.setattr(_upsample, "STRIP_BYTES", 2**14)
    lattice = Lattice.of(70, 50, 8)
    scores = some_scores(lattice, 6)
    expected = interpolated(scores, lattice).softmax(dim=2)
    end = 0
    for rows, values in probabilities_in_strips(scores, lattice, (70, 50)):
        assert rows.start == end
        assert values.nbytes <= 2**14
        np.testing.assert_allclose(values, expected[rows], atol=1e-5)
        end = rows.stop
    assert end == 70


def test_large_scores_do_not_overflow():
    lattice = Lattice.of(20, 20, 8)
    scores = 1e4 * some_scores(lattice, 3)
    (_, values), *_ = probabilities_in_strips(scores, lattice)
    assert np.isfinite(values).all()


def test_half_precision_scores_are_interpolated_in_single():
    lattice = Lattice.of(50, 40, 8)
    scores = some_scores(lattice, 6).bfloat16()
    np.testing.assert_array_equal(
        labels_from_scores(scores, lattice), labels_from_scores(scores.float(), lattice)
    )
    (_, values), *_ = probabilities_in_strips(scores, lattice)
    assert values.dtype == np.float32


def test_scores_are_not_written_to():
    lattice = Lattice.of(50, 40, 8)
    scores = some_scores(lattice, 6)
    before = scores.clone()
    labels_from_scores(scores, lattice)
    list(probabilities_in_strips(scores, lattice))
    assert torch.equal(scores, before)
