"""Final label heads, and unions of clusters."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from neuraleig.networks import make_network
from neuraleig.segmentation._clusters import label_head, merged_scores


def network_of(n_clusters, head="linear"):
    return make_network(
        4,
        n_functions=2,
        n_clusters=n_clusters,
        width=8,
        n_blocks=1,
        n_heads=1,
        mlp_width=None,
        head=head,
        assignment="softmax",
    )


def blobs(n_blobs, n_each=20):
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.eye(8)[:n_blobs]
    noise = 0.1 * torch.randn(n_blobs, n_each, 8, generator=generator)
    return (centres[:, None] + noise).flatten(0, 1)


class TestLabelHead:
    @pytest.mark.parametrize("kind", ["linear", "orthogonal"])
    def test_argmax_is_that_of_the_network(self, kind):
        network = network_of(3, kind)
        hidden = torch.randn(200, 8)
        scores = network.label_head(hidden)
        head, labels = label_head(network, hidden, "argmax", 3, 0)
        assert len(np.unique(labels)) == 3
        torch.testing.assert_close(head(hidden), scores)
        np.testing.assert_array_equal(labels, scores.argmax(dim=1))

    def test_clusters_without_tokens_are_left_out(self):
        network = network_of(3)
        with torch.no_grad():
            network.label_head.bias.copy_(torch.tensor([0.0, -1e6, 0.0]))
        hidden = torch.randn(200, 8)
        scores = network.label_head(hidden)
        head, labels = label_head(network, hidden, "argmax", 3, 0)
        assert set(labels) == {0, 1}
        torch.testing.assert_close(head(hidden), scores[:, [0, 2]])

    def test_kmeans_is_the_nearest_centre(self):
        hidden = blobs(4)
        head, labels = label_head(network_of(2), hidden, "kmeans", 4, 0)
        centres = torch.stack([hidden[labels == k].mean(dim=0) for k in range(4)])
        new = 10 * torch.rand(50, 8)
        distances = torch.cdist(new, centres)
        np.testing.assert_array_equal(head(new).argmax(dim=1), distances.argmin(dim=1))

    def test_kmeans_says_how_sure_it_is(self):
        # Log posteriors of round Gaussians of the spread within clusters.
        hidden = blobs(3)
        head, labels = label_head(network_of(2), hidden, "kmeans", 3, 0)
        centres = torch.stack([hidden[labels == k].mean(dim=0) for k in range(3)])
        spread = (hidden - centres[labels]).square().mean()
        new = hidden + torch.randn_like(hidden)
        expected = -torch.cdist(new, centres).square() / (2 * spread)
        torch.testing.assert_close(
            head(new).log_softmax(dim=1),
            expected.log_softmax(dim=1),
            rtol=1e-3,
            atol=1e-2,
        )

    def test_kmeans_of_fewer_tokens_than_clusters(self):
        hidden = blobs(2, 1)
        _, labels = label_head(network_of(2), hidden, "kmeans", 5, 0)
        assert set(labels) == {0, 1}

    def test_kmeans_of_equal_tokens(self):
        head, labels = label_head(network_of(2), torch.ones(9, 8), "kmeans", 3, 0)
        assert set(labels) == {0}
        assert torch.isfinite(head(torch.ones(2, 8))).all()


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
