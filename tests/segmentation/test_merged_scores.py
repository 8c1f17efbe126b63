"""Scores of unions of clusters."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from neuraleig.segmentation._pixel_probabilities import merged_scores


def groupings(n_clusters):
    return st.lists(st.integers(0, n_clusters - 1), min_size=n_clusters).map(
        lambda drawn: np.unique(drawn[:n_clusters], return_inverse=True)[1]
    )


class TestMergedScores:
    @given(groupings(6), st.integers(0, 100))
    def test_probabilities_of_unions_are_sums(self, groups, seed):
        generator = torch.Generator().manual_seed(seed)
        scores = 5 * torch.randn(4, 3, 6, generator=generator, dtype=torch.float64)
        found = merged_scores(scores, groups).softmax(dim=-1)
        members = functional.one_hot(torch.from_numpy(groups)).double()
        torch.testing.assert_close(found, scores.softmax(dim=-1) @ members)

    def test_no_unions(self):
        scores = torch.randn(5, 4)
        assert torch.equal(merged_scores(scores, np.arange(4)), scores)

    def test_others_keep_their_scores(self):
        scores = torch.randn(5, 4)
        found = merged_scores(scores, np.array([0, 1, 0, 2]))
        assert torch.equal(found[:, 1:], scores[:, [1, 3]])

    def test_large_scores(self):
        found = merged_scores(torch.tensor([[1e4, 1e4, -1e4]]), np.array([0, 0, 1]))
        assert torch.isfinite(found).all()
