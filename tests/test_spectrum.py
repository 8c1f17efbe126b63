import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph

from neuraleig.spectrum import (
    _filter,
    _solvers,
    graph_spectrum,
    rayleigh_ritz,
    suggest_n_clusters,
)
from neuraleig.spectrum._coarsen import Block, aggregates, coarsened
from neuraleig.spectrum._filter import orthonormalized
from neuraleig.spectrum._ritz import nearest_to_known
from neuraleig.spectrum._solvers import predicted_factor_entries


def normalized(matrix, uniform=0.0):
    """Dense normalised affinity; a node without edges stays where it is."""
    full = matrix + uniform
    degrees = full.sum(axis=1)
    scale = np.sqrt(np.where(degrees > 0, degrees, 1.0))
    return full / np.outer(scale, scale) + np.diag(np.where(degrees > 0, 0.0, 1.0))


def assert_leading_eigenpairs(found, matrix, uniform=0.0, atol=1e-8):
    """Exact eigenvalues, small residuals, orthonormal, the constant first."""
    dense = normalized(matrix, uniform)
    n_components = found.eigenvalues.size
    exact = scipy.linalg.eigvalsh(dense)[::-1][:n_components]
    vectors = found.eigenvectors
    np.testing.assert_allclose(found.eigenvalues, exact, atol=atol)
    residuals = dense @ vectors - vectors * found.eigenvalues
    assert np.linalg.norm(residuals, axis=0).max() < 1e-5
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n_components), atol=1e-7)
    root = np.sqrt((matrix + uniform).sum(axis=1))
    if root.any():
        np.testing.assert_allclose(vectors[:, 0], root / np.linalg.norm(root))


def knn_matrix(n_rows, n_features, seed, n_neighbors=8):
    X = np.random.default_rng(seed).normal(size=(n_rows, n_features))
    graph = kneighbors_graph(X, n_neighbors, mode="distance").toarray()
    weights = np.where(graph > 0, np.exp(-graph), 0.0)
    return weights + weights.T


def block_diagonal(*blocks):
    return scipy.linalg.block_diag(*blocks)


def block_of(matrix, uniform=0.0):
    """Block of a connected graph, as the solvers take it."""
    root = np.sqrt((matrix + uniform).sum(axis=1))
    inverse = 1 / np.where(root > 0, root, 1.0)
    scaled = sp.csr_array(matrix * np.outer(inverse, inverse))
    return Block(scaled, uniform**0.5 * inverse, root)


@pytest.mark.parametrize("n_components", [1, 2, 5, 30])
@pytest.mark.parametrize("uniform", [0.0, 0.01])
def test_connected_graph(dense_affinity, n_components, uniform):
    matrix = dense_affinity(30, seed=1, density=0.2)
    found = graph_spectrum(sp.csr_array(matrix), n_components, uniform=uniform)
    assert_leading_eigenpairs(found, matrix, uniform)


@pytest.mark.parametrize("n_components", [1, 2, 3, 4, 7, 21])
@pytest.mark.parametrize("uniform", [0.0, 0.01])
def test_several_components(dense_affinity, n_components, uniform):
    blocks = [dense_affinity(n, seed=n, density=0.5) for n in (9, 5, 7)]
    order = np.random.default_rng(0).permutation(21)
    matrix = block_diagonal(*blocks)[order][:, order]
    found = graph_spectrum(sp.csr_array(matrix), n_components, uniform=uniform)
    assert_leading_eigenpairs(found, matrix, uniform)


@pytest.mark.parametrize("n_components", [2, 3, 4, 5, 6, 14])
def test_isolated_nodes_are_components(dense_affinity, n_components):
    nowhere = np.zeros((1, 1))
    matrix = block_diagonal(
        dense_affinity(7, seed=1), nowhere, dense_affinity(5, seed=2), nowhere
    )
    found = graph_spectrum(sp.csr_array(matrix), n_components)
    assert_leading_eigenpairs(found, matrix)


def test_the_largest_components_come_first(dense_affinity):
    sizes = (4, 9, 3, 8)
    matrix = block_diagonal(*(dense_affinity(n, seed=n) for n in sizes))
    found = graph_spectrum(sp.csr_array(matrix), 3)
    labels = np.repeat(np.arange(4), sizes)
    # Three functions that are flat on components can tell exactly the two largest
    # and the rest apart.
    levels = [np.unique(found.functions[labels == c].round(9), axis=0) for c in (1, 3)]
    rest = np.unique(found.functions[(labels == 0) | (labels == 2)].round(9), axis=0)
    assert [len(level) for level in levels] == [1, 1]
    assert len(rest) == 1
    assert np.linalg.matrix_rank(np.vstack([*levels, rest])) == 3


@pytest.mark.parametrize("n_components", [3, 4, 8])
def test_bipartite_graphs_reach_minus_one(n_components):
    pair = np.array([[0.0, 1.0], [1.0, 0.0]])
    matrix = block_diagonal(pair, 2 * pair, np.kron(pair, np.ones((2, 2))))
    found = graph_spectrum(sp.csr_array(matrix), n_components)
    assert_leading_eigenpairs(found, matrix)


def test_graph_without_edges():
    found = graph_spectrum(sp.csr_array((4, 4)), 3)
    np.testing.assert_allclose(found.eigenvalues, 1.0)
    np.testing.assert_allclose(found.functions[:, 0], 1.0)
    np.testing.assert_allclose(
        found.functions.T @ found.functions / 4, np.eye(3), atol=1e-14
    )


@pytest.mark.parametrize("branch", ["filter", "patient_filter", "shift_invert"])
@pytest.mark.parametrize("uniform", [0.0, 1e-4])
@pytest.mark.parametrize("n_blocks", [1, 2])
def test_iterative_solvers(monkeypatch, branch, uniform, n_blocks):
    easy, entries = {
        "filter": (10_000, 0),
        "patient_filter": (20, 0),
        "shift_invert": (0, np.inf),
    }[branch]
    monkeypatch.setattr(_solvers, "EASY_PRODUCTS", easy)
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", entries)
    if branch != "shift_invert":
        monkeypatch.setattr(_solvers, "_shift_invert", None)
    matrix = block_diagonal(*(knn_matrix(450, 3, seed) for seed in range(n_blocks)))
    found = graph_spectrum(sp.csr_array(matrix), 6, uniform=uniform, tol=1e-6)
    assert_leading_eigenpairs(found, matrix, uniform)


def test_large_graphs_are_solved_as_well_as_by_arpack(monkeypatch):
    # In float32, from a smaller graph: what millions of nodes take.
    monkeypatch.setattr(_solvers, "COARSEN_NODES", 500)
    monkeypatch.setattr(_filter, "SMALL_ELEMENTS", 0)
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", 0)
    weights = sp.csr_array(knn_matrix(3_000, 5, seed=3))
    found = graph_spectrum(weights, 8)
    dense = normalized(weights.toarray())
    start = np.random.default_rng(0).uniform(size=3_000)
    values, vectors = eigsh(sp.csr_array(dense), 8, which="LA", v0=start)
    # The error of a Ritz value is quadratic in its residual.
    np.testing.assert_allclose(found.eigenvalues, values[::-1], atol=1e-3)
    residuals = dense @ found.eigenvectors - found.eigenvectors * found.eigenvalues
    allowed = 0.03 * (1 - found.eigenvalues) + _filter.MIN_RESIDUAL[torch.float32]
    assert np.all(np.linalg.norm(residuals, axis=0) <= 1.01 * allowed)
    # The first six are apart from the rest.
    overlap = found.eigenvectors[:, :6].T @ vectors[:, 2:]
    assert np.linalg.svd(overlap, compute_uv=False).min() > 0.999
    gram = found.eigenvectors.T @ found.eigenvectors
    np.testing.assert_allclose(gram, np.eye(8), atol=1e-5)


@pytest.mark.parametrize("n_features", [5, 60])
def test_float32_loses_no_function_and_lets_no_constant_in(monkeypatch, n_features):
    # Of 60 features the spectrum ends in a bulk far below 1: high degrees would make
    # all functions alike.
    weights = sp.csr_array(knn_matrix(2_000, n_features, seed=6))
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", 0)
    exact = graph_spectrum(weights, 10, tol=1e-6)
    monkeypatch.setattr(_filter, "SMALL_ELEMENTS", 0)
    found = graph_spectrum(weights, 10)
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues, atol=5e-3)
    gram = found.eigenvectors.T @ found.eigenvectors
    np.testing.assert_allclose(gram, np.eye(10), atol=1e-5)


def test_columns_of_zeros_do_no_harm():
    block = torch.zeros(30, 3)
    block[:, 0] = torch.arange(30.0)
    basis = orthonormalized(block)
    assert torch.isfinite(basis).all()


def test_nodes_without_edges_are_not_grouped_for_ever(monkeypatch):
    monkeypatch.setattr(_solvers, "COARSEN_NODES", 500)
    levels = []

    def recorded(block, generator):
        levels.append(block.n_nodes)
        return coarsened(block, generator)

    monkeypatch.setattr(_solvers, "coarsened", recorded)
    matrix = np.zeros((1_000, 1_000))
    matrix[:200, :200] = knn_matrix(200, 3, seed=1)
    found = graph_spectrum(sp.csr_array(matrix), 4, uniform=1e-4)
    assert levels == [1_000]
    assert_leading_eigenpairs(found, matrix, 1e-4, atol=1e-3)


def test_the_bulk_may_be_rough(monkeypatch):
    weights = sp.csr_array(knn_matrix(1_500, 4, seed=2))
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", 0)
    rough = graph_spectrum(weights, 12, tol=1e-3, n_precise=4)
    dense = normalized(weights.toarray())
    vectors = rough.eigenvectors
    residuals = np.linalg.norm(dense @ vectors - vectors * rough.eigenvalues, axis=0)
    allowed = 1e-3 * (1 - rough.eigenvalues) + 1e-8
    assert np.all(residuals[:5] <= allowed[:5])
    assert np.all(residuals <= 10 * allowed)
    exact = scipy.linalg.eigvalsh(dense)[::-1][:12]
    np.testing.assert_allclose(rough.eigenvalues, exact, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("small", [0, 2**30])
def test_cuda_and_cpu_find_the_same_eigenpairs(monkeypatch, small):
    monkeypatch.setattr(_filter, "SMALL_ELEMENTS", small)
    weights = sp.csr_array(knn_matrix(3_000, 5, seed=3))
    cpu, cuda = (
        graph_spectrum(weights, 8, device=torch.device(name), uniform=1e-5)
        for name in ("cpu", "cuda")
    )
    np.testing.assert_allclose(cuda.eigenvalues, cpu.eigenvalues, atol=1e-5)
    cosines = np.linalg.svd(cuda.eigenvectors.T @ cpu.eigenvectors, compute_uv=False)
    assert cosines.min() > 0.99


def test_a_smaller_graph_saves_products(monkeypatch):
    weights = sp.csr_array(knn_matrix(2_000, 2, seed=4))
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", 0)
    products = []

    def counted(operator, block):
        products.append(operator.order.size)
        return multiply(operator, block)

    multiply = _filter.BlockOperator.__call__
    monkeypatch.setattr(_filter.BlockOperator, "__call__", counted)
    counts = []
    for largest in (10_000, 500):
        monkeypatch.setattr(_solvers, "COARSEN_NODES", largest)
        products.clear()
        graph_spectrum(weights, 6)
        counts.append(products.count(2_000))
    assert counts[1] < 0.75 * counts[0]


@pytest.mark.parametrize("rank", [1, 4, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthonormal_bases_span_the_columns(rank, dtype):
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(50, rank, generator=generator, dtype=dtype)
    mixture = torch.randn(rank, 6, generator=generator, dtype=dtype)
    block = factors @ mixture * torch.logspace(-12, 12, 6, dtype=dtype)
    basis = orthonormalized(block)
    tolerance = 100 * torch.finfo(dtype).eps
    eye = torch.eye(6, dtype=dtype)
    torch.testing.assert_close(basis.T @ basis, eye, atol=tolerance, rtol=0)
    left = block - basis @ (basis.T @ block)
    share = left.norm(dim=0) / block.norm(dim=0)
    assert float(share.max()) < torch.finfo(dtype).eps ** 0.5


# Smaller graphs


@pytest.mark.parametrize("n_features", [2, 8])
def test_groups_are_neighbourhoods(n_features):
    matrix = knn_matrix(400, n_features, seed=1)
    group = aggregates(block_of(matrix), np.random.default_rng(0))
    sizes = np.bincount(group)
    assert sizes.min() >= 1
    assert 2 <= 400 / sizes.size <= 100
    # Every member can be walked to within its group.
    for members in (np.flatnonzero(group == g) for g in range(sizes.size)):
        inside = sp.csr_array(matrix[np.ix_(members, members)])
        assert connected_components(inside, directed=False)[0] == 1


def test_nodes_without_neighbours_are_groups_of_their_own():
    matrix = block_diagonal(np.zeros((1, 1)), np.ones((3, 3)) - np.eye(3))
    group = aggregates(block_of(matrix), np.random.default_rng(0))
    assert np.unique(group).size == 2
    assert np.unique(group[1:]).size == 1


@pytest.mark.parametrize("uniform", [0.0, 1e-3])
def test_a_smaller_graph_is_the_restriction_to_flat_functions(uniform):
    matrix = knn_matrix(300, 3, seed=2)
    block = block_of(matrix, uniform)
    coarse, prolongation = coarsened(block, np.random.default_rng(0))
    assert coarse.n_nodes < 100
    basis = prolongation.toarray()
    np.testing.assert_allclose(basis.T @ basis, np.eye(coarse.n_nodes), atol=1e-12)
    np.testing.assert_allclose(basis @ coarse.null_vector, block.null_vector)
    full = block.normalized + np.outer(block.rank_one, block.rank_one)
    small = coarse.normalized + np.outer(coarse.rank_one, coarse.rank_one)
    np.testing.assert_allclose(small, basis.T @ full @ basis, atol=1e-12)
    # Ritz values: one stays, the others only fall.
    values = [np.linalg.eigvalsh(part)[::-1][:10] for part in (full, small)]
    assert values[1][0] == pytest.approx(1.0)
    assert np.all(values[1] <= values[0] + 1e-12)


def test_cheap_factors_choose_shift_invert_where_the_filter_is_slow(monkeypatch):
    matrix = sp.csr_array(knn_matrix(450, 2, 0))
    monkeypatch.setattr(_solvers, "EASY_PRODUCTS", 0)
    monkeypatch.setattr(_solvers, "_shift_invert", None)
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", 100)
    graph_spectrum(matrix, 3)
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", np.inf)
    with pytest.raises(TypeError):
        graph_spectrum(matrix, 3)  # calls None


def test_tolerance_is_relative_to_one_minus_the_eigenvalue(monkeypatch):
    matrix = knn_matrix(900, 4, 2)
    dense = normalized(matrix)
    found = graph_spectrum(sp.csr_array(matrix), 12)
    residuals = dense @ found.eigenvectors - found.eigenvectors * found.eigenvalues
    allowed = 0.03 * (1 - found.eigenvalues) + 1e-8
    assert np.all(np.linalg.norm(residuals, axis=0) <= allowed)
    exact = scipy.linalg.eigvalsh(dense)[::-1][:12]
    # The error of a Ritz value is quadratic in its residual, and never upwards.
    assert np.all(found.eigenvalues <= exact + 1e-12)
    np.testing.assert_allclose(found.eigenvalues, exact, atol=1e-3)


def test_running_out_of_products_warns(monkeypatch):
    monkeypatch.setattr(_solvers, "EASY_PRODUCTS", 0)
    monkeypatch.setattr(_solvers, "MAX_PRODUCTS", 0)
    monkeypatch.setattr(_solvers, "MAX_FACTOR_ENTRIES", 0)
    with pytest.warns(ConvergenceWarning, match="times the tolerance"):
        graph_spectrum(sp.csr_array(knn_matrix(450, 2, 0)), 3)


def test_functions_are_orthonormal_under_the_degrees(dense_affinity):
    matrix = dense_affinity(20, seed=3, density=0.3)
    found = graph_spectrum(sp.csr_array(matrix), 5, uniform=0.02)
    shares = found.degrees / found.degrees.sum()
    np.testing.assert_allclose(found.degrees, (matrix + 0.02).sum(axis=1))
    np.testing.assert_allclose(found.functions[:, 0], 1.0)
    mass = found.functions.T @ (shares[:, None] * found.functions)
    np.testing.assert_allclose(mass, np.eye(5), atol=1e-12)
    walk = (matrix + 0.02) / found.degrees[:, None]
    np.testing.assert_allclose(
        walk @ found.functions, found.functions * found.eigenvalues, atol=1e-12
    )


@pytest.mark.parametrize("n_nodes", [40, 450])
def test_permuting_the_nodes_permutes_the_eigenvectors(n_nodes):
    matrix = knn_matrix(n_nodes, 3, seed=4)
    order = np.random.default_rng(1).permutation(n_nodes)
    found = graph_spectrum(sp.csr_array(matrix), 4, tol=1e-6)
    permuted = graph_spectrum(sp.csr_array(matrix[order][:, order]), 4, tol=1e-6)
    np.testing.assert_allclose(permuted.eigenvalues, found.eigenvalues, atol=1e-8)
    np.testing.assert_allclose(
        permuted.eigenvectors, found.eigenvectors[order], atol=1e-5
    )


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_the_unit_of_the_weights_does_not_matter(dense_affinity, unit):
    matrix = dense_affinity(15, seed=5)
    found = graph_spectrum(sp.csr_array(matrix), 4)
    scaled = graph_spectrum(sp.csr_array(unit * matrix), 4)
    np.testing.assert_allclose(scaled.eigenvectors, found.eigenvectors, atol=1e-9)


def test_same_seed_same_bits_any_seed_same_eigenpairs():
    matrix = sp.csr_array(knn_matrix(450, 6, seed=5))
    first, again = (graph_spectrum(matrix, 4, tol=1e-6, seed=0) for _ in range(2))
    np.testing.assert_array_equal(first.eigenvectors, again.eigenvectors)
    other = graph_spectrum(matrix, 4, tol=1e-6, seed=1)
    np.testing.assert_allclose(first.eigenvectors, other.eigenvectors, atol=1e-5)


def test_given_component_labels_equal_found_ones(dense_affinity):
    matrix = block_diagonal(dense_affinity(8, seed=1), dense_affinity(6, seed=2))
    labels = np.repeat([1, 0], [8, 6])
    found = graph_spectrum(sp.csr_array(matrix), 4)
    given = graph_spectrum(sp.csr_array(matrix), 4, component_labels=labels)
    np.testing.assert_allclose(given.eigenvectors, found.eigenvectors, atol=1e-12)


@pytest.mark.parametrize("n_nodes", [60, 450])
def test_predicted_factor_entries_are_exact_for_small_graphs(n_nodes):
    matrix = sp.csr_array(normalized(knn_matrix(n_nodes, 3, seed=6)))
    factors = _solvers._factorize(_solvers.SHIFT * sp.eye_array(n_nodes) - matrix)
    expected = factors.L.nnz + factors.U.nnz
    assert predicted_factor_entries(matrix) == expected


def test_predicted_factor_entries_follow_the_growth_of_a_chain(monkeypatch):
    # The factors of a path are linear in its length.
    monkeypatch.setattr(_solvers, "PROBE_NODES", (50, 100))
    n_nodes = 3_000
    path = sp.diags_array([0.5, 0.5], offsets=[-1, 1], shape=(n_nodes, n_nodes))
    factors = _solvers._factorize(_solvers.SHIFT * sp.eye_array(n_nodes) - path)
    found = predicted_factor_entries(sp.csr_array(path))
    assert found == pytest.approx(factors.L.nnz + factors.U.nnz, rel=0.05)


def test_predicted_factor_entries_of_unconnected_parts_add_up():
    part = normalized(knn_matrix(120, 3, seed=7))
    alone = predicted_factor_entries(sp.csr_array(part))
    both = block_diagonal(np.zeros((1, 1)), part, part)
    found = predicted_factor_entries(sp.csr_array(both))
    assert found == pytest.approx(2 * alone, rel=0.01)


@pytest.fixture
def masses():
    """Mass and energy of five functions, and the dense solution."""
    generator = np.random.default_rng(8)
    functions = generator.normal(size=(30, 5))
    mass = functions.T @ functions / 30
    energy = functions.T @ (np.linspace(-1, 0.95, 30)[:, None] * functions) / 30
    return mass, energy, *scipy.linalg.eigh(energy, mass)


def test_rayleigh_ritz_solves_the_generalised_problem(masses):
    mass, energy, values, vectors = masses
    pairs = rayleigh_ritz(mass, energy)
    np.testing.assert_allclose(pairs.eigenvalues, values[::-1])
    np.testing.assert_allclose(
        np.abs(pairs.rotation), np.abs(vectors[:, ::-1]), atol=1e-10
    )
    np.testing.assert_allclose(
        pairs.rotation.T @ mass @ pairs.rotation, np.eye(5), atol=1e-12
    )
    largest = np.abs(pairs.rotation).argmax(axis=0)
    assert np.all(pairs.rotation[largest, np.arange(5)] > 0)


@pytest.mark.parametrize("kind", ["rotation", "scaling", "shear"])
def test_rayleigh_ritz_sees_the_span_only(masses, kind):
    mass, energy, values, _ = masses
    generator = np.random.default_rng(9)
    change = {
        "rotation": np.linalg.qr(generator.normal(size=(5, 5)))[0],
        "scaling": np.diag([1e-9, 1e-3, 1.0, 1e4, 1e9]),
        "shear": np.eye(5) + np.triu(generator.normal(size=(5, 5)), k=1),
    }[kind]
    pairs = rayleigh_ritz(change.T @ mass @ change, change.T @ energy @ change)
    np.testing.assert_allclose(pairs.eigenvalues, values[::-1], atol=1e-8)
    original = rayleigh_ritz(mass, energy).rotation
    functions = change @ pairs.rotation
    np.testing.assert_allclose(
        functions * np.sign(functions[0]),
        original * np.sign(original[0]),
        atol=1e-6,
    )


def test_rayleigh_ritz_leaves_out_what_does_not_vary(masses):
    mass, energy, values, _ = masses
    repeat = np.array([[1.0, 0, 0, 0, 0, 2.0, 0]] + [[0.0] * 7] * 4)
    repeat[np.arange(1, 5), np.arange(1, 5)] = 1.0  # column 5 repeats 0, 6 is null
    pairs = rayleigh_ritz(repeat.T @ mass @ repeat, repeat.T @ energy @ repeat)
    assert pairs.rotation.shape == (7, 5)
    np.testing.assert_allclose(pairs.eigenvalues, values[::-1], atol=1e-10)


def test_rayleigh_ritz_of_collapsed_functions_is_empty():
    pairs = rayleigh_ritz(np.zeros((3, 3)), np.zeros((3, 3)))
    assert pairs.eigenvalues.size == 0
    assert pairs.rotation.shape == (3, 0)


@pytest.fixture
def ring():
    """Exact functions of a ring, whose eigenvalues come in pairs, and its masses."""
    n_nodes = 40
    angle = 2 * np.pi * np.arange(n_nodes) / n_nodes
    known = np.sqrt(2) * np.column_stack(
        [wave(m * angle) for m in (1, 2) for wave in (np.cos, np.sin)]
    )
    step = np.roll(np.eye(n_nodes), 1, axis=1)

    def masses(functions):
        mass = functions.T @ functions / n_nodes
        energy = functions.T @ (step + step.T) @ functions / 2 / n_nodes
        return mass, energy, functions.T @ known / n_nodes

    return known, masses


def test_known_functions_are_found_in_any_mixture_of_them(ring):
    known, masses = ring
    mixture = known @ np.random.default_rng(0).normal(size=(4, 4))
    pairs = nearest_to_known(*masses(mixture))
    np.testing.assert_allclose(mixture @ pairs.rotation, known, atol=1e-10)
    np.testing.assert_allclose(
        pairs.eigenvalues, np.cos(2 * np.pi / 40 * np.array([1, 1, 2, 2]))
    )


def test_known_functions_are_not_mixed_by_errors(ring):
    # Equal eigenvalues, and errors that tell Rayleigh-Ritz to turn them by 45 degrees.
    known, masses = ring
    rough = np.resize([0.1, -0.1], 40)[:, None] * [[1.0, 1.0, 0.0, 0.0]]
    learned = known + rough
    pairs = nearest_to_known(*masses(learned))
    found = learned @ pairs.rotation
    assert np.abs(found - known).max() < 0.15
    np.testing.assert_allclose(found.T @ found / 40, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(pairs.eigenvalues, np.diag(masses(found)[1]), atol=1e-12)
    ordered = learned @ rayleigh_ritz(*masses(learned)[:2]).rotation
    assert np.abs(np.abs(ordered) - np.abs(known)).max() > 0.3
    # The span is the same, and so is what its eigenvalues add up to.
    assert pairs.eigenvalues.sum() == pytest.approx(
        rayleigh_ritz(*masses(learned)[:2]).eigenvalues.sum()
    )


def test_functions_that_span_too_little_for_known_ones_are_ordered_by_themselves(ring):
    known, masses = ring
    few = known[:, [0, 2, 0, 2]]
    pairs = nearest_to_known(*masses(few))
    assert pairs.rotation.shape == (4, 2)
    np.testing.assert_allclose(
        pairs.eigenvalues, rayleigh_ritz(*masses(few)[:2]).eigenvalues
    )


@pytest.mark.parametrize(
    ("eigenvalues", "expected"),
    [
        ([1.0], 1),
        ([1.0, 0.3], 1),
        ([1.0, 1.0, 0.2], 2),
        ([1.0, 0.9, 0.8, 0.7, 0.1], 4),
        ([1.0, 0.999, 0.9, 0.5, 0.2], 2),
        ([1.0, 0.9, 0.8, -0.2, -0.5], 3),
    ],
)
def test_number_of_clusters_is_before_the_largest_gap(eigenvalues, expected):
    assert suggest_n_clusters(eigenvalues) == expected


@pytest.mark.parametrize("time", [0.1, 0.5, 2.0])
def test_number_of_clusters_does_not_depend_on_the_length_of_the_walk(time):
    generator = np.random.default_rng(0)
    for _ in range(20):
        values = np.sort(generator.uniform(0.05, 1.0, 7))[::-1]
        values[0] = 1.0
        assert suggest_n_clusters(values**time) == suggest_n_clusters(values)


def test_number_of_clusters_of_separate_groups(dense_affinity):
    matrix = block_diagonal(*(dense_affinity(8, seed=s) for s in range(4)))
    found = graph_spectrum(sp.csr_array(matrix), 8, uniform=1e-3)
    assert suggest_n_clusters(found.eigenvalues) == 4


def test_edges_among_copies_are_part_of_the_affinity():
    generator = np.random.default_rng(0)
    for n_nodes in (60, 500):
        upper = np.triu(generator.random((n_nodes, n_nodes)) < 8 / n_nodes, 1)
        ring = np.roll(np.eye(n_nodes), 1, axis=0)
        matrix = (upper + upper.T + ring + ring.T).astype(float)
        matrix[np.diag_indices(n_nodes)] = generator.integers(0, 4, n_nodes) ** 2 * 5.0
        found = graph_spectrum(sp.csr_array(matrix), 4, tol=1e-4)
        root = np.sqrt(matrix.sum(axis=1))
        exact = np.linalg.eigvalsh(matrix / np.outer(root, root))[::-1][:4]
        np.testing.assert_allclose(found.eigenvalues, exact, atol=1e-5)
