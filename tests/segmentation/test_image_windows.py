"""Windows of images as tokens, and sizes at which images are seen."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraleig._device import CPU
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._window_tokens import WindowTokens, windows_at_a_time
from neuraleig.segmentation.backbones import Backbone
from neuraleig.segmentation.backbones._feature_cache import FeatureCache, NoCache
from neuraleig.segmentation.images._image_files import write_image
from neuraleig.segmentation.images._image_sets import ImageSet, as_image_set

SIZES = (32, 48), (20, 20), (5, 50), (24, 24)


class Pooled(Backbone):
    """Mean and largest value of patches; counts windows."""

    patch_size, n_channels, identity = 8, (3, 3), "pooled"

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, images):
        self.calls.append(len(images))
        pool = torch.nn.functional
        return [pool.avg_pool2d(images, 8), pool.max_pool2d(images, 8)]


@pytest.fixture
def pictures():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


def windows_of(images, geometry, store=None, backbone=None):
    tokens = WindowTokens(backbone or Pooled(), CPU, store or NoCache())
    return ImageWindows(as_image_set(images), geometry, tokens)


def assert_equal_windows(one, other, numbers=None):
    for number in range(len(one)) if numbers is None else numbers:
        for found, expected in zip(one[number], other[number], strict=True):
            assert torch.equal(found, expected)


@pytest.mark.parametrize("window_size", [None, 16, 24])
def test_all_windows_of_all_images(pictures, window_size):
    geometry = Geometry(8, None, window_size, None)
    windows = windows_of(pictures, geometry)
    number = 0
    for image in pictures:
        lattice = geometry.lattice(*image.shape[:2])
        padded = lattice.pad(image)
        maps = torch.cat(Pooled()(padded[None]), dim=1)[0].permute(1, 2, 0)
        for window in lattice.windows:
            found = windows[number]
            assert windows.sizes[number] == (window.height, window.width)
            # Features are rounded to 16 bits.
            own = maps[window.tokens]
            torch.testing.assert_close(found.features, own, rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(found.colors, own[..., :3], rtol=1e-3, atol=1e-3)
            number += 1
    assert number == len(windows) == len(windows.sizes)
    counts = [len(geometry.lattice(*size).windows) for size in SIZES]
    np.testing.assert_array_equal(windows.pictures, np.repeat(range(4), counts))


@pytest.mark.parametrize("in_files", [False, True])
def test_stored_windows_are_those_that_are_computed(pictures, tmp_path, in_files):
    images = pictures
    if in_files:
        pytest.importorskip("PIL")
        images = [tmp_path / f"{number}.png" for number in range(len(pictures))]
        for path, picture in zip(images, pictures, strict=True):
            write_image(path, picture)
    geometry = Geometry(8, None, 16, 8)
    anew = windows_of(images, geometry)
    store, backbone = FeatureCache(tmp_path / "cache", "key"), Pooled()
    stored = windows_of(images, geometry, store, backbone)
    for _ in range(2):
        assert_equal_windows(stored, anew)
        # All windows of an image at once, for they are small.
        n_windows = [len(geometry.lattice(*size).windows) for size in SIZES]
        assert backbone.calls == n_windows
    again = windows_of(images, geometry, store, Pooled())
    assert_equal_windows(again, anew)
    assert again.tokens.backbone.calls == []


def test_a_large_image_is_taken_a_few_windows_at_a_time(tmp_path):
    """Memory does not grow with the number of windows."""
    image = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    geometry, backbone = Geometry(8, None, 240, 80), Pooled()
    windows = windows_of([image], geometry, FeatureCache(tmp_path, "key"), backbone)
    expected = windows_of([image], geometry)
    numbers = [69, 0, 17]
    assert_equal_windows(windows, expected, numbers)
    # Of 900 tokens each, 70 in all: the last batch has two.
    at_a_time = windows_at_a_time(900, CPU)
    assert backbone.calls == [70 % at_a_time, at_a_time, at_a_time]


def test_images_are_read_once(pictures, tmp_path, monkeypatch):
    """Where the store has their tokens, and no other image came between."""
    geometry = Geometry(8, None, 16, 8)
    windows = windows_of(pictures, geometry, FeatureCache(tmp_path, "key"))
    read = []
    windows.images.__class__ = type(
        "Counted",
        (ImageSet,),
        {
            "__getitem__": lambda self, i: (
                read.append(i) or ImageSet.__getitem__(self, i)
            )
        },
    )
    for number in [*range(len(windows)), *reversed(range(len(windows)))]:
        windows[number]
    assert read == [0, 1, 2, 3]


def test_a_lost_file_is_computed_again(pictures, tmp_path):
    geometry, backbone = Geometry(8, None, 16, 8), Pooled()
    windows = windows_of(pictures, geometry, FeatureCache(tmp_path, "key"), backbone)
    assert_equal_windows(windows, windows_of(pictures, geometry))
    backbone.calls.clear()
    for path in tmp_path.rglob("*.features"):
        path.unlink()
    assert_equal_windows(windows, windows_of(pictures, geometry), [0])
    assert len(backbone.calls) == 1


def test_the_same_pixels_are_computed_once(pictures, tmp_path):
    geometry, backbone = Geometry(8, None, None, None), Pooled()
    images = [pictures[0], pictures[1], pictures[0].copy()]
    windows = windows_of(images, geometry, FeatureCache(tmp_path, "key"), backbone)
    for number in range(3):
        windows[number]
    assert backbone.calls == [1, 1]


def test_other_stores_are_asked_for_other_tokens(pictures, tmp_path):
    geometry, backbone = Geometry(8, None, None, None), Pooled()
    stored = windows_of(pictures, geometry, FeatureCache(tmp_path, "key"), backbone)
    assert_equal_windows(stored.with_store(NoCache()), stored)
    assert len(backbone.calls) == 2 * len(pictures)


def test_padding_is_no_new_colour():
    """Patches beyond an image repeat its last pixels."""
    image = np.full((9, 17, 3), 100, np.uint8)
    (found,) = [windows_of([image], Geometry(8, None, None, None))[0]]
    torch.testing.assert_close(
        found.colors, torch.full((2, 3, 3), 100 / 255), rtol=1e-3, atol=1e-3
    )


sides = st.integers(1, 70)


class TestGeometry:
    @given(sides, sides, st.none() | st.integers(1, 60))
    def test_the_shorter_side_is_what_was_asked_for(self, height, width, image_size):
        geometry = Geometry(8, image_size, None, None)
        seen = geometry.seen_size(height, width)
        if image_size is None:
            assert seen == (height, width)
        else:
            ratio = max(height, width) / min(height, width)
            longer = image_size * min(ratio, 20)
            assert max(seen) == pytest.approx(longer, abs=0.5001)
            assert min(seen) == pytest.approx(max(1, longer / ratio), abs=0.5001)
            assert min(seen) == image_size or ratio > 20

    def test_strips_do_not_become_vast_images(self):
        assert Geometry(8, 320, 512, None).seen_size(20, 4000) == (32, 6400)
        assert Geometry(8, 320, 512, None).seen_size(4000, 1) == (6400, 2)
        # Nothing is made of images at their own size.
        assert Geometry(8, None, 512, None).seen_size(20, 4000) == (20, 4000)

    @given(sides, sides, st.none() | st.integers(1, 40), st.none() | st.integers(1, 40))
    @settings(max_examples=50)
    def test_images_fit_their_lattice(self, height, width, image_size, window_size):
        geometry = Geometry(8, image_size, window_size, None)
        seen = geometry.seen(np.zeros((height, width, 3), np.uint8))
        lattice = geometry.lattice(height, width)
        assert seen.shape == (lattice.height, lattice.width, 3)
        covered = np.zeros(lattice.shape, bool)
        for window in lattice.windows:
            covered[window.tokens] = True
        assert covered.all()

    def test_images_of_their_own_size_are_not_copied(self):
        image = np.zeros((20, 30, 3), np.uint8)
        assert Geometry(8, None, None, None).seen(image) is image
        assert Geometry(8, 20, None, None).seen(image) is image

    def test_equal_geometries_have_equal_names(self):
        # They are part of the keys of stored features.
        one, other = (repr(Geometry(8, 320, 512, None)) for _ in range(2))
        assert one == other
        assert one != repr(Geometry(8, 320, 512, 256))
        of_numpy = Geometry(*np.array([8, 320]), np.int32(512), None)
        assert one == repr(of_numpy)
