"""What TensorBoard and MLflow are told of a fit."""

import builtins
import copy
import pickle
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from sklearn.base import clone
from sklearn.datasets import make_moons
from torch import nn

from neuraleig import NeuralEigenSpectralClustering
from neuraleig._fit import _teach
from neuraleig.training import MLflowLogger, TensorBoardLogger, Training, TrainingState
from neuraleig.training._history import begin_histories

X, _ = make_moons(300, noise=0.05, random_state=0)
PARAMS = {
    "n_clusters": 2,
    "hidden_sizes": (8,),
    "training": Training(max_iter=60, validation_fraction=0.3),
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def two_rounds(monkeypatch):
    monkeypatch.setattr(_teach, "LEARNED_AGREEMENT", 2.0)
    monkeypatch.setattr(_teach, "MAX_STEPS", 50)
    monkeypatch.setattr(_teach, "MIN_PASSES", 0)


def fit_with(logger):
    """Fit twice, and once more by a clone: nothing of a logger is used up."""
    model = NeuralEigenSpectralClustering(**PARAMS, callbacks=[logger]).fit(X)
    pickle.loads(pickle.dumps(copy.deepcopy(model)))
    clone(model)
    return model


def test_tensorboard_is_told(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    model = fit_with(TensorBoardLogger(tmp_path, every=20))
    found = {}
    # One file per training; their scalars are put together.
    for path in sorted(tmp_path.iterdir()):
        events = accumulator.EventAccumulator(str(path)).Reload()
        for name in events.Tags()["scalars"]:
            found[name] = [(e.step, e.value) for e in events.Scalars(name)]
    check(found, model)


def test_mlflow_is_told(tmp_path, monkeypatch):
    # Runs in files, which later versions of MLflow want to be asked for.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracking = pytest.importorskip("mlflow.tracking")
    uri = (tmp_path / "runs").as_uri()
    logger = MLflowLogger(uri, "moons", every=20)
    model = fit_with(logger)
    client = tracking.MlflowClient(uri)
    experiment = client.get_experiment_by_name("moons").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.run_id == logger.run_id_
    assert run.info.status == "FINISHED"
    found = {
        name: [
            (m.step, m.value) for m in client.get_metric_history(logger.run_id_, name)
        ]
        for name in run.data.metrics
    }
    check(found, model)
    # Another fit is another run; a given run is gone on with.
    model.fit(X)
    assert len(client.search_runs([experiment])) == 2
    given = MLflowLogger(uri, "moons", run_id=run.info.run_id)
    model.set_params(callbacks=[given]).fit(X)
    assert len(client.search_runs([experiment])) == 2


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "10"])
@pytest.mark.parametrize("make", [partial(TensorBoardLogger, "logs"), MLflowLogger])
def test_no_logger_counts_by_less_than_one(make, every):
    with pytest.raises(ValueError, match=r"every=.* at least 1"):
        make(every=every)


class Client:
    """Stands for that of MLflow, and counts runs."""

    n_runs = 0

    def __init__(self, uri):
        self.experiment_id = "0"

    def get_experiment_by_name(self, name):
        return self

    def create_run(self, experiment_id):
        Client.n_runs += 1
        return SimpleNamespace(info=SimpleNamespace(run_id=str(Client.n_runs)))

    def set_terminated(self, run_id):
        pass

    def log_metric(self, run_id, name, value, step):
        pass


def test_every_fit_has_one_run_whatever_its_network_is(monkeypatch):
    tracking = SimpleNamespace(MlflowClient=Client)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(tracking=tracking))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", tracking)
    monkeypatch.setattr(Client, "n_runs", 0)
    logger = MLflowLogger()
    # Networks that are gone leave their ids to others: here both fits have the same.
    network = nn.Identity()
    for n_fits in (1, 2):
        begin_histories([logger])
        # The fit before had no fine-tuning, this one has no step of a warm start.
        for phase in ("warm_start",) if n_fits == 1 else ("fine_tuning",):
            state = TrainingState(network, 1, phase)
            logger.on_train_begin(state)
            logger.on_train_end(state)
        assert (Client.n_runs, logger.run_id_) == (n_fits, str(n_fits))


def check(found, model):
    assert set(found) == {
        f"{phase}/{name}"
        for phase in ("warm_start", "fine_tuning")
        for name in ("loss", "lr", "held_out")
    } - {"warm_start/held_out"}
    steps, losses = zip(*found["fine_tuning/loss"], strict=True)
    # Every twentieth step, and the last one of every epoch of 50.
    assert steps == (20, 40, 50, 60)
    expected = [model.loss_curve_[step - 1] for step in steps]
    assert losses == pytest.approx(expected)
    assert [step for step, _ in found["fine_tuning/held_out"]] == [0, 50, 60]


@pytest.mark.parametrize(
    ("logger", "package", "extra"),
    [
        (TensorBoardLogger("logs"), "torch.utils.tensorboard", "tensorboard"),
        (MLflowLogger(), "mlflow.tracking", "mlflow"),
    ],
)
def test_a_missing_package_names_its_extra(
    monkeypatch, tmp_path, logger, package, extra
):
    def without(name, *args, **kwargs):
        if name == package:
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.chdir(tmp_path)
    model = NeuralEigenSpectralClustering(**PARAMS, callbacks=[logger])
    with pytest.raises(ImportError, match=f"extra '{extra}'"):
        model.fit(X)
    assert not list(Path().iterdir())
