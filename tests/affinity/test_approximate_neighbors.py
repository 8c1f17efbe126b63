import numpy as np
import pytest
import torch

from neuraleig.affinity import (
    GraphWarning,
    NeighborAffinity,
    _neighbors_approximate,
    _neighbors_torch,
    nearest_neighbors,
)
from neuraleig.affinity._neighbors_cells import CELL_ROWS, make_cells

N_ROWS = 6_000


def blobs(generator):
    centres = generator.uniform(-10, 10, (20, 32))
    return centres[generator.integers(20, size=N_ROWS)] + 4 * generator.normal(
        size=(N_ROWS, 32)
    )


def uniform(generator):
    return generator.random((N_ROWS, 10))


def manifold(generator):
    """Four dimensions, bent in 40."""
    inner = generator.uniform(-1, 1, (N_ROWS, 4))
    return np.sin(inner @ generator.normal(size=(4, 100))) @ generator.normal(
        size=(100, 40)
    )


def wide(generator):
    """Twenty dimensions and little noise, in 150."""
    inner = generator.normal(size=(N_ROWS, 12)) @ generator.normal(size=(12, 150))
    return inner + 1e-3 * generator.normal(size=(N_ROWS, 150))


def clumps(generator):
    """Most rows in five tight groups far apart, and outliers."""
    X = np.repeat(1e3 * generator.normal(size=(5, 12)), N_ROWS // 5, axis=0)
    X += generator.normal(size=X.shape)
    X[:60] = 1e4 * generator.uniform(-1, 1, (60, 12))
    return generator.permutation(X)


def integers(generator):
    """Few values: many ties, and rows that occur more than once."""
    return generator.integers(0, 4, (N_ROWS, 10)).astype(float)


FAMILY = [blobs, uniform, manifold, wide, clumps, integers]


@pytest.fixture(params=FAMILY, ids=lambda draw: draw.__name__)
def data(request):
    return request.param(np.random.default_rng(0))


def true_recall(found, X):
    """Share of neighbours no farther than the last true one, by float64."""
    sample = np.random.default_rng(1).choice(len(X), 200, replace=False)
    squared = np.stack([np.square(X - X[row]).sum(axis=1) for row in sample])
    squared[np.arange(len(sample)), sample] = np.inf
    n_neighbors = found.indices.shape[1]
    farthest = np.sqrt(np.partition(squared, n_neighbors - 1)[:, n_neighbors - 1])
    return np.mean(found.distances[sample] <= farthest[:, None] * (1 + 1e-5))


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_nearly_all_neighbours_are_found(data, backend):
    if backend == "faiss":
        pytest.importorskip("faiss")
    found = nearest_neighbors(data, 10, backend=backend, approximate=True)
    assert found.recall >= 0.99
    assert true_recall(found, data) >= 0.985  # another sample, of a fifth of the rows


def test_what_is_listed_is_what_it_says(data):
    distances, indices, _ = nearest_neighbors(data, 10, approximate=True)
    assert np.all(indices != np.arange(len(data))[:, None])
    assert np.all(np.diff(np.sort(indices, axis=1), axis=1) > 0)
    assert np.all(np.diff(distances, axis=1) >= 0)
    expected = np.linalg.norm(data[indices] - data[:, None], axis=2)
    np.testing.assert_allclose(distances, expected, rtol=1e-4, atol=1e-5)


def test_the_search_repeats_itself(data):
    first, again = (nearest_neighbors(data, 5, approximate=True, seed=3) for _ in "ab")
    np.testing.assert_array_equal(first.indices, again.indices)
    assert first.recall == again.recall


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("draw", [blobs, clumps, wide])
def test_several_processes_find_what_one_finds(shared, draw, world_size):
    X = draw(np.random.default_rng(0))
    alone = nearest_neighbors(X, 5, approximate=True)
    for found in shared(
        world_size,
        lambda shard: nearest_neighbors(X, 5, approximate=True, shard=shard),
    ):
        np.testing.assert_array_equal(found.indices, alone.indices)
        assert found.recall == alone.recall


def test_chunks_do_not_show(monkeypatch):
    X = blobs(np.random.default_rng(0))
    expected = nearest_neighbors(X, 5, approximate=True)
    monkeypatch.setattr(_neighbors_approximate, "chunk_elements", lambda device: 10_000)
    found = nearest_neighbors(X, 5, approximate=True)
    assert np.mean(found.indices == expected.indices) > 0.999


@pytest.fixture
def compared(monkeypatch):
    """Pairs of rows, or of rows and centres, that products compare."""
    counts = []
    addmm = torch.addmm

    def spy(bias, left, right, **options):
        counts.append(left.shape[0] * right.shape[1])
        return addmm(bias, left, right, **options)

    monkeypatch.setattr(torch, "addmm", spy)
    return counts


@pytest.mark.filterwarnings("ignore:The approximate search")
@pytest.mark.parametrize("draw", FAMILY)
def test_work_is_bounded_by_the_root_of_the_number_of_rows(compared, draw, monkeypatch):
    monkeypatch.setattr(_neighbors_approximate, "MOST_PROBED", 4)
    monkeypatch.setattr(_neighbors_approximate, "FIRST_ROWS", 200)
    monkeypatch.setattr(_neighbors_torch, "SAMPLE_ROWS", 50)
    monkeypatch.setitem(globals(), "N_ROWS", 30_000)
    X = draw(np.random.default_rng(0))
    nearest_neighbors(X, 5, approximate=True)
    # Cells that are looked into, of mean size; surroundings; centres; levels of
    # k-means; and the sample, searched again in float64 or four times along axes.
    per_row = 4 * len(X) ** 0.5 + 3 * CELL_ROWS + len(X) / 50 + 4 * 64 + 6 * 50
    assert sum(compared) < 1.2 * per_row * len(X)
    assert per_row < len(X) / 5


@pytest.mark.parametrize("n_rows", [1, 255, 5_000])
def test_cells_are_a_partition_into_small_groups(n_rows):
    rows = torch.randn(n_rows, 6, generator=torch.Generator().manual_seed(0))
    cells = make_cells(rows, seed=0)
    assert torch.equal(cells.order.sort().values, torch.arange(n_rows))
    assert cells.bounds[0] == 0
    assert cells.bounds[-1] == n_rows
    assert 0 < cells.sizes.min()
    assert cells.sizes.max() <= CELL_ROWS
    for cell in range(len(cells.sizes)):
        members = cells.order[cells.bounds[cell] : cells.bounds[cell + 1]]
        torch.testing.assert_close(cells.centres[cell], rows[members].mean(dim=0))
        assert torch.equal(cells.order[cells.positions(torch.tensor([cell]))], members)


def test_far_rows_get_cells_of_their_own():
    rows = torch.randn(3_000, 6, generator=torch.Generator().manual_seed(0))
    rows[::500] = 1e12
    is_far = rows[:, 0] > 1e6
    cells = make_cells(rows, 0, is_far)
    assert torch.equal(cells.order.sort().values, torch.arange(3_000))
    per_cell = is_far[cells.order].long()
    shares = torch.zeros(len(cells.sizes)).index_add_(0, cells.labels(), per_cell + 0.0)
    assert torch.all((shares == 0) | (shares == cells.sizes))


@pytest.mark.parametrize("n_features", [10, 150])
def test_far_rows_cost_neither_recall_nor_time(compared, n_features):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(20_000, 8)) @ generator.normal(size=(8, n_features))
    clean = nearest_neighbors(X, 5, approximate=True)
    n_compared = sum(compared)
    compared.clear()
    X[:6] = generator.normal(size=(6, n_features)) * np.logspace(4, 36, 6)[:, None]
    found = nearest_neighbors(X, 5, approximate=True)
    assert sum(compared) < 1.2 * n_compared
    assert found.recall > clean.recall - 0.005
    same = found.distances[6:] <= clean.distances[6:] * (1 + 1e-6)
    assert same.mean() > 0.98


def test_equal_rows_are_cut_into_cells():
    cells = make_cells(torch.ones(3_000, 4), seed=0)
    assert cells.sizes.max() <= CELL_ROWS


@pytest.fixture
def blind(monkeypatch):
    """No row looks beyond the cells around its own."""
    monkeypatch.setattr(_neighbors_approximate, "MOST_PROBED", 0)


def test_a_poor_search_says_so(blind):
    X = np.random.default_rng(0).normal(size=(4_000, 40))
    with pytest.warns(GraphWarning, match=r"found \d\d.\d% .* approximate=False"):
        found = nearest_neighbors(X, 5, approximate=True)
    assert found.recall < 0.99
    assert abs(found.recall - true_recall(found, X)) < 0.05


def test_the_graph_knows_the_recall(blind):
    X = np.random.default_rng(0).normal(size=(4_000, 40))
    affinity = NeighborAffinity(5, approximate=True, regularization=0.1)
    with pytest.warns(GraphWarning, match="approximate search"):
        graph = affinity.build(X, seed=0)
    assert 0.0 < graph.neighbor_recall < 0.99
    assert graph.subgraph(np.arange(100)).neighbor_recall == graph.neighbor_recall
    exact = NeighborAffinity(5).build(X, seed=0)
    assert exact.neighbor_recall == 1.0


def test_isotropic_wide_data_are_searched_as_they_are():
    X = np.random.default_rng(0).normal(size=(3_000, 150))
    rows = torch.from_numpy(X.astype(np.float32))
    sample = torch.arange(100)
    truth = _neighbors_torch.full_search(rows, sample, 5, torch.device("cpu"))
    coarse, n_candidates = _neighbors_torch._coarse(rows, sample, truth, 0, None, 1e15)
    assert coarse is rows
    assert n_candidates == 5 + 1 + 5
