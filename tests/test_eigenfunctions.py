import copy

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from neuraleig import eigenfunctions
from neuraleig._standardize import Standardization
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import make_network
from neuraleig.spectrum import graph_spectrum

N_NODES = 12
UNCHANGED = Standardization(np.zeros(N_NODES), 1.0)


def table_network(functions, n_clusters=3):
    """A network that returns row i of a table for the i-th unit vector."""
    n_nodes, n_functions = functions.shape
    network = make_network(
        "mlp",
        n_features=n_nodes,
        n_functions=n_functions,
        n_clusters=n_clusters,
        hidden_sizes=(),
    )
    with torch.no_grad():
        network.function_head.weight.copy_(torch.from_numpy(functions.T.copy()))
        network.function_head.bias.zero_()
    return network


def fitted(functions, matrix, uniform=0.0):
    degrees = (matrix + uniform).sum(axis=1)
    rows = torch.eye(matrix.shape[0])
    return Eigenfunctions.from_graph(
        table_network(functions),
        UNCHANGED,
        rows,
        sp.csr_array(matrix),
        degrees,
        uniform,
    )


@pytest.fixture
def matrix(dense_affinity):
    return dense_affinity(N_NODES, seed=1, density=0.4)


@pytest.mark.parametrize("uniform", [0.0, 0.05])
def test_a_network_of_mixed_exact_functions_gives_them_back(matrix, uniform):
    exact = graph_spectrum(sp.csr_array(matrix), 5, uniform=uniform)
    generator = np.random.default_rng(0)
    mixed = exact.functions[:, 1:] @ generator.normal(size=(4, 4)) + [3, -1, 2, 0]
    found = fitted(mixed, matrix, uniform)
    assert found.n_components == 5
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues, atol=1e-5)
    functions, _ = found.evaluate(np.eye(N_NODES))
    np.testing.assert_array_equal(functions[:, 0], 1.0)
    signs = np.sign((functions * exact.functions).sum(axis=0))
    np.testing.assert_allclose(functions * signs, exact.functions, atol=1e-3)


@pytest.mark.parametrize("uniform", [0.0, 0.05])
def test_any_functions_become_ordered_orthonormal_ones(matrix, uniform):
    table = np.random.default_rng(1).normal(size=(N_NODES, 4))
    found = fitted(table, matrix, uniform)
    functions = found.evaluate(np.eye(N_NODES))[0].astype(np.float64)
    full = matrix + uniform
    shares = full.sum(axis=1) / full.sum()
    mass = functions.T @ (shares[:, None] * functions)
    np.testing.assert_allclose(mass, np.eye(5), atol=1e-5)
    energy = functions.T @ full @ functions / full.sum()
    np.testing.assert_allclose(energy, np.diag(found.eigenvalues), atol=1e-5)
    assert np.all(np.diff(found.eigenvalues[1:]) <= 0)


def test_ritz_values_never_exceed_the_exact_ones(matrix):
    # Courant and Fischer, with the constant function in the span.
    exact = graph_spectrum(sp.csr_array(matrix), 4).eigenvalues
    for seed in range(20):
        table = np.random.default_rng(seed).normal(size=(N_NODES, 3))
        assert np.all(fitted(table, matrix).eigenvalues.numpy() <= exact + 1e-6)


def test_the_span_alone_matters(matrix):
    generator = np.random.default_rng(2)
    table = generator.normal(size=(N_NODES, 3))
    first = fitted(table, matrix)
    change = np.eye(3) + np.triu(generator.normal(size=(3, 3)), k=1)
    second = fitted(table @ change + 1.0, matrix)
    np.testing.assert_allclose(first.eigenvalues, second.eigenvalues, atol=1e-5)
    pair = [f.evaluate(np.eye(N_NODES))[0] for f in (first, second)]
    signs = np.sign((pair[0] * pair[1]).sum(axis=0))
    np.testing.assert_allclose(pair[0] * signs, pair[1], atol=1e-3)


def test_repeated_functions_are_dropped(matrix):
    table = np.random.default_rng(3).normal(size=(N_NODES, 2))
    found = fitted(table[:, [0, 1, 0]], matrix)
    assert found.n_components == 3
    expected = fitted(table, matrix).eigenvalues
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, -1e3])
def test_constant_functions_are_dropped(matrix, constant):
    table = np.random.default_rng(3).normal(size=(N_NODES, 3))
    table[:, 1] = constant
    found = fitted(table, matrix)
    assert found.n_components == 3
    expected = fitted(table[:, [0, 2]], matrix).eigenvalues
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-5)


def test_collapsed_networks_keep_the_constant(matrix):
    found = fitted(np.full((N_NODES, 2), 0.3), matrix)
    assert found.n_components == 1
    functions, logits = found.evaluate(np.eye(N_NODES))
    np.testing.assert_array_equal(functions, np.ones((N_NODES, 1)))
    assert logits.shape == (N_NODES, 3)


def test_without_edges_all_rows_count_alike():
    table = np.random.default_rng(4).normal(size=(N_NODES, 2))
    found = fitted(table, np.zeros((N_NODES, N_NODES)))
    functions, _ = found.evaluate(np.eye(N_NODES))
    mass = functions.T @ functions / N_NODES
    np.testing.assert_allclose(mass, np.eye(3), atol=1e-5)


def module_of(n_features, hidden_sizes=(64, 64), n_functions=6, seed=0):
    torch.manual_seed(seed)
    network = make_network(
        "mlp",
        n_features=n_features,
        n_functions=n_functions,
        n_clusters=5,
        hidden_sizes=hidden_sizes,
    )
    return Eigenfunctions(
        network,
        Standardization(np.linspace(-1, 1, n_features), 2.0),
        torch.randn(n_functions),
        torch.randn(n_functions, n_functions),
        torch.linspace(1, 0, n_functions + 1, dtype=torch.float64),
    )


@pytest.mark.parametrize(
    ("n_features", "hidden_sizes"),
    [
        (2, (64, 64)),
        (10, (256, 256)),
        (64, (100,)),
        (301, (256, 17)),
        (5, (510,)),
        (5, (8,)),
        (17, (4, 4)),
    ],
)
@pytest.mark.parametrize("n_functions", [2, 6, 9, 19])
def test_a_row_has_the_same_bits_alone_and_in_company(
    n_features, hidden_sizes, n_functions
):
    module = module_of(n_features, hidden_sizes, n_functions)
    rows = np.random.default_rng(0).normal(size=(2_500, n_features))
    together = module.evaluate(rows)
    for part in (slice(0, 1), slice(2_047, 2_048), slice(2_499, 2_500), slice(30, 77)):
        alone = module.evaluate(rows[part])
        for joint, single in zip(together, alone, strict=True):
            np.testing.assert_array_equal(joint[part], single)
    order = np.random.default_rng(1).permutation(len(rows))
    for joint, permuted in zip(together, module.evaluate(rows[order]), strict=True):
        np.testing.assert_array_equal(joint[order], permuted)


def test_slices_do_not_show(monkeypatch):
    module = module_of(3)
    rows = np.random.default_rng(0).normal(size=(500, 3))
    expected = module.evaluate(rows)
    monkeypatch.setattr(eigenfunctions, "SLICE_ROWS", 64)
    monkeypatch.setattr(eigenfunctions, "SLICE_ELEMENTS", 300)
    for found, exact in zip(module.evaluate(rows), expected, strict=True):
        np.testing.assert_array_equal(found, exact)


def test_evaluate_is_forward_of_the_standardised_rows():
    module = module_of(4)
    rows = np.random.default_rng(0).normal(size=(40, 4))
    standard = torch.from_numpy((rows - np.linspace(-1, 1, 4)) / 2.0).float()
    outputs = module.network(standard)
    learned = (outputs.functions - module.mean) @ module.rotation
    functions, logits = module.evaluate(rows)
    np.testing.assert_allclose(functions[:, 1:], learned.detach(), atol=1e-5)
    np.testing.assert_allclose(logits, outputs.logits.detach(), atol=1e-5)


def test_large_offsets_survive():
    # Both rows are 1e8 in float32.
    module = module_of(2)
    near = Standardization(module.shift.numpy() + 1e8, 2.0)
    moved = Eigenfunctions(
        module.network, near, module.mean, module.rotation, module.eigenvalues
    )
    rows = np.array([[1.0, 2.0], [1.5, 2.0]])
    np.testing.assert_allclose(
        moved.evaluate(rows + 1e8)[0], module.evaluate(rows)[0], atol=1e-5
    )


def test_state_dict_round_trip():
    first, second = module_of(3, seed=1), module_of(3, seed=2)
    rows = np.random.default_rng(0).normal(size=(20, 3))
    expected = first.evaluate(rows)
    assert not np.allclose(second.evaluate(rows)[0], expected[0])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for found, exact in zip(second.evaluate(rows), expected, strict=True):
        np.testing.assert_array_equal(found, exact)
    assert torch.equal(second.eigenvalues, first.eigenvalues)


def test_evaluation_ignores_and_keeps_the_training_mode():
    module = module_of(3)
    module.network.trunk = nn.Sequential(module.network.trunk, nn.Dropout(0.5))
    rows = np.random.default_rng(0).normal(size=(20, 3))
    module.train()
    first, second = module.evaluate(rows)[0], module.evaluate(rows)[0]
    np.testing.assert_array_equal(first, second)
    assert module.training
    assert module.network.trunk.training


def test_scores_alone_are_those_with_functions(matrix):
    found = fitted(np.random.default_rng(2).normal(size=(N_NODES, 4)), matrix)
    rows = np.eye(N_NODES)
    ((functions, alone),) = found.slices(rows, with_functions=False)
    assert functions.shape == (N_NODES, 0)
    np.testing.assert_array_equal(alone, found.evaluate(rows)[1])


@pytest.mark.parametrize("far", [0.0, 1e6])
def test_standardised_rows_have_jacobians_of_batches(far):
    """Values decide which rows have logarithms, which vmap does not allow."""
    rows = torch.randn(5, 3, dtype=torch.float64)
    rows[2, 1] += far
    module = Eigenfunctions(
        make_network("mlp", n_features=3, n_functions=2, n_clusters=2),
        Standardization(np.zeros(3), 2.0, 4.0),
        torch.zeros(2),
        torch.eye(2),
        torch.ones(3),
    )
    one = torch.func.jacrev(lambda row: module.standardize(row[None])[0])
    found = torch.func.vmap(one)(rows)
    expected = torch.stack([one(row) for row in rows])
    torch.testing.assert_close(found, expected)
    assert (found[2, 1, 1] < 0.1) == (far > 0)
