"""Every few tokens of windows, their units, and the graph of a sample."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraleig._batch import Edges
from neuraleig.affinity import pixel_grid_edges
from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._token_sample import (
    HeldWindows,
    PreparedWindows,
    SampleRules,
    channel_units,
    matrix_of,
    normalized,
)

CPU = torch.device("cpu")
SIZES = (4, 6), (5, 3), (1, 1), (6, 6)


def make_windows(sizes=SIZES, n_channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return HeldWindows(
        [
            TokenWindow(
                torch.randn(*size, n_channels, generator=generator),
                torch.rand(*size, 3, generator=generator),
            )
            for size in sizes
        ]
    )


def prepared(windows, tokens_per_window, seed=0):
    n_channels = windows[0].features.shape[2]
    return PreparedWindows(
        windows,
        torch.zeros(n_channels),
        torch.ones(n_channels),
        tokens_per_window,
        seed,
    )


def sample_of(windows, max_tokens=1000, pixel_weight=0.3, seed=0, n_graph_channels=3):
    rules = SampleRules(None, max_tokens, n_graph_channels, 64, pixel_weight, CPU)
    return rules.draw(windows, seed)


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
        shift, scale = channel_units(windows, 0)
        found = PreparedWindows(windows, shift, scale, 1000, 0)
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
        windows = HeldWindows([TokenWindow(grid, torch.zeros(height, width, 3))])
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

    def test_windows_begin_at_different_tokens(self):
        windows = make_windows([(12, 12)] * 40)
        found = prepared(windows, 16)
        firsts = {(kept[0].start, kept[1].start) for kept in found._kept}
        assert len(firsts) > 4
        assert found.sizes == prepared(windows, 16).sizes
        again = prepared(windows, 16)
        assert all(torch.equal(found[i].features, again[i].features) for i in range(40))


class TestChannelUnits:
    def test_mean_and_deviation_of_all_tokens(self):
        windows = make_windows()
        shift, scale = channel_units(windows, 0)
        rows = torch.cat([windows[i].features.flatten(0, 1) for i in range(len(SIZES))])
        torch.testing.assert_close(shift, rows.mean(dim=0))
        torch.testing.assert_close(scale, rows.std(dim=0, correction=0))

    def test_channels_that_do_not_vary(self):
        window = TokenWindow(torch.full((3, 3, 2), 0.1), torch.zeros(3, 3, 3))
        shift, scale = channel_units(HeldWindows([window]), 0)
        torch.testing.assert_close(shift, torch.full((2,), 0.1))
        assert scale.tolist() == [1.0, 1.0]

    def test_units_and_shifts_of_channels(self):
        windows = make_windows()
        moved = HeldWindows(
            [
                TokenWindow(1000 + 3 * windows[i].features, windows[i].colors)
                for i in range(len(SIZES))
            ]
        )
        shift, scale = channel_units(windows, 0)
        other_shift, other_scale = channel_units(moved, 0)
        torch.testing.assert_close(other_shift, 1000 + 3 * shift)
        torch.testing.assert_close(other_scale, 3 * scale, rtol=1e-3, atol=0)

    def test_some_of_many_windows(self):
        read = set()

        class Watched(HeldWindows):
            def __getitem__(self, index):
                read.add(index)
                return super().__getitem__(index)

        windows = make_windows([(1, 2)] * 300)
        channel_units(Watched([windows[i] for i in range(300)]), 0)
        assert len(read) == 256


class TestDrawSample:
    def test_nodes_are_tokens_in_order(self):
        windows = make_windows()
        sample = sample_of(windows)
        assert sample.windows.sizes == windows.sizes
        n_tokens = sum(h * w for h, w in SIZES)
        assert sample.graph.n_nodes == n_tokens
        np.testing.assert_array_equal(sample.graph.index, np.arange(n_tokens))

    @pytest.mark.parametrize("max_tokens", [2, 20, 40, 60, 76])
    def test_no_more_tokens_than_allowed(self, max_tokens):
        for seed in range(5):
            sample = sample_of(make_windows(), max_tokens, seed=seed)
            sizes = sample.windows.sizes
            n_tokens = sum(h * w for h, w in sizes)
            assert n_tokens <= max_tokens or len(sizes) == 1
            assert sample.graph.n_nodes == n_tokens

    def test_other_seeds_draw_other_windows(self):
        windows = make_windows([(2, 2)] * 30)
        drawn = {
            float(sample_of(windows, 8, seed=seed).windows[0].features[0, 0, 0])
            for seed in range(10)
        }
        assert len(drawn) > 3

    def test_the_graph_is_an_affinity(self):
        weights = sample_of(make_windows()).graph.weights
        np.testing.assert_allclose(weights.toarray(), weights.T.toarray(), rtol=1e-12)
        assert weights.data.min() > 0
        assert not weights.diagonal().any()

    def test_it_is_the_sum_of_two_graphs(self):
        windows = make_windows()
        features = sample_of(windows, pixel_weight=0).graph.weights
        both = sample_of(windows, pixel_weight=0.3).graph.weights
        blocks = [
            normalized(matrix_of(pixel_grid_edges(windows[i].colors))).toarray()
            for i in range(len(SIZES))
        ]
        expected = normalized(features) + 0.3 * sp.block_diag(blocks)
        np.testing.assert_allclose(both.toarray(), expected.toarray(), atol=1e-6)

    def test_only_the_last_channels_are_compared(self):
        windows = make_windows()
        other = make_windows(seed=1)
        mixed = HeldWindows(
            [
                TokenWindow(
                    torch.cat(
                        [other[i].features[..., :2], windows[i].features[..., 2:]], 2
                    ),
                    windows[i].colors,
                )
                for i in range(len(SIZES))
            ]
        )
        one, two = (sample_of(w).graph.weights.toarray() for w in (windows, mixed))
        np.testing.assert_array_equal(one, two)
        changed = sample_of(mixed, n_graph_channels=5).graph.weights.toarray()
        assert not np.allclose(one, changed)

    @pytest.mark.parametrize("pixel_weight", [0.0, 0.3])
    def test_a_single_token(self, pixel_weight):
        sample = sample_of(make_windows([(1, 1)]), pixel_weight=pixel_weight)
        assert sample.graph.n_nodes == 1
        assert sample.graph.weights.nnz == 0


class TestMatrices:
    def test_normalised_affinities_have_the_eigenvalue_one(self, dense_affinity):
        weights = sp.csr_array(dense_affinity(12))
        found = normalized(weights).toarray()
        np.testing.assert_allclose(found, found.T)
        values = np.linalg.eigvalsh(found)
        assert values[-1] == pytest.approx(1)
        assert values[0] >= -1 - 1e-12

    def test_nodes_without_edges_stay_without(self):
        weights = np.zeros((3, 3))
        weights[0, 1] = weights[1, 0] = 4.0
        found = normalized(sp.csr_array(weights)).toarray()
        np.testing.assert_array_equal(found, weights / 4)

    def test_pairs_are_listed_once(self, dense_affinity):
        dense = dense_affinity(7)
        edges = Edges.from_dense(torch.from_numpy(dense))
        np.testing.assert_allclose(matrix_of(edges).toarray(), dense)
