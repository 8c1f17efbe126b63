"""Every few tokens of windows, their units, and samples of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraleig.affinity import pixel_grid_edges
from neuraleig.affinity._token_affinity import matrix_of
from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._token_sample import KeptTokens, PreparedWindows, Units

SIZES = (4, 6), (5, 3), (1, 1), (6, 6)


class Held:
    """Windows in memory, each of an image of its own."""

    def __init__(self, windows):
        self.windows = windows
        self.sizes = [window.colors.shape[:2] for window in windows]
        self.pictures = np.arange(len(windows))

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        return self.windows[index]


def make_windows(sizes=SIZES, n_channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Held(
        [
            TokenWindow(
                torch.randn(*size, n_channels, generator=generator),
                torch.rand(*size, 3, generator=generator),
            )
            for size in sizes
        ]
    )


def plain(n_channels):
    return Units(np.zeros(n_channels, np.float32), np.ones(n_channels, np.float32))


def prepared(windows, tokens_per_window, seed=0, max_tokens=1000):
    units = plain(windows[0].features.shape[2])
    kept = KeptTokens(windows.sizes, tokens_per_window, max_tokens, seed)
    return PreparedWindows(windows, kept, units)


def sample_of(windows, max_tokens=1000, seed=0):
    return prepared(windows, 1000, max_tokens=max_tokens).sample(seed)


class TestPreparedWindows:
    def test_all_tokens(self):
        windows = make_windows()
        found = prepared(windows, 1000)
        assert found.sizes == windows.sizes
        for number in range(len(SIZES)):
            assert torch.equal(found[number].features, windows[number].features)
            assert torch.equal(found[number].colors, windows[number].colors)

    def test_features_are_standardised_and_colours_are_not(self):
        windows = make_windows()
        found = PreparedWindows(
            windows, KeptTokens(SIZES, 1000, 1000, 0), Units.of(windows, 0)
        )
        rows = torch.cat([found[i].features.flatten(0, 1) for i in range(len(SIZES))])
        torch.testing.assert_close(rows.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
        deviation = rows.std(dim=0, correction=0)
        torch.testing.assert_close(deviation, torch.ones(5))
        assert torch.equal(found[0].colors, windows[0].colors)

    @given(
        st.integers(1, 30), st.integers(1, 30), st.integers(1, 200), st.integers(0, 99)
    )
    @settings(max_examples=60)
    def test_some_tokens_on_a_lattice(self, height, width, tokens_per_window, seed):
        grid = torch.stack(
            torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), 2
        ).float()
        windows = Held([TokenWindow(grid, torch.zeros(height, width, 3))])
        found = prepared(windows, tokens_per_window, seed)
        (size,) = found.sizes
        features, colors = found[0]
        # Known before any window is read.
        assert features.shape[:2] == colors.shape[:2] == size
        assert min(size) >= 1
        rows, columns = features[:, 0, 0], features[0, :, 1]
        assert torch.equal(features[..., 0], rows[:, None].expand(size))
        assert torch.equal(features[..., 1], columns.expand(size))
        for axis in (rows, columns):
            assert axis.diff().unique().numel() <= 1
        if height * width <= tokens_per_window:
            assert size == (height, width)

    def test_about_as_many_as_asked_for(self):
        for size in ((60, 80), (24, 32), (33, 33), (200, 10)):
            windows = make_windows([size])
            for wanted in (50, 200, 400, 650):
                ((height, width),) = prepared(windows, wanted).sizes
                assert 0.6 * wanted < height * width < 1.6 * wanted

    @pytest.mark.parametrize(
        ("n_windows", "expected"), [(1, 400), (90, 333), (400, 100)]
    )
    def test_as_many_as_let_all_windows_take_part(self, n_windows, expected):
        windows = make_windows([(60, 60)] * n_windows, n_channels=1)
        sizes = prepared(windows, None, max_tokens=30_000).sizes
        found = np.mean([height * width for height, width in sizes])
        assert found == pytest.approx(expected, rel=0.15)

    def test_windows_begin_at_different_tokens(self):
        windows = make_windows([(12, 12)] * 40)
        found = prepared(windows, 16)
        firsts = {(kept[0].start, kept[1].start) for kept in found.kept.places}
        assert len(firsts) > 4
        assert found.sizes == prepared(windows, 16).sizes
        again = prepared(windows, 16)
        assert all(torch.equal(found[i].features, again[i].features) for i in range(40))


class TestUnits:
    def test_mean_and_deviation_of_all_tokens(self):
        windows = make_windows()
        units = Units.of(windows, 0)
        rows = torch.cat([windows[i].features.flatten(0, 1) for i in range(len(SIZES))])
        np.testing.assert_allclose(units.mean, rows.mean(dim=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(units.scale, rows.std(dim=0, correction=0), 1e-5)

    def test_channels_that_do_not_vary(self):
        window = TokenWindow(torch.full((3, 3, 2), 0.1), torch.zeros(3, 3, 3))
        units = Units.of(Held([window]), 0)
        np.testing.assert_allclose(units.mean, 0.1)
        assert units.scale.tolist() == [1.0, 1.0]

    def test_units_and_shifts_of_channels(self):
        windows = make_windows()
        moved = Held(
            [TokenWindow(1000 + 3 * w.features, w.colors) for w in windows.windows]
        )
        units, other = Units.of(windows, 0), Units.of(moved, 0)
        np.testing.assert_allclose(other.mean, 1000 + 3 * units.mean)
        np.testing.assert_allclose(other.scale, 3 * units.scale, rtol=1e-3)

    def test_some_of_many_windows(self):
        read = set()

        class Watched(Held):
            def __getitem__(self, index):
                read.add(index)
                return super().__getitem__(index)

        windows = make_windows([(1, 2)] * 300)
        Units.of(Watched(windows.windows), 0)
        assert len(read) == 256


class TestSample:
    def test_rows_are_tokens_in_order(self):
        windows = make_windows()
        sample = sample_of(windows)
        assert sample.sizes == windows.sizes
        expected = torch.cat([w.features.flatten(0, 1) for w in windows.windows])
        np.testing.assert_array_equal(sample.rows, expected)
        counts = [height * width for height, width in SIZES]
        np.testing.assert_array_equal(sample.pictures, np.repeat(range(4), counts))
        for number in range(len(SIZES)):
            assert torch.equal(sample[number].features, windows[number].features)
            assert torch.equal(sample[number].colors, windows[number].colors)

    def test_windows_are_views_of_the_rows(self):
        sample = sample_of(make_windows())
        sample.rows[0, 0] = 7.0
        assert float(sample[0].features[0, 0, 0]) == 7.0

    @pytest.mark.parametrize("max_tokens", [2, 20, 40, 60, 76])
    def test_no_more_tokens_than_allowed(self, max_tokens):
        for seed in range(5):
            sample = sample_of(make_windows(), max_tokens, seed=seed)
            n_tokens = sum(h * w for h, w in sample.sizes)
            assert n_tokens <= max_tokens or len(sample.sizes) == 1
            assert len(sample.rows) == len(sample.pictures) == n_tokens

    def test_other_seeds_draw_other_windows(self):
        windows = make_windows([(2, 2)] * 30)
        drawn = {float(sample_of(windows, 8, seed).rows[0, 0]) for seed in range(10)}
        assert len(drawn) > 3

    def test_the_graph_of_pixels_is_that_of_every_window(self):
        windows = make_windows()
        found = sample_of(windows).pixel_graph().toarray()
        start = 0
        for window in windows.windows:
            alone = matrix_of(pixel_grid_edges(window.colors)).toarray()
            own = slice(start, start + len(alone))
            np.testing.assert_array_equal(found[own, own], alone)
            found[own, own] = 0
            start += len(alone)
        assert not found.any()
