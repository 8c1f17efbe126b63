from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch

from neuraleig.affinity import token_graph
from neuraleig.sampling import TokenWindow, WindowSampler, _windows, padded_inputs

SIZES = [(2, 3), (3, 3), (1, 4), (2, 2), (4, 2), (3, 2), (2, 5)]
OFFSETS = np.cumsum([0, *(h * w for h, w in SIZES)])


class Stored:
    """Windows whose first feature is the number of the token; notes what is read."""

    def __init__(self, sizes=SIZES):
        self.sizes = sizes
        self.read = []
        generator = torch.Generator().manual_seed(0)
        self.windows, start = [], 0
        for height, width in sizes:
            features = torch.randn(height, width, 4, generator=generator)
            number = torch.arange(start, start + height * width).float()
            features[..., 0] = number.view(height, width)
            colors = torch.rand(height, width, 3, generator=generator)
            self.windows.append(TokenWindow(features, colors))
            start += height * width

    def __getitem__(self, index):
        self.read.append(index)
        return self.windows[index]


def sampler_of(batch_size=2, *, windows=None, **options):
    options = {"seed": 0, "n_graph_channels": 3, "n_neighbors": 3} | options
    return WindowSampler(windows or Stored(), batch_size, **options)


def windows_in(batch):
    """Windows of a batch, by the numbers of its tokens."""
    own = batch.index[: int(batch.inputs[:, :, 0].sum())].numpy()
    return (np.searchsorted(OFFSETS, own, side="right") - 1).tolist()


def tokens_in(batch):
    return batch.inputs[batch.inputs[:, :, 0] > 0]


def same(first, second):
    edges = zip(
        vars(first.affinity).values(), vars(second.affinity).values(), strict=True
    )
    return (
        torch.equal(first.inputs, second.inputs)
        and torch.equal(first.index, second.index)
        and all(
            torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
            for a, b in edges
        )
    )


def test_inputs_are_padded_behind_the_tokens():
    stored = Stored()
    inputs = padded_inputs([stored[0].features.half(), stored[2].features.half()])
    assert inputs.shape == (2, 6, 5)
    assert inputs.dtype == torch.float32
    assert inputs[:, :, 0].tolist() == [[1] * 6, [1] * 4 + [0] * 2]
    torch.testing.assert_close(
        inputs[1, :4, 1:], stored[2].features.half().float().view(4, 4)
    )
    assert not inputs[1, 4:].any()


def test_index_numbers_the_tokens_of_all_windows():
    for batch in islice(sampler_of(), 6):
        assert torch.equal(tokens_in(batch)[:, 1], batch.index.float())
        assert batch.affinity.n_nodes == batch.index.shape[0]


def test_a_pass_draws_windows_once_and_leaves_out_an_incomplete_batch():
    batches = [set(windows_in(batch)) for batch in islice(sampler_of(), 30)]
    for start in range(0, 30, 3):
        assert len(set().union(*batches[start : start + 3])) == 6
    assert set().union(*batches) == set(range(7))
    assert batches[:3] != batches[3:6]


def test_a_batch_is_at_most_all_windows():
    batch = next(iter(sampler_of(50)))
    assert batch.index.sort().values.tolist() == list(range(OFFSETS[-1]))


def test_affinity_is_the_graph_of_the_tokens_of_the_batch():
    stored = Stored()
    sampler = sampler_of(windows=stored, pixel_weight=0.2)
    batch = next(iter(sampler))
    first, second = dict.fromkeys(windows_in(batch))
    expected = token_graph(
        [stored.windows[i].features[..., -3:] for i in (first, second)],
        [stored.windows[i].colors for i in (first, second)],
        n_neighbors=3,
        pixel_weight=0.2,
    )
    assert torch.equal(batch.affinity.source, expected.source)
    torch.testing.assert_close(batch.affinity.weight, expected.weight)


def test_all_channels_are_compared_unless_told():
    stored = Stored()
    batch = next(iter(sampler_of(1, windows=stored, n_graph_channels=None)))
    (window,) = set(windows_in(batch))
    expected = token_graph(*([x] for x in stored.windows[window]), n_neighbors=3)
    torch.testing.assert_close(batch.affinity.weight, expected.weight)


def test_windows_are_read_when_they_are_needed():
    stored = Stored()
    sampler = sampler_of(windows=stored)
    assert sampler.n_tokens == OFFSETS[-1]
    assert stored.read == []
    batches = sampler.batches()
    next(batches)
    assert len(stored.read) == 2
    next(batches)
    assert len(stored.read) == 4


@pytest.mark.parametrize("start", [1, 2, 3, 11])
def test_batches_go_on_from_any_number(start, monkeypatch):
    # So few that some are drawn, as of many tokens.
    drawn = partial(token_graph, max_candidates=8)
    monkeypatch.setattr(_windows, "token_graph", drawn)
    whole = list(islice(sampler_of(), start + 5))
    late = list(islice(sampler_of().batches(start), 5))
    assert all(map(same, whole[start:], late))


def test_same_seed_same_batches():
    def drawn(seed):
        batches = islice(sampler_of(seed=seed), 6)
        return torch.cat([batch.index for batch in batches])

    assert torch.equal(drawn(5), drawn(5))
    first, second = drawn(5), drawn(6)
    assert first.shape != second.shape or not torch.equal(first, second)


class TestHeldOut:
    def test_windows_are_never_drawn(self):
        sampler = sampler_of(held_out=0.3)
        assert sampler.n_held_out == 2
        batch = sampler.validation_batch(10)
        held_out = set(windows_in(batch))
        assert len(held_out) == 2
        drawn = {w for b in islice(sampler, 20) for w in windows_in(b)}
        assert drawn == set(range(7)) - held_out
        assert same(batch, sampler.validation_batch(2))
        assert len(set(windows_in(sampler.validation_batch(1)))) == 1
        assert batch.affinity.n_nodes == len(tokens_in(batch))

    def test_a_single_window_is_trained_on(self):
        sampler = sampler_of(windows=Stored([(2, 3)]), held_out=0.9)
        assert sampler.n_held_out == 0
        assert len(tokens_in(next(iter(sampler)))) == 6

    def test_without_any_there_is_no_validation(self):
        with pytest.raises(ValueError, match="held_out must be larger"):
            sampler_of().validation_batch(3)
