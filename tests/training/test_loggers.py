"""What TensorBoard and MLflow are told of a fit."""

import builtins
import copy
import pickle
from pathlib import Path

import pytest
from sklearn.base import clone
from sklearn.datasets import make_moons

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.estimators import _warm_start
from neuraleig.training import MLflowLogger, TensorBoardLogger

X, _ = make_moons(300, noise=0.05, random_state=0)
PARAMS = {
    "n_clusters": 2,
    "hidden_sizes": (8,),
    "max_iter": 60,
    "validation_fraction": 0.3,
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def two_rounds(monkeypatch):
    monkeypatch.setattr(_warm_start, "LEARNED_ERROR", -1.0)
    monkeypatch.setattr(_warm_start, "MAX_STEPS", 50)
    monkeypatch.setattr(_warm_start, "MIN_PASSES", 0)


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
    with pytest.raises(ImportError, match=rf"neuraleig\[{extra}\]"):
        model.fit(X)
    assert not list(Path().iterdir())
