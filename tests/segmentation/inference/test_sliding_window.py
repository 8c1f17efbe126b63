import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from neuraleig.segmentation.inference import Lattice
from neuraleig.segmentation.inference._sliding_window import (
    averaged_scores,
    scores_on_lattice,
    window_weights,
)

PATCH = 4


def pooled(images):
    """Scores that know nothing of the rest of the window."""
    return F.avg_pool2d(images, PATCH).permute(0, 2, 3, 1)


def aware(images):
    """Scores that differ from window to window."""
    found = pooled(images)
    return found + 0.1 * found.mean(dim=(1, 2), keepdim=True)


def an_image(height, width, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def a_gradient(height, width):
    """Linear in both directions, so that interpolation is exact."""
    rows = (np.arange(height) + 0.5)[:, None] / height
    columns = (np.arange(width) + 0.5)[None] / width
    image = np.stack(np.broadcast_arrays(rows, columns, 0.5), axis=-1)
    return np.round(255 * image).astype(np.uint8)


@given(st.integers(1, 60), st.integers(1, 60))
def test_weights_are_positive_and_symmetric(height, width):
    weights = window_weights(height, width)
    assert weights.shape == (height, width)
    assert 0 < weights.min() <= weights.max() <= 1
    torch.testing.assert_close(weights, weights.flip(0))
    torch.testing.assert_close(weights, weights.flip(1))


def test_one_window_has_exactly_its_scores():
    lattice = Lattice.of(30, 41, PATCH, 64, 32)
    padded = lattice.pad(an_image(30, 41))
    found = scores_on_lattice(padded, lattice, aware, batch_size=2)
    assert torch.equal(found, aware(padded[None])[0])


@given(st.integers(1, 50), st.integers(1, 50), st.integers(4, 40), st.integers(1, 5))
def test_windows_that_agree_are_seamless(height, width, window, batch_size):
    lattice = Lattice.of(height, width, PATCH, window, max(1, window // 2))
    padded = lattice.pad(an_image(height, width))
    found = scores_on_lattice(padded, lattice, pooled, batch_size=batch_size)
    torch.testing.assert_close(found, pooled(padded[None])[0])


def test_overlapping_windows_are_averaged_by_their_weights():
    lattice = Lattice.of(32, 52, PATCH, 24, 12)
    padded = lattice.pad(an_image(32, 52))
    sums = torch.zeros(*lattice.shape, 3)
    norm = torch.zeros(*lattice.shape, 1)
    for index, window in enumerate(lattice.windows):
        weight = window_weights(window.height, window.width)[..., None]
        sums[window.tokens] += weight * aware(lattice.window(padded, index)[None])[0]
        norm[window.tokens] += weight
    assert (norm == 0).sum() == 0
    found = scores_on_lattice(padded, lattice, aware, batch_size=3)
    torch.testing.assert_close(found, sums / norm)


def test_batches_hold_windows_of_one_shape_and_at_most_batch_size():
    lattice = Lattice.of(50, 70, PATCH, 24, 16)
    shapes = []

    def recorded(images):
        shapes.append(tuple(images.shape))
        assert not torch.is_grad_enabled()
        return pooled(images)

    scores_on_lattice(lattice.pad(an_image(50, 70)), lattice, recorded, batch_size=4)
    assert [shape[0] for shape in shapes] == [4, 4, 4]
    assert len(lattice.windows) == 12
    assert {shape[1:] for shape in shapes} == {(3, 24, 24)}


def test_half_precision_scores_are_blended_in_single():
    lattice = Lattice.of(40, 40, PATCH, 24, 12)
    padded = lattice.pad(an_image(40, 40))
    found = scores_on_lattice(
        padded, lattice, lambda x: pooled(x).bfloat16(), batch_size=2
    )
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, pooled(padded[None])[0], atol=4e-3, rtol=0)


def test_one_view_is_the_plain_pass():
    image = an_image(33, 47)
    lattice = Lattice.of(33, 47, PATCH, 24, 16)
    expected = scores_on_lattice(lattice.pad(image), lattice, aware, batch_size=2)
    found = averaged_scores(image, lattice, aware, batch_size=2)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("window", [None, 24])
def test_scores_with_flips_of_a_mirrored_image_are_mirrored(window):
    image = an_image(32, 48)
    lattice = Lattice.of(32, 48, PATCH, window)

    def lopsided(images):
        return pooled(torch.roll(images, 3, dims=3))

    options = {"batch_size": 2, "flip": True}
    found = averaged_scores(image, lattice, lopsided, **options)
    mirrored = averaged_scores(image[:, ::-1], lattice, lopsided, **options)
    torch.testing.assert_close(mirrored.flip(1), found)
    plain = averaged_scores(image, lattice, lopsided, batch_size=2)
    assert (plain - found).abs().max() > 0.01


def test_views_of_a_local_score_agree_whatever_the_padding():
    image = an_image(33, 47)
    lattice = Lattice.of(33, 47, PATCH)
    found = averaged_scores(image, lattice, pooled, batch_size=2, flip=True)
    torch.testing.assert_close(found, pooled(lattice.pad(image)[None])[0])


@pytest.mark.parametrize("size", [(64, 96), (61, 90)])
@pytest.mark.parametrize("scale", [0.5, 0.7, 1.5, 2.0])
def test_scales_are_brought_back_to_their_place(size, scale):
    image = a_gradient(*size)
    lattice = Lattice.of(*size, PATCH)
    expected = averaged_scores(image, lattice, pooled, batch_size=1)
    found = averaged_scores(image, lattice, pooled, batch_size=1, scales=(scale,))
    assert found.shape == expected.shape
    # Beyond the outermost centres of a coarser lattice nothing is extrapolated.
    torch.testing.assert_close(
        found[2:-3, 2:-3], expected[2:-3, 2:-3], atol=0.006, rtol=0
    )


def test_scales_are_averaged():
    image, lattice = an_image(40, 40), Lattice.of(40, 40, PATCH, 24)
    one, other = (
        averaged_scores(image, lattice, aware, batch_size=1, scales=(scale,))
        for scale in (1.0, 0.5)
    )
    both = averaged_scores(image, lattice, aware, batch_size=1, scales=(1.0, 0.5))
    torch.testing.assert_close(both, (one + other) / 2)


def test_what_the_score_keeps_is_not_written_to():
    kept = []

    def remembered(images):
        kept.append(pooled(images))
        return kept[-1]

    image, lattice = an_image(16, 16), Lattice.of(16, 16, PATCH)
    averaged_scores(image, lattice, remembered, batch_size=1, flip=True)
    assert torch.equal(kept[0], pooled(lattice.pad(image)[None]))


def test_no_scale_is_refused():
    with pytest.raises(ValueError, match=r"scales=\(\)"):
        averaged_scores(
            an_image(8, 8), Lattice.of(8, 8, 4), pooled, batch_size=1, scales=()
        )


def test_without_a_window_size_an_image_is_one_window_at_every_scale():
    sizes = []

    def recorded(images):
        sizes.append(tuple(images.shape))
        return pooled(images)

    averaged_scores(
        an_image(20, 32),
        Lattice.of(20, 32, PATCH),
        recorded,
        batch_size=4,
        scales=(1.0, 2.0),
    )
    assert sizes == [(1, 3, 20, 32), (1, 3, 40, 64)]
