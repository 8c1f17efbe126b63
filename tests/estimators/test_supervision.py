"""Who looks on while an estimator is fitted: callbacks, stderr, scikit-learn."""

import os
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig._fit import STAGES, _teach
from neuraleig.training import BaseCallback, Training

X = make_blobs(
    300, n_features=3, centers=[[0, 0, 0], [5, 0, 0], [2, 4, 0]], random_state=0
)[0]
SMALL = {
    "hidden_sizes": (16,),
    "training__max_iter": 70,
    "training__validation_fraction": 0.3,
    "random_state": 0,
}
ESTIMATORS = [NeuralEigenSpectralClustering, NeuralSpectralEmbedding]


@pytest.fixture(autouse=True)
def two_rounds(monkeypatch):
    """Warm starts of two rounds, which never end early."""
    monkeypatch.setattr(_teach, "LEARNED_AGREEMENT", 2.0)
    monkeypatch.setattr(_teach, "MAX_STEPS", 50)
    monkeypatch.setattr(_teach, "MIN_PASSES", 0)


class Diary(BaseCallback):
    """Remember the epochs of every training."""

    def __init__(self):
        self.entries = []

    def on_train_begin(self, state):
        self.entries.append([state.phase, state.n_steps])

    def on_epoch_end(self, state):
        self.entries[-1].append((state.epoch, state.step, len(state.scores)))


class StopAt(BaseCallback):
    """End every training at a step."""

    def __init__(self, step):
        self.step = step

    def on_batch_end(self, state):
        state.stop = state.step == self.step


# Callbacks


def test_callbacks_see_rounds_and_evaluations():
    diary = Diary()
    model = (
        NeuralEigenSpectralClustering(3, callbacks=[diary]).set_params(**SMALL).fit(X)
    )
    assert diary.entries == [
        ["warm_start", 50, (1, 25, 0), (2, 50, 0)],
        ["fine_tuning", 70, (1, 50, 2), (2, 70, 3)],
    ]
    # Least squares at first and after every round.
    assert model.n_iter_ == 1 + 50 + 2 + 70


def test_callbacks_end_trainings_in_good_order():
    model = (
        NeuralEigenSpectralClustering(3, callbacks=[StopAt(7)])
        .set_params(**SMALL)
        .fit(X)
    )
    assert len(model.loss_curve_) == 7
    assert model.n_iter_ == 1 + 7 + 1 + 7
    assert np.unique(model.labels_).size == 3


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_callbacks_change_nothing_by_looking(estimator):
    alone = estimator(3).set_params(**SMALL).fit(X)
    watched = estimator(3, callbacks=[Diary()]).set_params(**SMALL).fit(X)
    np.testing.assert_array_equal(alone.transform(X), watched.transform(X))


def test_callbacks_are_cloned_and_serve_several_fits():
    model = NeuralSpectralEmbedding(callbacks=[Diary()]).set_params(**SMALL)
    (diary,) = model.callbacks
    (copied,) = clone(model.fit(X)).callbacks
    assert copied is not diary
    assert copied.entries == diary.entries != []
    n_entries = len(diary.entries)
    model.fit(X)
    assert model.callbacks == [diary]
    assert diary.entries == 2 * diary.entries[:n_entries]


@pytest.mark.parametrize("callbacks", [[BaseCallback], [None], ["progress"]])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bad_callbacks_are_refused_before_any_work(estimator, callbacks, capsys):
    with pytest.raises(TypeError, match="callbacks has"):
        estimator(callbacks=callbacks, verbose=1).fit(X)
    assert capsys.readouterr().err == ""


def test_precision_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="precision='float16' needs a CUDA device"):
        NeuralSpectralEmbedding(
            training=Training(precision="float16"), device="cpu"
        ).fit(X)


def test_bfloat16_trains_and_predicts_in_float32():
    model = (
        NeuralEigenSpectralClustering(3)
        .set_params(**SMALL, training__precision="bfloat16")
        .fit(X)
    )
    exact = NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(X)
    assert model.transform(X).dtype == X.dtype
    assert model.loss_curve_ != exact.loss_curve_
    np.testing.assert_allclose(model.eigenvalues_, exact.eigenvalues_, atol=0.05)
    np.testing.assert_array_equal(model.predict(X[:1]), model.predict(X)[:1])


def test_only_the_steps_are_compiled(monkeypatch):
    compiled = []

    def recorded(network):
        compiled.append(network)
        return network.forward

    monkeypatch.setattr(torch, "compile", recorded)
    plain = NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(X)
    assert compiled == []
    model = (
        NeuralEigenSpectralClustering(3)
        .set_params(**SMALL, training__compile=True)
        .fit(X)
    )
    assert [type(network).__name__ for network in compiled] == ["EigenNetwork"] * 2
    assert model.eigenfunctions_.network is compiled[0] is compiled[1]
    np.testing.assert_array_equal(model.transform(X), plain.transform(X))
    pickle.loads(pickle.dumps(model))


@pytest.mark.slow
# What torch's compiler warns of is not ours to mend.
@pytest.mark.filterwarnings("ignore")
def test_compiled_steps_are_steps():
    if shutil.which("c++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    plain = NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(X)
    model = (
        NeuralEigenSpectralClustering(3)
        .set_params(**SMALL, training__compile=True)
        .fit(X)
    )
    np.testing.assert_allclose(model.loss_curve_, plain.loss_curve_, rtol=0.01)
    pickle.loads(pickle.dumps(model))


# What is told on stderr


@pytest.mark.parametrize(
    ("init", "names"),
    [
        (
            "spectral",
            ["neighbours", "eigenvectors", "warm start", "fine-tuning", "density"],
        ),
        ("random", ["neighbours", "fine-tuning", "density"]),
    ],
)
def test_stages_are_told(capsys, init, names):
    NeuralSpectralEmbedding(verbose=1).set_params(**SMALL, training__init=init).fit(X)
    out, err = capsys.readouterr()
    assert out == ""
    found = re.findall(r"^neuraleig: (.+?): (.+) \(\d+\.\d s\)$", err, re.MULTILINE)
    assert [name for name, _ in found] == names
    assert len(err.splitlines()) == len(names)
    assert re.fullmatch(r"300 nodes, \d+ edges", found[0][1])
    assert re.fullmatch(r"step 70 of at most 70, loss \S+, held out \S+", found[-2][1])


def test_epochs_are_told_by_the_talkative(capsys):
    NeuralEigenSpectralClustering(3, verbose=2).set_params(**SMALL).fit(X)
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if not line.endswith("s)")]
    assert [line.split(" of at")[0] for line in told] == [
        "neuraleig: warm start: step 25",
        "neuraleig: warm start: step 50",
        "neuraleig: fine-tuning: step 50",
        "neuraleig: fine-tuning: step 70",
    ]


def test_nothing_is_told_by_default(capsys):
    NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(X)
    assert capsys.readouterr() == ("", "")


# scikit-learn's callbacks


class Tasks:
    """A callback of scikit-learn that remembers tasks; it may end their siblings."""

    def __init__(self, stop_in=None):
        self.events = []
        self.stop_in = stop_in

    def setup(self, estimator, context):
        self.events.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        self.events.append(("end", context.task_name, context.max_subtasks))
        return context.task_name == self.stop_in

    def teardown(self, estimator, context):
        self.events.append("teardown")


@pytest.fixture
def callback():
    return pytest.importorskip("sklearn.callback", reason="scikit-learn below 1.9")


@pytest.mark.usefixtures("callback")
def test_scikit_learn_sees_stages_and_epochs():
    tasks = Tasks()
    NeuralEigenSpectralClustering(3).set_params(**SMALL).set_callbacks(tasks).fit(X)
    begun = [event[1:] for event in tasks.events if event[0] == "begin"]
    assert begun == [
        ("fit", len(STAGES["spectral"])),
        ("neighbours", 0),
        ("eigenvectors", 0),
        ("labels", 0),
        ("thinned graph", 0),
        ("warm start", 2),
        *[("epoch", 0)] * 2,
        ("fine-tuning", 2),
        *[("epoch", 0)] * 2,
        ("density", 0),
        ("calibration", 0),
    ]
    # Tasks are nested, and all are ended.
    open_tasks = []
    for event in tasks.events[1:-1]:
        if event[0] == "begin":
            open_tasks.append(event[1:])
        else:
            assert open_tasks.pop() == event[1:]
    assert open_tasks == []
    assert tasks.events[0] == "setup"
    assert tasks.events[-1] == "teardown"


@pytest.mark.usefixtures("callback")
def test_scikit_learn_may_end_training():
    model = NeuralEigenSpectralClustering(3).set_params(**SMALL)
    model.set_callbacks(Tasks(stop_in="epoch")).fit(X)
    assert len(model.loss_curve_) == 50


@pytest.mark.usefixtures("callback")
@pytest.mark.parametrize("params", [{"training__lr": 1e30}, {"training__lr": -1.0}])
def test_fits_that_fail_are_torn_down(params):
    tasks = Tasks()
    model = (
        NeuralEigenSpectralClustering(3)
        .set_params(**SMALL | params)
        .set_callbacks(tasks)
    )
    before = dict(vars(model))
    with pytest.raises((FloatingPointError, ValueError), match="lr"):
        model.fit(X)
    assert tasks.events[-1] == "teardown"
    assert vars(model) == before


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_progress_bars_work(callback, estimator, capfd):
    pytest.importorskip("rich")
    bar = callback.ProgressBar(max_propagation_depth=None)
    model = estimator().set_params(**SMALL)
    make_pipeline(StandardScaler(), model).set_callbacks(bar).fit(X)
    told = capfd.readouterr().out
    for name in ("Pipeline", estimator.__name__, "warm start", "fine-tuning"):
        assert name in told
    model.set_callbacks(bar).fit(X).set_callbacks()
    assert "100%" in capfd.readouterr().out


def test_progress_bars_work_in_searches(callback, capfd):
    pytest.importorskip("rich")
    search = GridSearchCV(
        NeuralEigenSpectralClustering().set_params(**SMALL),
        {"n_clusters": [2, 3]},
        cv=2,
    )
    search.set_callbacks(callback.ProgressBar()).fit(X)
    assert "NeuralEigenSpectralClustering" in capfd.readouterr().out


WITHOUT = """
import sys, warnings
warnings.simplefilter("error")
# These import it themselves, where it is; before scikit-learn 1.9 there is none.
import sklearn.linear_model, sklearn.model_selection, sklearn.pipeline
import sklearn.preprocessing
sys.modules["sklearn.callback"] = None
from sklearn.datasets import make_blobs
from neuraleig import GraphWarning, NeuralEigenSpectralClustering
X, _ = make_blobs(120, centers=[[0, 0], [50, 0], [0, 50]], random_state=0)
model = NeuralEigenSpectralClustering(3, random_state=0)
assert not hasattr(model, "set_callbacks")
assert model.fit_predict(X).max() == 2
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.set_params(n_clusters=2).fit(X)
print(*{w.filename for w in caught if w.category is GraphWarning})
"""


def test_scikit_learn_may_have_no_callbacks():
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        check=False,
        capture_output=True,
        text=True,
        # The same package as here, installed or not.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert found.returncode == 0, found.stderr
    # Warnings point to the line that called fit, as they do with callbacks.
    assert found.stdout.split() == ["<string>"]


def test_warnings_point_to_the_caller():
    with pytest.warns(UserWarning, match="connected components") as caught:
        NeuralEigenSpectralClustering(2).set_params(**SMALL).fit(
            np.vstack([X, X + 99, X - 99])
        )
    assert {warning.filename for warning in caught} == {__file__}
