"""Graphs of tokens: features plus pixels, each token a node."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from segmentation import dense_reference
from sklearn.base import clone

from neuraleig import NeuralEigenSpectralClustering
from neuraleig._batch import Edges
from neuraleig.affinity import (
    CosineAffinity,
    GraphWarning,
    NeighborAffinity,
    PrecomputedAffinity,
    PrecomputedNeighborAffinity,
    RBFAffinity,
    TokenAffinity,
)
from neuraleig.affinity._token_affinity import matrix_of, normalized


@pytest.fixture
def tokens():
    return np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


@pytest.fixture
def pixels(dense_affinity):
    return sp.csr_array(dense_affinity(60, density=0.1))


def dense(edges):
    return edges.matmul(torch.eye(edges.n_nodes, dtype=torch.float64)).numpy()


class TestBuild:
    def test_it_is_the_sum_of_two_graphs(self, tokens, pixels):
        inner = NeighborAffinity(7)
        features = inner.build(tokens).weights.toarray()
        found = TokenAffinity(inner, pixel_weight=0.4).build(tokens, matrix=pixels)
        expected = dense_reference.normalised(features)
        expected += 0.4 * dense_reference.normalised(pixels.toarray())
        np.testing.assert_allclose(found.weights.toarray(), expected, atol=1e-12)
        np.testing.assert_array_equal(found.index, np.arange(60))

    def test_without_pixels_it_is_the_graph_of_the_features(self, tokens, pixels):
        expected = NeighborAffinity(7).build(tokens).weights.toarray()
        for affinity, matrix in (
            (TokenAffinity(NeighborAffinity(7)), None),
            (TokenAffinity(NeighborAffinity(7), pixel_weight=0.0), pixels),
        ):
            found = affinity.build(tokens, matrix=matrix).weights
            np.testing.assert_array_equal(found.toarray(), expected)

    def test_sixty_four_neighbours_or_all(self, tokens):
        found = TokenAffinity().build(tokens)
        assert (np.diff(found.weights.indptr) == 59).all()
        many = np.random.default_rng(1).normal(size=(200, 3))
        degrees = np.diff(TokenAffinity().build(many).weights.indptr)
        assert degrees.min() >= 64
        assert degrees.mean() < 150

    def test_one_token(self):
        graph = TokenAffinity().build(np.ones((1, 4)), matrix=sp.csr_array((1, 1)))
        assert (graph.n_nodes, graph.weights.nnz) == (1, 0)

    def test_only_the_last_channels_are_compared(self, tokens):
        affinity = TokenAffinity(NeighborAffinity(5), n_channels=2)
        changed = tokens.copy()
        changed[:, :3] = 0
        one, two = (affinity.build(t).weights.toarray() for t in (tokens, changed))
        np.testing.assert_array_equal(one, two)
        changed[:, 3] = 0
        assert not np.array_equal(affinity.build(changed).weights.toarray(), one)

    def test_identical_tokens_are_nodes_of_their_own(self, tokens, pixels):
        tokens[1:20] = tokens[0]
        for matrix in (None, pixels):
            graph = TokenAffinity(NeighborAffinity(9)).build(tokens, matrix=matrix)
            assert graph.n_nodes == 60

    def test_more_neighbours_than_tokens_are_told_of(self, tokens):
        with pytest.warns(GraphWarning, match="n_neighbors=80"):
            TokenAffinity(NeighborAffinity(80)).build(tokens)

    def test_neighbours_of_other_pictures(self, tokens, pixels):
        pictures = np.repeat([0, 1, 2], 20)
        affinity = TokenAffinity(NeighborAffinity(5, across_groups=True))
        assert affinity.takes_groups
        assert not TokenAffinity().takes_groups
        weights = affinity.build(tokens, groups=pictures).weights.toarray()
        within = pictures[:, None] == pictures
        assert not weights[within].any()
        assert (weights > 0).any(axis=1).all()
        # Pixels join what is within.
        both = affinity.build(tokens, groups=pictures, matrix=pixels).weights.toarray()
        assert both[within].any()

    def test_kernels_join_landmarks(self, tokens, pixels):
        affinity = TokenAffinity(RBFAffinity(1.0, n_landmarks=30))
        assert not affinity.samples_edges
        graph = affinity.build(tokens, matrix=pixels)
        assert graph.n_nodes == 30
        own = sp.csr_array(pixels[graph.index][:, graph.index])
        alone = RBFAffinity(1.0, n_landmarks=30).build(tokens)
        np.testing.assert_array_equal(alone.index, graph.index)
        expected = normalized(alone.weights) + 0.1 * normalized(own)
        np.testing.assert_allclose(graph.weights.toarray(), expected.toarray())

    def test_random_pairs_are_those_of_the_sum(self, tokens, pixels):
        inner = NeighborAffinity(5, regularization=0.2)
        affinity = TokenAffinity(inner)
        assert affinity.regularization == 0.2
        graph = affinity.build(tokens, matrix=pixels)
        mean_degree = graph.weights.sum() / 60
        assert graph.uniform == pytest.approx(0.2 * mean_degree / 60)


class TestAmong:
    @pytest.mark.parametrize("pixel_weight", [0.0, 0.3])
    def test_all_tokens_have_the_weights_of_the_graph(
        self, tokens, pixels, pixel_weight
    ):
        affinity = TokenAffinity(NeighborAffinity(6), pixel_weight=pixel_weight)
        everything = np.arange(60)
        found = dense(affinity.among(tokens, everything, matrix=pixels))
        expected = affinity.build(tokens, matrix=pixels).weights.toarray()
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_pixels_are_those_of_the_batch(self, tokens, pixels):
        index = np.array([3, 8, 9, 40, 41, 59])
        affinity = TokenAffinity(NeighborAffinity(2), pixel_weight=1.0)
        found = dense(affinity.among(tokens[index], index, matrix=pixels))
        alone = dense(affinity.among(tokens[index], index))
        own = pixels.toarray()[np.ix_(index, index)]
        expected = dense_reference.normalised(alone) + dense_reference.normalised(own)
        np.testing.assert_allclose(found, expected, atol=1e-6)


class TestComponent:
    def test_nested_parameters(self):
        affinity = TokenAffinity(NeighborAffinity(5), n_channels=3)
        copied = clone(affinity).set_params(affinity__n_neighbors=9)
        assert copied.affinity.n_neighbors == 9
        assert affinity.affinity.n_neighbors == 5

    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"affinity": "rbf"}, "affinity__affinity"),
            ({"affinity": NeighborAffinity(0)}, "affinity__affinity__n_neighbors"),
            ({"n_channels": 0}, "affinity__n_channels"),
            ({"pixel_weight": -1}, "affinity__pixel_weight"),
        ],
    )
    def test_parameters_are_checked(self, changes, name):
        with pytest.raises(ValueError, match=f"'{name}'"):
            TokenAffinity(**changes).check("affinity", "Estimator")
        TokenAffinity(CosineAffinity()).check("affinity", "Estimator")

    @pytest.mark.parametrize(
        "inner",
        [PrecomputedAffinity(), PrecomputedNeighborAffinity(5)],
        ids=repr,
    )
    def test_given_weights_are_those_of_pixels_and_not_of_features(self, inner):
        message = rf"affinity__affinity={re.escape(repr(inner))} needs .* matrix .* pix"
        with pytest.raises(ValueError, match=message):
            TokenAffinity(inner).check("affinity", "Estimator")
        with pytest.raises(ValueError, match="affinity__affinity__affinity=Precompu"):
            TokenAffinity(TokenAffinity(inner)).check("affinity", "Estimator")
        model = NeuralEigenSpectralClustering(2, affinity=TokenAffinity(inner))
        with pytest.raises(ValueError, match=message):
            model.fit(np.eye(8), affinity_matrix=np.ones((8, 8)))


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
        dense_matrix = dense_affinity(7)
        edges = Edges.from_dense(torch.from_numpy(dense_matrix))
        np.testing.assert_allclose(matrix_of(edges).toarray(), dense_matrix)


@pytest.mark.parametrize("pixel_weight", [0.0, 0.3])
def test_graphs_of_tokens_are_not_thinned(pixel_weight):
    X = np.random.default_rng(0).normal(size=(40, 3))
    chain = sp.diags_array([np.ones(39), np.ones(39)], offsets=[-1, 1], format="csr")
    affinity = TokenAffinity(NeighborAffinity(5), pixel_weight=pixel_weight)
    assert affinity.build(X, matrix=chain).thinned() is None
