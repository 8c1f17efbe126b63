import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuraleig.segmentation.inference import Lattice
from neuraleig.segmentation.inference._windows import window_in_tokens

SIDES = st.integers(1, 90)


@st.composite
def lattices(draw):
    height, width, patch = draw(SIDES), draw(SIDES), draw(st.integers(1, 16))
    window = draw(st.integers(1, 100))
    stride = draw(st.integers(1, window))
    return Lattice.of(height, width, patch, window, stride)


def an_image(height, width, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(lattices())
def test_padding_is_less_than_a_patch(lattice):
    for side, padded in zip(
        (lattice.height, lattice.width), lattice.padded_shape, strict=True
    ):
        assert padded % lattice.patch_size == 0
        assert 0 <= padded - side < lattice.patch_size


@given(lattices())
def test_windows_cover_every_token_and_stay_inside(lattice):
    seen = np.zeros(lattice.shape, dtype=int)
    for window in lattice.windows:
        rows, columns = window.tokens
        assert min(rows.start, columns.start) >= 0
        assert rows.stop <= lattice.shape[0]
        assert columns.stop <= lattice.shape[1]
        seen[window.tokens] += 1
    assert seen.min() >= 1
    assert lattice.windows[0].tokens[0].start == 0
    assert lattice.windows[-1].tokens[0].stop == lattice.shape[0]
    assert lattice.windows[-1].tokens[1].stop == lattice.shape[1]


@given(lattices())
def test_windows_have_one_shape_and_begin_at_the_stride(lattice):
    shapes = {(window.height, window.width) for window in lattice.windows}
    side = lattice.window_tokens
    assert shapes == {tuple(min(n, side) for n in lattice.shape)}
    expected = 1
    for n, (start, length) in zip(
        lattice.shape,
        (
            ({w.top for w in lattice.windows}, lattice.windows[0].height),
            ({w.left for w in lattice.windows}, lattice.windows[0].width),
        ),
        strict=True,
    ):
        expected *= -(-(n - length) // lattice.stride_tokens) + 1
        assert all(s % lattice.stride_tokens == 0 for s in start - {n - length})
    assert len(lattice.windows) == len(set(lattice.windows)) == expected


@given(SIDES, SIDES, st.integers(1, 16))
def test_without_a_window_size_the_image_is_one_window(height, width, patch):
    (window,) = Lattice.of(height, width, patch).windows
    assert (window.height, window.width) == Lattice.of(height, width, patch).shape


def test_sizes_are_rounded_to_the_nearest_patch():
    assert window_in_tokens(480, 320, 14) == (34, 23)
    assert window_in_tokens(518, None, 14) == (37, 25)
    assert window_in_tokens(3, 1, 16) == (1, 1)
    # Halves up, and never a stride above the window.
    assert window_in_tokens(12, 12, 8) == (2, 2)
    assert window_in_tokens(11, 4, 8) == (1, 1)


@pytest.mark.parametrize(
    ("window_size", "stride", "named"),
    [
        (0, None, "window_size=0"),
        (64.0, None, "window_size=64.0"),
        (64, 0, "stride=0"),
        (64, 65, "stride=65 is larger than window_size=64"),
    ],
)
def test_windows_that_leave_pixels_out_are_refused(window_size, stride, named):
    with pytest.raises(ValueError, match=named):
        Lattice.of(100, 100, 8, window_size, stride)


@given(lattices())
def test_padding_goes_on_as_the_image_ends(lattice):
    image = an_image(lattice.height, lattice.width)
    padded = lattice.pad(image)
    assert padded.dtype == torch.float32
    bottom, right = lattice.padded_shape
    expected = np.pad(
        image,
        ((0, bottom - lattice.height), (0, right - lattice.width), (0, 0)),
        mode="edge",
    )
    np.testing.assert_allclose(padded.permute(1, 2, 0), expected / 255, atol=1e-7)


def test_a_window_has_the_pixels_of_its_tokens():
    lattice = Lattice.of(50, 70, 8, 32, 16)
    padded = lattice.pad(an_image(50, 70))
    for index, window in enumerate(lattice.windows):
        pixels = lattice.window(padded, index)
        assert pixels.shape == (3, 32, 32)
        corner = padded[:, window.top * 8, window.left * 8]
        torch.testing.assert_close(pixels[:, 0, 0], corner)


@pytest.mark.parametrize("order", ["C", "F"])
def test_read_only_images_of_any_order_are_taken(order):
    image = np.asarray(an_image(9, 11), order=order)
    image.setflags(write=False)
    expected = Lattice.of(9, 11, 4).pad(np.ascontiguousarray(image))
    torch.testing.assert_close(Lattice.of(9, 11, 4).pad(image), expected)
