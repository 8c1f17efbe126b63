"""Confidence, novelty and drift on the command line."""

import io
import json

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import neuraleig
from neuraleig.cli import main

FAST = ("--n-clusters=3", "--hidden-sizes=16", "--training.max-iter=0", "--device=cpu")


def call(*arguments):
    """Status and output of a command in this process."""
    out = io.StringIO()
    return main([str(a) for a in arguments], out), out.getvalue()


@pytest.fixture(scope="module")
def rows():
    X, y = make_blobs(900, n_features=3, centers=3, random_state=0)
    return X, y


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    here = tmp_path_factory.mktemp("drift")
    X, y = rows
    np.save(here / "then.npy", X[:600])
    np.save(here / "now.npy", X[600:])
    np.save(here / "unlike.npy", X[600:] + 40)
    np.save(here / "mixed.npy", X[600:][y[600:] == y[600]])
    np.savetxt(here / "now.csv", X[600:], delimiter=",", fmt="%.17g")
    assert call("fit", here / "then.npy", "-o", here / "m", *FAST)[0] == 0
    return here


def test_columns_are_those_of_the_estimator(folder, rows, tmp_path):
    X = rows[0][600:]
    model = neuraleig.load(folder / "m", device="cpu")
    beside = ("--confidence", "--novelty")
    data = (folder / "m", folder / "now.npy", *beside)
    assert call("predict", *data, "-o", tmp_path / "p.npy")[0] == 0
    found, probabilities = np.load(tmp_path / "p.npy"), model.predict_proba(X)
    expected = np.column_stack(
        [
            model.predict(X),
            probabilities.max(axis=1),
            model.score_samples(X),
            model.is_novel(X),
        ]
    )
    np.testing.assert_array_equal(found, expected)
    status, text = call("predict", *data)
    assert status == 0
    header, *lines = text.splitlines()
    assert header == "label,confidence,log_density,novel"
    assert lines[0].split(",")[0] == str(int(expected[0, 0]))
    np.testing.assert_allclose(np.genfromtxt(lines, delimiter=","), expected, rtol=1e-6)
    _, text = call("predict", *data, "--proba")
    header, *lines = text.splitlines()
    assert header == "cluster_0,cluster_1,cluster_2,confidence,log_density,novel"
    np.testing.assert_allclose(
        np.genfromtxt(lines, delimiter=",")[:, :3], probabilities, rtol=1e-5
    )
    assert call("predict", *data[:2], "--novelty")[1].startswith("label,log_density,")


def test_rows_like_the_training_rows_have_not_drifted(folder, rows):
    for reference in ("m", "then.npy"):
        status, text = call(
            "evaluate", folder / "m", folder / "now.npy", "--json",
            "--reference", folder / reference,
        )  # fmt: skip
        scores = json.loads(text)
        assert status == 0
        assert scores["drift"] == []
        assert scores["n_rows"] == 300
        assert scores["novel_share"] < 0.05
        assert scores["cluster_shift"] < 0.1
        assert "modularity" not in scores
    model = neuraleig.load(folder / "m", device="cpu")
    assert scores["expected_novel_share"] == model.is_novel(rows[0][:600]).mean()


@pytest.mark.parametrize(
    ("name", "drift"),
    [("unlike", "novel_share"), ("mixed", "cluster_shift")],
)
def test_drift_is_an_exit_status(folder, name, drift):
    line = ("evaluate", folder / "m", folder / f"{name}.npy", "--reference")
    status, text = call(*line, folder / "m")
    assert status == 3
    assert drift in text.splitlines()[-1]
    status, text = call(*line, folder / "then.npy", "--json", "--tolerance=0.05")
    assert (status, drift in json.loads(text)["drift"]) == (3, True)
    assert call(*line, folder / "m", "--tolerance=1")[0] == 0


def test_what_does_not_go_together_is_refused(folder, capsys):
    line = ("evaluate", folder / "m", folder / "now.npy", "--reference", folder / "m")
    for more, message in (
        (("--labels", folder / "then.npy"), "takes no classes"),
        (("--label-column=y",), "takes no classes"),
        (("--tolerance=2",), "not a share from 0 to 1"),
        (("--tolerance=x",), "not a share from 0 to 1"),
    ):
        assert call(*line, *more)[0] == 2
        assert message in capsys.readouterr().err
    assert call(*line[:4], "-")[0] == 2
    assert call(*line[:4], folder / "none.npy")[0] == 1
