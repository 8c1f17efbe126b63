"""A fit that was interrupted and goes on ends as if it never had been."""

import os
import re
from functools import cache, partial
from pathlib import Path

import new_process
import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from torch import nn

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig._fit import _targets, _teach, _tune
from neuraleig.affinity import NeighborAffinity
from neuraleig.estimators._checkpoint import check_same_data, identity_of
from neuraleig.training import BaseCallback, CheckpointError
from neuraleig.training._checkpoint import CheckpointFolder

X = make_blobs(
    400, n_features=3, centers=[[0, 0, 0], [5, 0, 0], [2, 4, 0]], random_state=0
)[0]
PARAMS = {
    "n_clusters": 3,
    "hidden_sizes": (16, 8),
    "training__max_iter": 60,
    "training__batch_size": 64,
    # Enough edges are held out for early stopping.
    "training__validation_fraction": 0.25,
    "training__checkpoint_interval": 10,
    "random_state": 0,
}


class Interruption(BaseException):
    """What no part of a fit expects."""


class InterruptAt(BaseCallback):
    """Interrupt a training after a step."""

    def __init__(self, phase, step):
        self.moment = (phase, step)

    def on_batch_end(self, state):
        if (state.phase, state.step) == self.moment:
            raise Interruption


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    """Warm starts of three rounds that never end early; epochs of 20 steps."""
    monkeypatch.setattr(_teach, "LEARNED_AGREEMENT", 2.0)
    monkeypatch.setattr(_teach, "ROUND_STEPS", 5)
    monkeypatch.setattr(_teach, "MAX_STEPS", 15)
    monkeypatch.setattr(_teach, "MIN_PASSES", 0)
    monkeypatch.setattr(_tune, "EPOCH_STEPS", 20)


@pytest.fixture
def interrupt_in(monkeypatch):
    """Interrupt a save, before or after it, or the work that follows."""

    def arrange(name, *, after):
        save = CheckpointFolder.save

        def interrupted(self, entry, tree):
            if after or entry != name:
                save(self, entry, tree)
            if entry == name:
                monkeypatch.setattr(CheckpointFolder, "save", save)
                raise Interruption

        monkeypatch.setattr(CheckpointFolder, "save", interrupted)

    return arrange


def results_of(model):
    """Everything that a fit comes to."""
    weights = model.eigenfunctions_.state_dict()
    found = {name: weight.numpy() for name, weight in weights.items()}
    for name in ("labels_", "embedding_", "eigenvalues_", "graph_eigenvalues_"):
        if hasattr(model, name):
            found[name] = getattr(model, name)
    found["loss_curve_"] = np.array(model.loss_curve_)
    found["n_iter_"] = np.array(model.n_iter_)
    return found


@cache
def uninterrupted():
    """What the plain fit of all tests comes to, whose epochs are short as well."""
    return results_of(NeuralEigenSpectralClustering().set_params(**PARAMS).fit(X))


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def assert_resumes(tmp_path, kind=NeuralEigenSpectralClustering, **params):
    """Interrupt at every moment in turn, and compare what comes out at last."""
    params = PARAMS | params
    if kind is NeuralSpectralEmbedding:
        del params["n_clusters"]
    expected = results_of(kind().set_params(**params).fit(X))
    checkpoint = tmp_path / "fit"
    moments = [("warm_start", 8), ("fine_tuning", 51)]
    if params.get("training__init") == "random":
        moments = [("fine_tuning", 33), ("fine_tuning", 51)]
    for moment in moments:
        model = kind(
            checkpoint=checkpoint, callbacks=[InterruptAt(*moment)]
        ).set_params(**params)
        with pytest.raises(Interruption):
            model.fit(X)
    steps = []

    class Counter(BaseCallback):
        def on_batch_end(self, state):
            steps.append(state.step)

    model = (
        kind(checkpoint=checkpoint, callbacks=[Counter()]).set_params(**params).fit(X)
    )
    assert_equal(results_of(model), expected)
    # It went on from the latest save.
    assert steps[0] == 41
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"assign_labels": "kmeans"},
        {"training__optimizer": "adam"},
        {"training__init": "random", "assign_labels": "kmeans"},
        {"training__sampling": "nodes"},
        {"affinity": "rbf"},
        {"training__assignment": "gumbel_softmax", "training__temperature": (1.0, 0.3)},
        {"training__head": "orthogonal"},
        {"training__walk_length": 2, "training__early_stopping": False},
        {"training__precision": "bfloat16"},
    ],
    ids=lambda params: "-".join(map(str, params.values())) or "default",
)
def test_resumed_is_uninterrupted(tmp_path, params):
    assert_resumes(tmp_path, **params)


@pytest.mark.parametrize("init", ["spectral", "random"])
def test_resumed_embeddings_are_uninterrupted(tmp_path, init):
    assert_resumes(tmp_path, NeuralSpectralEmbedding, training__init=init)


@pytest.mark.parametrize(
    "entry", ["seeds", "graph", "targets", "warm_start", "fine_tuning"]
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_saves_may_be_interrupted(tmp_path, interrupt_in, entry, after):
    model = NeuralEigenSpectralClustering(checkpoint=tmp_path / "fit").set_params(
        **PARAMS
    )
    interrupt_in(entry, after=after)
    with pytest.raises(Interruption):
        model.fit(X)
    assert_equal(results_of(model.fit(X)), uninterrupted())


def test_what_was_done_is_not_done_again(tmp_path, monkeypatch):
    params = PARAMS | {"checkpoint": tmp_path}
    with pytest.raises(Interruption):
        NeuralEigenSpectralClustering(
            callbacks=[InterruptAt("fine_tuning", 30)]
        ).set_params(**params).fit(X)
    monkeypatch.setattr(NeighborAffinity, "build", None)
    monkeypatch.setattr(_targets, "graph_spectrum", None)
    NeuralEigenSpectralClustering().set_params(**params).fit(X)


def test_the_seeds_of_the_first_attempt_are_kept(tmp_path):
    params = PARAMS | {"random_state": None, "checkpoint": tmp_path / "fit"}
    weights = []

    class Watch(InterruptAt):
        def on_train_begin(self, state):
            weights.append(state.network.trunk.layers[0].weight.detach().clone())

    for moment in (("warm_start", 3), ("warm_start", 2)):
        with pytest.raises(Interruption):
            NeuralEigenSpectralClustering(callbacks=[Watch(*moment)]).set_params(
                **params
            ).fit(X)
    assert weights[0].equal(weights[1])


def test_a_completed_fit_leaves_other_files_alone(tmp_path):
    other = tmp_path / "mine.safetensors"
    other.write_text("mine")
    (tmp_path / ".neuraleig-abc.part").write_text("left by a fit that was killed")
    NeuralEigenSpectralClustering(checkpoint=tmp_path).set_params(**PARAMS).fit(X)
    assert list(tmp_path.iterdir()) == [other]


# Fits that must not go on


@pytest.fixture
def interrupted(tmp_path):
    """Parameters of a fit that was interrupted in fine-tuning."""
    params = PARAMS | {"checkpoint": tmp_path / "fit"}
    with pytest.raises(Interruption):
        NeuralEigenSpectralClustering(
            callbacks=[InterruptAt("fine_tuning", 30)]
        ).set_params(**params).fit(X)
    return params


def content_of(params):
    return {path.name: path.read_bytes() for path in params["checkpoint"].iterdir()}


@pytest.mark.parametrize(
    ("changes", "rows", "named"),
    [
        ({"training__max_iter": 61}, X, "training__max_iter"),
        ({"n_clusters": 4, "training__lr": 0.1}, X, "n_clusters, training__lr"),
        ({"affinity__weights": "heat"}, X, "affinity__weights"),
        ({"affinity": "rbf"}, X, "affinity, affinity__.*"),
        ({"network": lambda n_features: None}, X, "network"),
        ({}, X + 1e-12, "X"),
        ({}, X[:-1], "X"),
        ({}, X.astype(np.float32), "X"),
    ],
)
def test_other_parameters_or_data_are_refused(interrupted, changes, rows, named):
    before = content_of(interrupted)
    model = NeuralEigenSpectralClustering().set_params(**interrupted | changes)
    message = rf"checkpoint='.*fit': it belongs to a fit with other {named}; delete"
    with pytest.raises(CheckpointError, match=message):
        model.fit(rows)
    assert content_of(interrupted) == before


def test_another_network_of_the_same_name_is_refused(tmp_path):
    def trunk(n_features):
        return nn.Linear(n_features, width)

    params = PARAMS | {"network": trunk, "checkpoint": tmp_path}
    width = 16
    with pytest.raises(Interruption):
        NeuralEigenSpectralClustering(
            callbacks=[InterruptAt("fine_tuning", 30)]
        ).set_params(**params).fit(X)
    width = 8
    message = "'warm_start' holds weights of another network .*; delete the folder"
    with pytest.raises(CheckpointError, match=re.compile(message, re.DOTALL)):
        NeuralEigenSpectralClustering().set_params(**params).fit(X)


def test_another_estimator_is_refused(interrupted):
    params = {k: v for k, v in interrupted.items() if k != "n_clusters"}
    with pytest.raises(CheckpointError, match="estimator"):
        NeuralSpectralEmbedding().set_params(**params).fit(X)


@pytest.mark.parametrize(
    "changes",
    [
        {"verbose": 1},
        {"n_jobs": 2},
        {"training__checkpoint_interval": 60},
        {"affinity__weights": "self_tuning"},
        {"hidden_sizes": [16, 8], "training__max_iter": np.int64(60)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_no_result_may_change(interrupted, changes):
    model = NeuralEigenSpectralClustering().set_params(**interrupted | changes)
    assert_equal(results_of(model.fit(X)), uninterrupted())


def test_other_affinity_matrices_are_refused(tmp_path):
    kernel = np.exp(-np.square(X[:, None] - X).sum(axis=2))
    params = PARAMS | {"affinity": "precomputed", "checkpoint": tmp_path}
    model = NeuralEigenSpectralClustering(
        callbacks=[InterruptAt("fine_tuning", 30)]
    ).set_params(**params)
    with pytest.raises(Interruption):
        model.fit(X, affinity_matrix=kernel)
    with pytest.raises(CheckpointError, match="affinity_matrix"):
        model.fit(X, affinity_matrix=2 * kernel)


def test_parts_that_are_made_first_are_the_default_ones(tmp_path):
    # Its checkpoint has neither a Training nor an affinity.
    model = NeuralEigenSpectralClustering(
        3, checkpoint=tmp_path, callbacks=[InterruptAt("warm_start", 3)]
    )
    with pytest.raises(Interruption):
        model.fit(X)
    watched = model.set_params(callbacks=None, training__lr=0.1)
    with pytest.raises(CheckpointError, match="fit with other training__lr; delete"):
        watched.fit(X)
    nothing_else = {"training__lr": 3e-3, "training__checkpoint_interval": 7}
    model.set_params(**nothing_else, affinity__backend="auto").fit(X)
    assert not tmp_path.exists()


def test_other_groups_are_refused(tmp_path):
    model = NeuralEigenSpectralClustering(
        checkpoint=tmp_path, callbacks=[InterruptAt("fine_tuning", 30)]
    ).set_params(**PARAMS, affinity__across_groups=True)
    groups = np.arange(len(X)) % 2
    with pytest.raises(Interruption):
        model.fit(X, groups=groups)
    model.set_params(callbacks=None)
    with pytest.raises(CheckpointError, match="fit with other groups; delete"):
        model.fit(X, groups=np.arange(len(X)) // 2 % 2)
    # The same groups by other names.
    model.fit(X, groups=np.array(["north", "south"])[groups])
    assert not tmp_path.exists()


def test_failed_fits_keep_their_checkpoint(interrupted):
    before = content_of(interrupted)
    assert {"neuraleig-fine_tuning.safetensors"} < set(before)
    with pytest.raises(ValueError, match="NaN"):
        NeuralEigenSpectralClustering().set_params(**interrupted).fit(
            np.full_like(X, np.nan)
        )
    assert content_of(interrupted) == before


# Processes that are killed

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
FITS = """
import os, signal, sys
# The same module as here.
sys.path[:0] = [sys.argv[1], os.path.dirname(sys.argv[1])]
import numpy as np
import torch
import test_resume as law
from neuraleig import NeuralEigenSpectralClustering
from neuraleig._fit import _teach
from neuraleig.training import BaseCallback

results, *moments = sys.argv[2:]
folder = os.path.join(results, "fit")
_teach.LEARNED_AGREEMENT, _teach.MAX_STEPS = 2.0, 75
torch.set_num_threads(1)

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

class KillAt(BaseCallback):
    def on_grad_computed(self, state):
        if f"{state.phase} {state.step}" == moment:
            kill()

def fsync(descriptor, fsync=os.fsync):
    # A new file is written beside the others, but has not taken its place.
    if moment == f"write {len(os.listdir(folder))}":
        kill()
    fsync(descriptor)

def fit(checkpoint, name):
    params = {"training__max_iter": 130, "training__assignment": "gumbel_softmax"}
    model = NeuralEigenSpectralClustering(checkpoint=checkpoint, callbacks=[KillAt()])
    model.set_params(**law.PARAMS | params).fit(law.X)
    np.savez(os.path.join(results, name), **law.results_of(model))

def in_a_process(checkpoint, name):
    # Forked before anything was computed: torch is imported once for all.
    child = os.fork()
    if child == 0:
        fit(checkpoint, name)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

os.fsync = fsync
for moment in moments:
    assert in_a_process(folder, "killed") == -signal.SIGKILL, moment
moment = "never"
assert in_a_process(folder, "resumed") == 0
assert in_a_process(None, "whole") == 0
"""


def assert_survives(tmp_path, moments):
    """Kill one process after the other, and let a last one complete the fit."""
    found = new_process.run(["-c", FITS, Path(__file__).parent, tmp_path, *moments])
    assert found.returncode == 0, found.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "resumed.npz",
        "whole.npz",
    ]
    assert_equal(np.load(tmp_path / "resumed.npz"), np.load(tmp_path / "whole.npz"))


# The third file is that of the targets, of which the graph is known by then.
QUICK = ["write 3", "warm_start 60", "fine_tuning 70"]


@needs_fork
def test_killed_processes_are_gone_on_from(tmp_path):
    assert_survives(tmp_path, QUICK)


@needs_fork
@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        *(f"write {number}" for number in range(1, 7)),
        *(f"warm_start {step}" for step in (0, 24, 25, 74)),
        *(f"fine_tuning {step}" for step in (0, 49, 50, 129)),
    ],
)
def test_killed_at_any_moment(tmp_path, moment):
    assert_survives(tmp_path, [moment])


class StopAtOnce(BaseCallback):
    """Stops by a number of numpy."""

    def on_batch_end(self, state):
        state.stop = np.mean(state.losses) < np.inf


@pytest.mark.parametrize(
    "changed",
    [
        {"training__lr": np.float32(1e-3)},
        {"affinity__regularization": np.float32(0.1)},
        {"training__n_iter_no_change": np.int64(1)},
        {"callbacks": [StopAtOnce()]},
    ],
)
def test_numbers_of_numpy_are_kept(changed, tmp_path):
    parameters = {
        **PARAMS,
        "training__init": "random",
        "training__checkpoint_interval": 1,
        **changed,
    }
    model = NeuralEigenSpectralClustering(checkpoint=tmp_path / "kept").set_params(
        **parameters
    )
    plain = NeuralEigenSpectralClustering().set_params(**parameters)
    np.testing.assert_array_equal(model.fit_predict(X), plain.fit_predict(X))


def gaussian(left, right, gamma):
    squared = ((left[:, None] - right[None]) ** 2).sum(axis=2)
    return np.exp(-gamma * squared)


def test_other_arguments_of_a_partial_kernel_are_another_fit():
    device = torch.device("cpu")
    identities = [
        identity_of(
            NeuralEigenSpectralClustering(affinity=partial(gaussian, gamma=gamma)),
            device,
        )
        for gamma in (0.1, 9.0, 0.1)
    ]
    assert identities[0] == identities[2] != identities[1]


def test_a_refused_fit_leaves_no_checkpoint_behind(tmp_path):
    with pytest.raises(ValueError, match="n_clusters=2000"):
        NeuralEigenSpectralClustering(2000, checkpoint=tmp_path).fit(X)
    NeuralEigenSpectralClustering(2, checkpoint=tmp_path, random_state=0).fit(X)


def test_fits_that_begin_together_in_one_folder_do_not_mix(tmp_path):
    """As the folds of a parallel search, which have equal parameters."""
    folder, rows = tmp_path / "fit", {"one": X[:200], "other": X[200:]}
    begun = {name: CheckpointFolder(folder, {}) for name in rows}
    for name, checkpoint in begun.items():
        # Each has looked before the other has saved anything.
        (folder / "neuraleig-data.safetensors").unlink(missing_ok=True)
        check_same_data(checkpoint, X=rows[name])
    begun["one"].save("graph", {"weights": np.ones(3)})
    with pytest.raises(CheckpointError, match="belongs to a fit with other X"):
        begun["other"].load("graph")
    assert begun["one"].load("graph")["weights"].sum() == 3
