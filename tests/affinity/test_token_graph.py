import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from segmentation import dense_reference
from torch.utils._python_dispatch import TorchDispatchMode

from neuraleig._batch import Edges
from neuraleig.affinity import _tokens, cosine_neighbor_edges, token_graph
from neuraleig.affinity._tokens import normalized_edges, sum_edges


def dense(edges):
    return edges.matmul(torch.eye(edges.n_nodes, dtype=torch.float64)).numpy()


def tokens(n, channels=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, generator=generator, dtype=torch.float64)


def is_listed_once(edges):
    pairs = torch.stack([edges.source, edges.target])
    return torch.equal(torch.unique(pairs, dim=1), pairs) and bool(
        (edges.source < edges.target).all()
    )


@given(
    n=st.integers(1, 40),
    k=st.integers(1, 50),
    chunk=st.sampled_from([7, 100, 10**6]),
    seed=st.integers(0, 1000),
)
def test_the_graph_is_the_dense_one(n, k, chunk, seed):
    features = tokens(n, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tokens, "CHUNK_ELEMENTS", chunk)
        edges = cosine_neighbor_edges(features, k)
    assert is_listed_once(edges)
    assert bool((edges.weight > 0).all())
    expected = dense_reference.feature_graph(features.numpy(), k)
    np.testing.assert_allclose(dense(edges), expected, atol=1e-12)


def test_single_precision_and_half_are_that_graph_as_well():
    features = tokens(50).half()
    expected = dense_reference.feature_graph(features.double().numpy(), 5)
    for kind in (torch.float16, torch.float32):
        edges = cosine_neighbor_edges(features.to(kind), 5)
        assert edges.weight.dtype == torch.float32
        np.testing.assert_allclose(dense(edges), expected, atol=1e-6)


def test_neither_lengths_of_tokens_nor_their_order_matter():
    features = tokens(30)
    scale = torch.linspace(1e-6, 1e6, 30, dtype=torch.float64)[:, None]
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    plain = dense(cosine_neighbor_edges(features, 4))
    scaled = dense(cosine_neighbor_edges(scale * features, 4))
    np.testing.assert_allclose(scaled, plain, atol=1e-12)
    permuted = dense(cosine_neighbor_edges(features[order], 4))
    np.testing.assert_allclose(permuted, plain[order][:, order], atol=1e-12)


def test_zeros_have_no_edges_and_duplicates_have_weight_one():
    features = tokens(12)
    features[3] = 0
    features[7] = 0
    features[8] = 2 * features[1]
    # All of them: which of two equal tokens is nearer has no answer.
    edges = cosine_neighbor_edges(features, 11)
    degrees = edges.degrees()
    assert torch.isfinite(edges.weight).all()
    assert degrees[3] == degrees[7] == 0
    assert dense(edges)[1, 8] == pytest.approx(1.0)
    expected = dense_reference.feature_graph(features.numpy(), 11)
    np.testing.assert_allclose(dense(edges), expected, atol=1e-12)


def test_tokens_that_are_all_the_same_are_neighbours():
    edges = cosine_neighbor_edges(torch.ones(6, 4), 2)
    assert bool((edges.source < edges.target).all())
    assert float(edges.weight.sum()) == pytest.approx(6 * 2 / 2)


@pytest.mark.parametrize("zeros", [1, 5])
def test_no_token_finds_a_neighbour_among_zeros(zeros):
    edges = cosine_neighbor_edges(torch.zeros(zeros, 4), 2)
    assert edges.weight.numel() == 0
    assert edges.n_nodes == zeros


class TestCandidates:
    def test_as_many_as_there_are_nodes_change_nothing(self):
        features = tokens(40)
        found = cosine_neighbor_edges(features, 5, max_candidates=40, seed=3)
        assert torch.equal(found.weight, cosine_neighbor_edges(features, 5).weight)

    def test_neighbours_are_the_nearest_of_those_drawn(self):
        features = tokens(60, seed=4)
        edges = cosine_neighbor_edges(features, 9, max_candidates=20, seed=5)
        drawn = _tokens._drawn(60, 20, 5, torch.device("cpu"))
        assert drawn.unique().shape == (20,)
        # A third of the nodes: a third of the neighbours.
        cosine = dense_reference.cosines(features)
        np.fill_diagonal(cosine, -1)
        directed = np.zeros((60, 60))
        for i in range(60):
            best = drawn.numpy()[np.argsort(-cosine[i, drawn])[:3]]
            directed[i, best] = np.maximum(cosine[i, best], 0)
        expected = dense_reference.symmetrised(directed)
        np.testing.assert_allclose(dense(edges), expected, atol=1e-12)

    def test_neighbours_are_as_near_as_among_all(self):
        # On a circle, k of n neighbours reach k/n of half of it.
        angle = 2 * np.pi * np.random.default_rng(0).random(3000)
        circle = torch.from_numpy(np.column_stack([np.cos(angle), np.sin(angle)]))

        def reach(**options):
            edges = cosine_neighbor_edges(circle, 60, **options)
            # Those at 1/2 were found from one side only.
            cosine = (circle[edges.source] * circle[edges.target]).sum(dim=1)
            return float(torch.arccos(cosine.clamp_max(1)).mean())

        assert reach(max_candidates=1000) == pytest.approx(reach(), rel=0.1)

    def test_their_draw_is_seeded_and_leaves_the_global_state(self):
        features = tokens(50)
        state = torch.random.get_rng_state()

        def found(seed):
            edges = cosine_neighbor_edges(features, 5, max_candidates=10, seed=seed)
            return torch.stack([edges.source, edges.target])

        assert torch.equal(found(1), found(1))
        assert found(1).shape != found(2).shape or not torch.equal(found(1), found(2))
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_at_least_one_neighbour_is_left(self):
        edges = cosine_neighbor_edges(torch.rand(50, 4), 2, max_candidates=5)
        assert bool((edges.degrees() > 0).all())


def test_edges_are_bounded_whatever_the_number_of_tokens():
    counts = [
        cosine_neighbor_edges(torch.rand(n, 4), 16, max_candidates=100).source.shape[0]
        for n in (200, 400, 800)
    ]
    assert max(counts) <= 16 * 100


def test_no_array_of_tokens_by_tokens_is_made(monkeypatch):
    monkeypatch.setattr(_tokens, "CHUNK_ELEMENTS", 5_000)
    most = []

    class Largest(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            most.extend(t.numel() for t in (out, *args) if isinstance(t, torch.Tensor))
            return out

    with Largest():
        cosine_neighbor_edges(torch.rand(500, 8), 5)
    assert max(most) <= 5_000


class TestOperations:
    def test_normalised_edges_are_those_of_the_matrix(
        self, dense_affinity, weighted_edges
    ):
        matrix = dense_affinity(9, density=0.4)
        matrix[2] = matrix[:, 2] = 0
        found = dense(normalized_edges(weighted_edges(matrix)))
        expected = dense_reference.normalised(matrix)
        np.testing.assert_allclose(found, expected, atol=1e-14)

    def test_a_sum_is_that_of_the_matrices(self, dense_affinity, weighted_edges):
        first, second = (dense_affinity(9, seed=s, density=0.4) for s in (0, 1))
        edges = weighted_edges(first)
        flipped = Edges(edges.target, edges.source, edges.weight, 9)
        total = sum_edges((2.0, flipped), (0.5, weighted_edges(second)))
        assert is_listed_once(total)
        np.testing.assert_allclose(dense(total), 2 * first + second / 2, atol=1e-14)

    def test_terms_of_other_nodes_are_refused(self):
        with pytest.raises(ValueError, match=r"among \[2, 4\] nodes"):
            sum_edges((1.0, Edges.paired(1)), (1.0, Edges.paired(2)))


class TestOfWindows:
    @pytest.mark.parametrize("pixel_weight", [0.0, 0.3])
    def test_it_is_the_dense_one(self, pixel_weight):
        generator = torch.Generator().manual_seed(2)
        sizes = [(5, 6), (3, 4), (1, 7)]
        features = [torch.randn(*s, 5, generator=generator).double() for s in sizes]
        colors = [torch.rand(*s, 3, generator=generator).double() for s in sizes]
        edges = token_graph(features, colors, n_neighbors=4, pixel_weight=pixel_weight)
        expected = dense_reference.token_graph(
            [f.numpy() for f in features], [c.numpy() for c in colors], 4, pixel_weight
        )
        assert is_listed_once(edges)
        np.testing.assert_allclose(dense(edges), expected, atol=1e-7)

    def test_colours_of_other_tokens_are_refused(self):
        with pytest.raises(ValueError, match="colors has windows of"):
            token_graph([torch.rand(3, 4, 2)], [torch.rand(4, 3, 3)])
