"""Windows of images as tokens, and sizes at which images are seen."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation.backbones._backbones import CUDA_TOKENS
from neuraleig.segmentation.backbones._feature_cache import FeatureCache, NoCache
from neuraleig.segmentation.images._image_files import write_image
from neuraleig.segmentation.images._image_sets import as_image_set

SIZES = (32, 48), (20, 20), (5, 50), (24, 24)


def pooled(pixels):
    """Mean and largest value of patches of 8, as (n, h, w, 6)."""
    pool = torch.nn.functional
    maps = pool.avg_pool2d(pixels, 8), pool.max_pool2d(pixels, 8)
    return torch.cat(maps, dim=1).permute(0, 2, 3, 1)


@pytest.fixture
def pictures():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


def windows_of(images, geometry, store=None, extract=pooled):
    return ImageWindows(as_image_set(images), geometry, extract, store or NoCache())


@pytest.mark.parametrize("window_size", [None, 16, 24])
def test_all_windows_of_all_images(pictures, window_size):
    geometry = Geometry(8, None, window_size, None)
    windows = windows_of(pictures, geometry)
    number = 0
    for image in pictures:
        lattice = geometry.lattice(*image.shape[:2])
        padded = lattice.pad(image)
        features = pooled(padded[None])[0]
        colors = lattice.token_colors(padded)
        for window in lattice.windows:
            found = windows[number]
            assert windows.sizes[number] == (window.height, window.width)
            # Features are rounded to 16 bits.
            torch.testing.assert_close(
                found.features, features[window.tokens], rtol=1e-3, atol=1e-3
            )
            torch.testing.assert_close(
                found.colors, colors[window.tokens], rtol=1e-3, atol=1e-3
            )
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
    calls = []

    def counted(pixels):
        calls.append(len(pixels))
        return pooled(pixels)

    with FeatureCache(tmp_path / "cache", "key") as store:
        stored = windows_of(images, geometry, store, counted)
        stored.fill()
        # All windows of an image at once, for they are small.
        n_windows = [len(geometry.lattice(*size).windows) for size in SIZES]
        assert calls == n_windows
        for number in range(len(stored)):
            for one, other in zip(stored[number], anew[number], strict=True):
                assert torch.equal(one, other)
        stored.fill()
        assert sum(calls) == sum(n_windows)


def test_a_large_image_is_taken_a_few_windows_at_a_time(tmp_path):
    """Memory does not grow with the number of windows."""
    image = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    largest = []

    def counted(pixels):
        largest.append(len(pixels))
        return pooled(pixels)

    geometry = Geometry(8, None, 240, 80)
    with FeatureCache(tmp_path, "key") as store:
        windows = windows_of([image], geometry, store, counted)
        windows.fill()
        assert len(windows) == sum(largest) == 70
        # Of 900 tokens each.
        assert max(largest) == CUDA_TOKENS // 900
        expected = windows_of([image], geometry)
        for number in (0, 17, 69):
            assert torch.equal(windows[number].features, expected[number].features)
        assert sum(largest) == 70


def test_what_is_stored_is_not_read_to_fill_the_rest(pictures, tmp_path, monkeypatch):
    geometry = Geometry(8, None, 16, 8)
    with FeatureCache(tmp_path, "key") as store:
        windows_of(pictures[:2], geometry, store).fill()
        monkeypatch.setattr(FeatureCache, "get", None)
        calls = []

        def counted(pixels):
            calls.append(len(pixels))
            return pooled(pixels)

        windows = windows_of(pictures, geometry, store, counted)
        windows.fill()
        first = windows_of(pictures[:2], geometry)
        assert sum(calls) == len(windows) - len(first)
        # One is lost.
        next(iter(tmp_path.rglob("*.features"))).unlink()
        calls.clear()
        windows.fill()
        assert calls == [1]


def test_nothing_is_filled_without_a_store(pictures):
    windows = windows_of(pictures, Geometry(8, None, None, None), extract=None)
    windows.fill()


def test_the_same_image_twice_is_stored_once(pictures, tmp_path):
    calls = []

    def counted(pixels):
        calls.append(len(pixels))
        return pooled(pixels)

    geometry = Geometry(8, None, None, None)
    with FeatureCache(tmp_path, "key") as store:
        images = [pictures[0], pictures[1], pictures[0].copy()]
        windows_of(images, geometry, store, counted).fill()
    assert calls == [1, 1]


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
