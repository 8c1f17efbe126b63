"""The fit over tokens: what its eigenfunctions and clusters are on its own graph."""

import numpy as np
import pytest
import torch
from neuraleig._progress import Progress

from neuraleig import DenseSegmenter
from neuraleig._random import Seeds
from neuraleig.metrics import modularity
from neuraleig.networks import make_token_network
from neuraleig.sampling import TokenWindow, WindowSampler, padded_inputs
from neuraleig.segmentation._fit import fit_tokens, labels_of_sample
from neuraleig.segmentation._token_sample import HeldWindows, SampleRules
from neuraleig.segmentation._training import TokenContext, token_objective

CPU = torch.device("cpu")
SIZES = (6, 7), (5, 8), (7, 7)
N_CHANNELS = 6


@pytest.fixture(scope="module")
def windows():
    """Three kinds of tokens, far from the origin and in units of their own."""
    generator = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(3, N_CHANNELS, generator=generator)
    units = torch.logspace(-1, 2, N_CHANNELS)
    held = []
    for height, width in SIZES:
        kind = (torch.arange(width) * 3 // width).expand(height, width)
        noise = torch.randn(height, width, N_CHANNELS, generator=generator)
        features = 50 + units * (centres[kind] + noise)
        held.append(TokenWindow(features, torch.rand(height, width, 3)))
    return HeldWindows(held)


@pytest.fixture(scope="module", params=["spectral", "random"])
def fitted(request, windows, make_segmenter):
    model = make_segmenter(
        3, n_components=4, init=request.param, tokens_per_window=None, max_iter=20
    )
    context = TokenContext(
        model._settings(), N_CHANNELS, Seeds.draw(0), CPU, Progress(0)
    )
    return fit_tokens(windows, model._task(), context)


@pytest.fixture
def values(fitted, windows):
    """Functions at all nodes of the graph, from raw features."""
    parts = [
        fitted.eigenfunctions(padded_inputs([windows[i].features]))[0]
        for i in range(len(SIZES))
    ]
    return torch.cat(parts).detach().numpy().astype(np.float64)


def test_functions_are_orthonormal_under_the_degrees(fitted, values):
    shares = fitted.graph.degrees / fitted.graph.degrees.sum()
    gram = values.T @ (shares[:, None] * values)
    np.testing.assert_allclose(gram, np.eye(4), atol=1e-3)


def test_the_first_is_constant_and_the_others_have_the_mean_zero(fitted, values):
    shares = fitted.graph.degrees / fitted.graph.degrees.sum()
    np.testing.assert_array_equal(values[:, 0], 1)
    np.testing.assert_allclose(shares @ values[:, 1:], 0, atol=1e-4)


def test_eigenvalues_are_rayleigh_quotients(fitted, values):
    graph = fitted.graph
    energy = values.T @ (graph.weights @ values) / graph.degrees.sum()
    found = fitted.eigenfunctions.eigenvalues.numpy()
    np.testing.assert_allclose(np.diag(energy), found, atol=1e-3)
    # None is larger than the exact ones, one by one from the largest.
    degrees = graph.degrees
    exact = np.linalg.eigvalsh(
        graph.weights.toarray() / np.sqrt(np.outer(degrees, degrees))
    )[::-1]
    assert (np.sort(found)[::-1] <= exact[:4] + 1e-6).all()


def test_what_was_taught_is_learned(fitted, values):
    if fitted.targets is None:
        pytest.skip("nothing was taught")
    shares = fitted.graph.degrees / fitted.graph.degrees.sum()
    taught = fitted.targets.functions.numpy()
    overlap = np.diag(values[:, 1:].T @ (shares[:, None] * taught))
    # Signs as well: the two that tell three kinds apart.
    assert (overlap[:2] > 0.9).all()


def test_labels_are_those_of_the_final_head(fitted, windows):
    parts = [
        fitted.eigenfunctions(padded_inputs([windows[i].features]))[1]
        for i in range(len(SIZES))
    ]
    found = torch.cat(parts).argmax(dim=1).numpy()
    np.testing.assert_array_equal(found, fitted.labels)
    assert fitted.modularity == pytest.approx(
        modularity(fitted.graph.weights, fitted.labels)
    )
    assert fitted.n_updates >= len(fitted.losses) == 20


def test_samples_have_the_labels_of_their_tokens(fitted, windows):
    # As the fit had them: standardised.
    trunk = fitted.eigenfunctions.network.trunk
    standard = HeldWindows(
        [
            TokenWindow(
                (windows[i].features - trunk.shift) / trunk.scale, windows[i].colors
            )
            for i in range(len(SIZES))
        ]
    )
    sample = SampleRules(None, 1000, N_CHANNELS, 64, 0.3, CPU).draw(standard, 0)
    found = labels_of_sample(fitted.eigenfunctions, sample, np.arange(3))
    assert (found == fitted.labels).mean() > 0.99
    merged = labels_of_sample(fitted.eigenfunctions, sample, np.array([0, 0, 0]))
    assert (merged == 0).all()


def test_without_functions_the_clusters_alone_are_learned():
    torch.manual_seed(0)
    network = make_token_network(N_CHANNELS, n_functions=1, n_clusters=3, width=8)
    settings = DenseSegmenter.from_preset("cityscapes", n_clusters=3)._settings()
    sampler = WindowSampler(
        HeldWindows([TokenWindow(torch.randn(4, 5, N_CHANNELS), torch.rand(4, 5, 3))]),
        1,
        seed=0,
        n_neighbors=4,
    )
    batch = next(iter(sampler))
    loss = token_objective(network, settings)(network(batch.inputs), batch)
    loss.backward()
    assert all(w.grad is None for w in network.function_head.parameters())
    assert all(w.grad is not None for w in network.label_head.parameters())
