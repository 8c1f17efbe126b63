import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from segmentation import dense_reference

from neuraleig.affinity import pixel_grid_edges
from neuraleig.affinity._token_graph import batch_edges


def dense(edges):
    return edges.matmul(torch.eye(edges.n_nodes, dtype=torch.float64)).numpy()


def picture(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(height, width, 3, generator=generator, dtype=torch.float64)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    neighborhoods=st.lists(
        st.tuples(st.integers(1, 12), st.floats(0.01, 10)), min_size=1, max_size=3
    ),
    seed=st.integers(0, 1000),
)
def test_the_graph_is_the_dense_one(height, width, neighborhoods, seed):
    colors = picture(height, width, seed)
    edges = pixel_grid_edges(colors, neighborhoods=neighborhoods)
    assert edges.n_nodes == height * width
    expected = dense_reference.pixel_graph(colors, neighborhoods)
    np.testing.assert_array_equal(dense(edges), expected)


def test_published_neighbourhoods_are_the_default():
    colors = picture(8, 7)
    expected = dense_reference.pixel_graph(colors)
    np.testing.assert_array_equal(dense(pixel_grid_edges(colors)), expected)


def test_weights_say_whether_places_are_neighbours_of_each_other():
    edges = pixel_grid_edges(picture(10, 10).float())
    assert edges.weight.dtype == torch.float32
    assert edges.weight.unique().tolist() == [0.5, 1.0]


def test_places_of_one_colour_join_their_neighbours():
    edges = pixel_grid_edges(torch.full((5, 5, 3), 0.5), neighborhoods=[(4, 1.0)])
    matrix = dense(edges)
    # The middle has four neighbours at the least distance: no ties.
    assert set(np.flatnonzero(matrix[12])) >= {7, 11, 13, 17}
    apart = np.abs(np.subtract.outer(np.arange(25) // 5, np.arange(25) // 5))
    assert apart[matrix > 0].max() <= 2


def test_colour_separates_halves():
    colors = torch.zeros(6, 8, 3)
    colors[:, 4:] = 1.0
    matrix = dense(pixel_grid_edges(colors)).reshape(6, 8, 6, 8)
    assert matrix[:, :4, :, 4:].sum() == 0


def test_images_turned_round_have_the_graph_turned_round():
    colors = picture(6, 9)
    matrix = dense(pixel_grid_edges(colors)).reshape(6, 9, 6, 9)
    turned = dense(pixel_grid_edges(colors.flip(0, 1))).reshape(6, 9, 6, 9)
    np.testing.assert_array_equal(np.flip(matrix), turned)
    across = dense(pixel_grid_edges(colors.transpose(0, 1))).reshape(9, 6, 9, 6)
    np.testing.assert_array_equal(matrix.transpose(1, 0, 3, 2), across)


def test_a_single_place_has_no_edges():
    edges = pixel_grid_edges(torch.zeros(1, 1, 3))
    assert edges.n_nodes == 1
    assert edges.weight.numel() == 0


@pytest.mark.parametrize("weight", [0.0, 1e-9])
def test_places_at_the_same_point_are_not_joined_to_themselves(weight):
    edges = pixel_grid_edges(torch.zeros(4, 4, 3), neighborhoods=[(3, weight)])
    assert bool((edges.source < edges.target).all())
    # Three neighbours of 16 places, each of which counts a half at either end.
    assert float(edges.weight.sum()) == 16 * 3 / 2


def test_a_batch_of_graphs_is_block_diagonal():
    parts = [pixel_grid_edges(picture(2, 3, s)) for s in range(3)]
    matrix = dense(batch_edges(parts))
    for i, part in enumerate(parts):
        own = slice(6 * i, 6 * i + 6)
        np.testing.assert_array_equal(matrix[own, own], dense(part))
        matrix[own, own] = 0
    assert not matrix.any()
