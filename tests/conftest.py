"""Small graphs whose every property a dense solver knows."""

import contextlib
import io
import shlex
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import settings

from neuraleig._batch import Batch, Edges, Outputs
from neuraleig.cli import main

# Tables of a few rows are slower on several threads.
torch.set_num_threads(1)
# A busy machine is no failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard():
    """Here and in programs that tests start, also where tests run in the background.

    Shells let programs in the background ignore interrupts, and whatever these start.
    """
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture(scope="session", autouse=True)
def caches_are_elsewhere(tmp_path_factory):
    """Features that commands store are not those of the user."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("caches")))
        yield


@pytest.fixture(autouse=True)
def seeded():
    """The same draws for a test alone as among others."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_figure_left():
    """Figures of pyplot, which never closes any by itself."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def dense_affinity():
    """Maker of random connected affinities with an empty diagonal."""

    def make(n_nodes, seed=0, density=1.0):
        generator = np.random.default_rng(seed)
        upper = np.triu(generator.uniform(0.1, 1.0, (n_nodes, n_nodes)), k=1)
        upper *= generator.random(upper.shape) < density
        path = np.arange(n_nodes - 1)
        upper[path, path + 1] += 0.5
        return upper + upper.T

    return make


@pytest.fixture(scope="session")
def walk_eigenpairs():
    """Dense eigenpairs of a random walk, those of the constant left out."""

    def solve(matrix):
        degrees = matrix.sum(axis=1)
        values, vectors = scipy.linalg.eigh(
            matrix / np.sqrt(np.outer(degrees, degrees))
        )
        functions = vectors * np.sqrt(degrees.sum() / degrees)[:, None]
        return values[::-1][1:], functions[:, ::-1][:, 1:]

    return solve


@pytest.fixture(scope="session")
def weighted_edges():
    """Converter of a dense affinity to float64 edges."""

    def convert(matrix):
        return Edges.from_dense(torch.from_numpy(matrix))

    return convert


@pytest.fixture(scope="session")
def minimise():
    """Minimiser of a loss over a free table of values, by L-BFGS."""

    def run(loss, start, n_rounds=3):
        values = start.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [values],
            max_iter=200,
            history_size=50,
            tolerance_grad=1e-12,
            tolerance_change=1e-16,
            line_search_fn="strong_wolfe",
        )

        def closure():
            optimizer.zero_grad()
            result = loss(values)
            torch.autograd.backward(result)
            return result

        for _ in range(n_rounds):
            optimizer.step(closure)
        return values.detach()

    return run


@pytest.fixture(scope="session")
def batch_of():
    """Batch and outputs around a table of values, for classes of objectives."""

    def make(edges, *, functions=None, logits=None, assignments=None, index=None):
        n_rows = edges.n_nodes
        nothing = torch.full((n_rows, 2), torch.nan, dtype=torch.float64)
        outputs = Outputs(
            nothing if functions is None else functions,
            nothing if logits is None else logits,
            nothing if assignments is None else assignments,
        )
        index = torch.arange(n_rows) if index is None else index
        return outputs, Batch(torch.zeros(n_rows, 1), edges, index)

    return make


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Runs a line ``neuraleig ... < file > file`` here, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(line):
        words = shlex.split(line, comments=True)
        assert words.pop(0) == "neuraleig", line
        target = None
        for sign in ("<", ">"):
            if sign not in words:
                continue
            at = words.index(sign)
            path = Path(words[at + 1])
            del words[at : at + 2]
            if sign == "<":
                content = io.BytesIO(path.read_bytes())
                monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
            else:
                target = path
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = main(words, out)
        if target is not None:
            target.write_text(out.getvalue(), encoding="utf-8")
        return status, out.getvalue()

    return run
