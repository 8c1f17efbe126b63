"""Fits to whole windows: eigenfunctions of their graph, and batches as published."""

import numpy as np
import pytest
import torch
from segmentation import dense_reference

from neuraleig._fit import Run, Settings, Task, WindowProblem, fit
from neuraleig._random import Seeds
from neuraleig.affinity import NeighborAffinity, TokenAffinity
from neuraleig.networks import TokenTransformer, make_network
from neuraleig.sampling import TokenWindow, padded_inputs
from neuraleig.training import Training

CPU = torch.device("cpu")
SIZES = (6, 7), (5, 8), (7, 7)
N_CHANNELS = 6


class Held:
    """Windows in memory."""

    def __init__(self, windows):
        self.windows = windows
        self.sizes = [tuple(window.colors.shape[:2]) for window in windows]

    @property
    def rows(self):
        return torch.cat([w.features.flatten(0, 1) for w in self.windows]).numpy()

    def __getitem__(self, index):
        return self.windows[index]


def windows_of(sizes):
    """Three kinds of tokens, side by side."""
    generator = torch.Generator().manual_seed(0)
    centres = 2 * torch.randn(3, N_CHANNELS, generator=generator)
    held = []
    for height, width in sizes:
        kind = (torch.arange(width) * 3 // width).expand(height, width)
        noise = torch.randn(height, width, N_CHANNELS, generator=generator)
        colors = torch.rand(height, width, 3, generator=generator)
        held.append(TokenWindow(centres[kind] + noise / 2, colors))
    return Held(held)


@pytest.fixture(scope="module")
def windows():
    return windows_of(SIZES)


def problem_of(windows, n_neighbors=64, **options):
    affinity = TokenAffinity(NeighborAffinity(n_neighbors), **options)
    run = Run(Seeds.draw(0), CPU)
    return WindowProblem.build(windows, windows, affinity, windows.rows, run)


def fitted_to(problem, training, n_components=4):
    settings = Settings.of(
        training,
        by_edges=True,
        n_rows=problem.n_rows,
        by_head=True,
        device=CPU,
    )

    def network(problem, n_functions, n_clusters):
        return make_network(
            lambda n: TokenTransformer(n, width=16, n_blocks=1, n_heads=2),
            n_features=problem.n_features,
            n_functions=n_functions,
            n_clusters=n_clusters,
            head=settings.head,
            assignment=settings.assignment,
        )

    task = Task(3, n_components, 9, settings, network)
    return fit(problem, task, Run(Seeds.draw(0), CPU))


@pytest.fixture(scope="module", params=["spectral", "random"])
def fitted(request, windows):
    problem = problem_of(windows)
    return problem, fitted_to(problem, Training(request.param, max_iter=20))


class TestFit:
    def test_functions_are_orthonormal_under_the_degrees(self, fitted):
        problem, found = fitted
        values = problem.evaluate(found.eigenfunctions)[0].astype(np.float64)
        shares = problem.graph.degrees / problem.graph.degrees.sum()
        gram = values.T @ (shares[:, None] * values)
        np.testing.assert_allclose(gram, np.eye(4), atol=1e-3)
        np.testing.assert_array_equal(values[:, 0], 1)

    def test_eigenvalues_are_rayleigh_quotients(self, fitted):
        problem, found = fitted
        graph = problem.graph
        values = problem.evaluate(found.eigenfunctions)[0].astype(np.float64)
        energy = values.T @ (graph.weights @ values) / graph.degrees.sum()
        eigenvalues = found.eigenfunctions.eigenvalues.numpy()
        np.testing.assert_allclose(np.diag(energy), eigenvalues, atol=1e-3)
        # None is larger than the exact ones, one by one from the largest.
        exact = np.linalg.eigvalsh(
            graph.weights.toarray() / np.sqrt(np.outer(graph.degrees, graph.degrees))
        )[::-1]
        assert (np.sort(eigenvalues)[::-1] <= exact[:4] + 1e-6).all()

    @pytest.mark.parametrize("fitted", ["spectral"], indirect=True)
    def test_what_was_taught_is_learned(self, fitted):
        problem, found = fitted
        values = problem.evaluate(found.eigenfunctions)[0]
        shares = problem.graph.degrees / problem.graph.degrees.sum()
        taught = found.targets.functions.numpy()
        overlap = np.diag(values[:, 1:].T @ (shares[:, None] * taught))
        # Signs as well: the two that tell three kinds apart.
        assert (overlap[:2] > 0.9).all()

    def test_values_are_those_of_whole_windows(self, fitted, windows):
        problem, found = fitted
        functions, logits = problem.evaluate(found.eigenfunctions)
        module = found.eigenfunctions
        parts = [module(padded_inputs([w.features])) for w in windows.windows]
        expected = torch.cat([part[0] for part in parts]).detach()
        np.testing.assert_allclose(functions, expected, atol=1e-5)
        expected = torch.cat([part[1] for part in parts]).detach()
        np.testing.assert_allclose(logits, expected, atol=1e-4)

    def test_every_step_is_counted(self, fitted):
        _, found = fitted
        assert len(found.losses) == 20
        assert found.n_updates >= 20

    def test_without_functions_the_clusters_alone_are_learned(self, windows):
        training = Training(
            "random", max_iter=1, label_objective="neuralef", head="orthogonal"
        )
        problem = problem_of(windows)

        def heads(max_iter, n_components):
            training.set_params(max_iter=max_iter)
            network = fitted_to(problem, training, n_components).eigenfunctions.network
            return network.function_head.raw, network.label_head.raw

        (before, labels), (after, moved) = heads(0, 1), heads(3, 1)
        assert torch.equal(before, after)
        assert not torch.equal(labels, moved)
        assert not torch.equal(heads(3, 2)[0], before)


class TestBatches:
    def test_fine_tuning_has_the_published_graph(self, windows):
        problem = problem_of(windows, 4, n_channels=5, pixel_weight=0.2)
        settings = Settings.of(
            Training(batch_size=3),
            by_edges=True,
            n_rows=problem.n_rows,
            by_head=True,
            device=CPU,
        )
        sampler, by_nodes = problem.tuning_batches(settings, 0.0, 0)
        assert not by_nodes
        batch = next(iter(sampler))
        # All windows, in an order of the batch.
        spans = batch.index.numpy()
        order = np.argsort(spans)
        found = batch.affinity.matmul(torch.eye(len(spans))).numpy()
        expected = dense_reference.token_graph(
            [w.features[..., -5:].numpy() for w in windows.windows],
            [w.colors.numpy() for w in windows.windows],
            4,
            0.2,
        )
        np.testing.assert_allclose(found[np.ix_(order, order)], expected, atol=1e-5)

    @pytest.mark.parametrize("batch_size", [None, 2])
    def test_as_many_windows_as_asked_for(self, batch_size):
        problem = problem_of(windows_of([(20, 32)] * 30))
        settings = Settings.of(
            Training(batch_size=batch_size, init="random"),
            by_edges=True,
            n_rows=problem.n_rows,
            by_head=True,
            device=CPU,
        )
        sampler, _ = problem.tuning_batches(settings, 0.1, 0)
        # 6,400 tokens where nothing is asked for.
        assert sampler.batch_size == (batch_size or 10)
        assert sampler.n_held_out == 3

    def test_teaching_has_no_edges(self, windows):
        problem = problem_of(windows)
        sampler, one_pass = problem.teaching_batches(None, 0)
        batch = next(iter(sampler))
        assert one_pass == 1
        assert batch.affinity.weight.numel() == 0
        assert batch.index.sort().values.tolist() == list(range(problem.n_nodes))


class TestInputs:
    @pytest.fixture
    def problem(self, windows):
        return problem_of(windows)

    def test_parts_are_those_of_the_whole(self, problem):
        def features(inputs):
            return inputs[inputs[:, :, 0] > 0][:, 1:]

        inputs = problem.inputs(None, CPU)
        rows = torch.from_numpy(problem.sample.rows)
        assert len(inputs) == len(rows) == problem.n_nodes
        for part in (slice(None), slice(0, 42), slice(5, 60), slice(82, 131)):
            assert torch.equal(inputs.mapped(features, part), rows[part])
        assert inputs.mapped(features, slice(3, 3)).shape == (0, N_CHANNELS)

    def test_what_is_drawn_are_whole_windows(self, problem, monkeypatch):
        def features(inputs):
            return inputs[inputs[:, :, 0] > 0][:, 1:]

        rows = torch.from_numpy(problem.sample.rows)
        labels = torch.zeros(problem.n_nodes, dtype=torch.int64)
        for seed in range(5):
            drawn = problem.drawn(labels, seed)
            found = problem.inputs(drawn, CPU).mapped(features, slice(None))
            assert torch.equal(found, rows[drawn])
        assert drawn.sort().values.tolist() == list(range(problem.n_nodes))

    def test_every_label_is_drawn(self, problem, monkeypatch):
        monkeypatch.setattr("neuraleig._fit._window_problem.SOLVE_TOKENS", 50)
        labels = torch.zeros(problem.n_nodes, dtype=torch.int64)
        labels[0], labels[-1] = 1, 2
        for seed in range(5):
            drawn = problem.drawn(labels, seed)
            assert labels[drawn].unique().tolist() == [0, 1, 2]
            assert len(drawn) < problem.n_nodes
