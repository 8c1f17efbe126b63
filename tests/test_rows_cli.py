"""The commands for files of rows as a user runs them."""

import io
import json
import os
import signal
import sys
import time
import tracemalloc
from pathlib import Path

import new_process
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

import neuraleig
from neuraleig import _tables, load
from neuraleig._cli import _rows, _settings
from neuraleig.affinity import NeighborAffinity
from neuraleig.cli import main
from neuraleig.metrics import clustering_accuracy
from neuraleig.training import Training

COMMAND = ["-m", "neuraleig"]
NAMES = ("width", "height", "depth")
# Small and fast; what is learned does not matter.
FAST = ("--n-clusters=3", "--hidden-sizes=64", "--training.max-iter=0", "--device=cpu")
# Of ``choose``, which takes no number.
CHOOSE_FAST = FAST[1:]
COMMANDS = ("fit", "predict", "transform", "evaluate", "name", "info", "export")


def call(*arguments):
    """Status and output of a command in this process."""
    out = io.StringIO()
    return main([str(a) for a in arguments], out), out.getvalue()


def refused(capsys, *arguments):
    """Line of an error in the arguments."""
    assert call(*arguments)[0] == 2
    text, errors = capsys.readouterr()
    assert text == ""
    assert errors.count("\n") == 1
    return errors


def failed(capsys, *arguments):
    """Line of an error that the command finds."""
    assert call(*arguments)[0] == 1
    text, errors = capsys.readouterr()
    assert text == ""
    assert errors.startswith("neuraleig: error: ")
    assert errors.count("\n") == 1
    return errors


def write_text(path, X, y=None, names=NAMES):
    classes = [] if y is None else [f",class {c}" for c in y]
    lines = [",".join([*names, *(["kind"] if y is not None else [])])]
    for number, row in enumerate(X.tolist()):
        lines.append(",".join(map(repr, row)) + (classes[number] if classes else ""))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def rows():
    X, y = make_blobs(90, n_features=3, centers=3, cluster_std=0.5, random_state=0)
    return X, y


@pytest.fixture(scope="session")
def folder(rows, tmp_path_factory):
    """Rows in files of every kind, and models of them."""
    here = tmp_path_factory.mktemp("rows")
    X, y = rows
    np.save(here / "rows.npy", X)
    np.save(here / "classes.npy", y)
    np.savez(here / "both.npz", X=X, y=y)
    write_text(here / "named.csv", X, y)
    write_text(here / "other.csv", X[:, [2, 0, 1]], y, ("depth", "width", "height"))
    np.savetxt(here / "plain.csv", X, delimiter=",", fmt="%.17g")
    columns = [*(pa.array(column) for column in X.T), pa.array(y)]
    pq.write_table(pa.table(columns, names=[*NAMES, "kind"]), here / "named.parquet")
    assert call("fit", here / "rows.npy", "-o", here / "m", *FAST)[0] == 0
    assert (
        call("fit", here / "named.csv", "-o", here / "n", "--drop=kind", *FAST)[0] == 0
    )
    embedding = ("--embedding", "--n-components=3", *FAST[1:])
    with pytest.warns(neuraleig.GraphWarning):
        model = neuraleig.NeuralSpectralEmbedding(
            3,
            hidden_sizes=(64,),
            training=Training(max_iter=0),
            device="cpu",
            random_state=0,
        ).fit(X)
    neuraleig.save(model, here / "e")
    status = call(
        "fit", here / "rows.npy", "-o", here / "again", *embedding,
        "--affinity.regularization=0.1",
    )[0]  # fmt: skip
    assert status == 0
    return here


def test_a_fit_is_that_of_the_estimator(folder, rows):
    expected = neuraleig.NeuralEigenSpectralClustering(
        3,
        hidden_sizes=(64,),
        training=Training(max_iter=0),
        device="cpu",
        random_state=0,
    ).fit(rows[0])
    neuraleig.save(expected, folder / "expected")
    assert (folder / "m").read_bytes() == (folder / "expected").read_bytes()
    assert load(folder / "again").n_components == 3
    assert type(load(folder / "e")).__name__ == "NeuralSpectralEmbedding"


def test_the_same_rows_in_any_file_are_the_same_fit(folder, tmp_path):
    for arguments in (
        (folder / "both.npz", "--key=X"),
        (folder / "plain.csv",),
        (folder / "rows.npy", "--columns=1,2,3"),
    ):
        assert call("fit", *arguments, "-o", tmp_path / "m", *FAST)[0] == 0
        assert (tmp_path / "m").read_bytes() == (folder / "m").read_bytes(), arguments
    named = ("--columns", "width,height,depth")
    for name in ("named.csv", "other.csv", "named.parquet"):
        assert call("fit", folder / name, *named, "-o", tmp_path / "n", *FAST)[0] == 0
        assert (tmp_path / "n").read_bytes() == (folder / "n").read_bytes(), name
    assert load(tmp_path / "n").feature_names_in_.tolist() == list(NAMES)


def test_a_fit_of_more_rows_than_the_graph_has_reads_them_in_parts(folder, tmp_path):
    few = (*FAST, "--max-graph-rows=40")
    status, text = call("fit", folder / "plain.csv", "-o", tmp_path / "m", *few)
    assert (status, "of 90 rows" in text) == (0, True)
    assert load(tmp_path / "m").n_samples_seen_ == 90


def test_a_fit_whose_model_cannot_be_written_goes_on(folder, tmp_path, monkeypatch):
    def full(model, path):
        raise OSError(28, "No space left on device", str(path))

    kept, path = tmp_path / "kept", tmp_path / "m"
    fit = (
        "fit",
        folder / "rows.npy",
        "-o",
        path,
        "--n-clusters=3",
        "--training.max-iter=5",
    )
    fit = (*fit, "--checkpoint", kept)
    with monkeypatch.context() as patch:
        patch.setattr(_rows, "save", full)
        assert call(*fit)[0] == 1
    assert list(kept.iterdir())

    def search(*arguments, **options):
        raise AssertionError("the graph is built anew")

    monkeypatch.setattr(NeighborAffinity, "build", search)
    assert call(*fit)[0] == 0
    assert path.exists()
    assert not kept.exists()


def test_options_become_parameters(folder, tmp_path):
    path = tmp_path / "m"
    status, _ = call(
        "fit", folder / "rows.npy", "-q", "-o", path, *FAST, "--n-components=none",
        "--gamma=0.5", "--affinity=rbf", "--training.no-early-stopping",
        "--random-state=7", "--hidden-sizes=8,4", "--training.lr=1e-2", "--n-jobs=-1",
        "--training.temperature=2,0.5", "--training.no-compile", "--training.tol=1e-3",
        "--training.checkpoint-interval=7", "--affinity.n-landmarks=50",
    )  # fmt: skip
    assert status == 0
    expected = {
        "n_clusters": 3,
        "n_components": None,
        "affinity__gamma": 0.5,
        "affinity__n_landmarks": 50,
        "random_state": 7,
        "hidden_sizes": (8, 4),
        "n_jobs": -1,
        "training__early_stopping": False,
        "training__lr": 0.01,
        "training__temperature": (2, 0.5),
        "training__compile": False,
        "training__checkpoint_interval": 7,
        "training__tol": 0.001,
    }
    found = load(path).get_params()
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("settings", "estimator"),
    [
        (_settings.ROWS, neuraleig.NeuralEigenSpectralClustering),
        (_settings.IMAGES, neuraleig.DenseSegmenter),
    ],
)
def test_every_parameter_is_an_option_and_takes_its_default(settings, estimator):
    own = estimator()
    for name in own.get_params():
        assert name in settings or name in _settings.LEFT_OUT, name
    for name, setting in settings.items():
        assert "None" not in setting.help, name
        holder, (*parts, own_name) = own, name.split("__")
        for part in parts:
            holder = holder._component(part, getattr(holder, part))
        value = holder.get_params(deep=False).get(own_name)
        if value is None or isinstance(value, bool) or own_name == "random_state":
            continue
        said = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert setting.read(said).value == value, name


def test_groups_are_a_column_that_is_no_feature(rows, tmp_path):
    X = rows[0]
    write_text(tmp_path / "x.csv", X, np.arange(len(X)) % 3)
    groups = ("--group-column=kind", "--affinity.across-groups")
    fit = ("fit", tmp_path / "x.csv", "-o", tmp_path / "m", *FAST)
    assert call(*fit, *groups)[0] == 0
    assert load(tmp_path / "m").feature_names_in_.tolist() == list(NAMES)
    expected = neuraleig.NeuralEigenSpectralClustering(
        3,
        affinity=NeighborAffinity(across_groups=True),
        hidden_sizes=(64,),
        training=Training(max_iter=0),
        device="cpu",
        random_state=0,
    ).fit(X, groups=np.arange(len(X)) % 3)
    text = call("predict", tmp_path / "m", tmp_path / "x.csv")[1]
    assert text.split()[1:] == [str(label) for label in expected.labels_]


@pytest.fixture(scope="module")
def grouped(rows, tmp_path_factory):
    """Rows of three groups in files of two kinds, and a model across groups of each."""
    folder = tmp_path_factory.mktemp("grouped")
    X, kinds = rows[0], np.arange(len(rows[0])) % 3
    write_text(folder / "x.csv", X, kinds)
    np.savez(folder / "x.npz", X=X, kind=kinds, one=kinds * 0)
    across = ("--affinity.across-groups", "--group-column=kind", *FAST)
    for name in ("csv", "npz"):
        key = ["--key=X"] * (name == "npz")
        output = ("-o", folder / f"m.{name}.safetensors")
        assert call("fit", folder / f"x.{name}", *key, *output, *across)[0] == 0
    return folder


@pytest.mark.parametrize("name", ["csv", "npz"])
def test_a_model_across_groups_is_scored_across_groups(grouped, rows, name):
    model = load(grouped / f"m.{name}.safetensors", device="cpu")
    X = rows[0]
    if name == "csv":
        del model.feature_names_in_
    key = ["--key=X"] * (name == "npz")
    line = ("evaluate", grouped / f"m.{name}.safetensors", grouped / f"x.{name}", *key)
    status, text = call(*line, "--group-column=kind", "--json")
    groups = np.arange(len(X)) % 3
    assert status == 0
    assert json.loads(text)["modularity"] == model.score(X, groups=groups)
    # With classes, no graph is built: groups are only left out of the features.
    for more in ([], ["--group-column=kind"]):
        assert call(*line, "--label-column=kind", "--json", *more)[0] == 0


def test_groups_and_a_search_across_them_go_together(folder, grouped, capsys):
    m, across = folder / "m", grouped / "m.npz.safetensors"
    data = (grouped / "x.npz", "--key=X")
    output = ("-o", grouped / "never", *FAST)
    for line in (
        ("fit", *data, *output, "--affinity.across-groups"),
        ("fit", *data, *output, "--group-column=kind"),
        ("evaluate", across, *data),
        ("evaluate", m, *data, "--group-column=kind"),
    ):
        errors = refused(capsys, *line)
        assert "--group-column" in errors and "--affinity.across-groups" in errors
    across_groups = "--affinity.across-groups"
    for column, parts in (
        ("one", ["--group-column one", "single value", "two values or more"]),
        ("X", ["--group-column"]),
    ):
        line = ("fit", *data, *output, across_groups, f"--group-column={column}")
        errors = failed(capsys, *line)
        for part in parts:
            assert part in errors
        assert "--label-column" not in errors and "across_groups" not in errors
    np.save(grouped / "vector.npy", np.arange(9.0))
    line = ("fit", grouped / "vector.npy", *output, across_groups, "--group-column=a")
    assert "leave out --group-column a" in failed(capsys, *line)


@pytest.mark.parametrize("name", ["rows.npy", "named.csv", "both.npz", "named.parquet"])
def test_predictions_are_those_of_the_estimator(
    folder, rows, tmp_path, monkeypatch, name
):
    monkeypatch.setattr(_tables._numpy_files, "BLOCK_ELEMENTS", 60)
    monkeypatch.setattr(_tables._text_files, "BLOCK_BYTES", 60)
    monkeypatch.setattr(_tables._arrow_files, "BLOCK_CELLS", 60)
    model = load(folder / "m", device="cpu")
    which = ("--columns=1,2,3",) if "named" in name else ()
    which = (*which, "--key=X") if name == "both.npz" else which
    data = (folder / "m", folder / name, *which, "--device=cpu")
    path = tmp_path / "out.npy"
    for command, expected in (
        (("predict",), model.predict(rows[0])),
        (("predict", "--proba"), model.predict_proba(rows[0])),
        (("transform",), model.transform(rows[0])),
    ):
        line = (0, f"{path}: 90 rows\n")
        assert call(*command, *data, "-o", path) == line
        found = np.load(path)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert [p.name for p in tmp_path.iterdir()] == ["out.npy"]


def test_text_has_a_header(folder, rows, tmp_path):
    model = load(folder / "m", device="cpu")
    data = (folder / "m", folder / "rows.npy")
    status, text = call("predict", *data)
    assert (status, text) == (
        0,
        "label\n" + "".join(f"{label}\n" for label in model.predict(rows[0])),
    )
    assert call("predict", *data, "-o", "-") == (0, text)
    path = tmp_path / "labels.csv"
    assert call("predict", *data, "-o", path) == (0, f"{path}: 90 rows\n")
    assert path.read_text() == text
    assert call("predict", *data, "--proba", "-o", path)[0] == 0
    assert path.read_text().splitlines()[0] == "cluster_0,cluster_1,cluster_2"
    assert call("transform", folder / "e", folder / "rows.npy", "-o", path)[0] == 0
    header, *lines = path.read_text().splitlines()
    model = load(folder / "e", device="cpu")
    assert header.split(",") == model.get_feature_names_out().tolist()
    found = np.array([line.split(",") for line in lines], dtype=np.float32)
    np.testing.assert_array_equal(found, model.transform(rows[0]).astype(np.float32))


def test_columns_are_matched_by_name(folder, tmp_path, capsys):
    labels = call("predict", folder / "n", folder / "named.csv")
    assert labels[1] == call("predict", folder / "m", folder / "rows.npy")[1]
    # In another order, and with a column of text besides.
    assert call("predict", folder / "n", folder / "other.csv") == labels
    # Without names there are only places.
    assert call("predict", folder / "n", folder / "rows.npy") == labels
    assert call("predict", folder / "n", folder / "plain.csv") == labels
    (tmp_path / "less.csv").write_text("width,depth\n1,2\n")
    errors = failed(capsys, "predict", folder / "n", tmp_path / "less.csv")
    assert "without 'height'" in errors


def test_labels_are_scored(folder, rows):
    X, y = rows
    model = load(folder / "m", device="cpu")
    labels = model.predict(X)
    base = {
        "n_rows": 90,
        "n_clusters": 3,
        "n_clusters_used": np.unique(labels).size,
        "sizes": np.bincount(labels, minlength=3).tolist(),
    }
    status, text = call("evaluate", folder / "m", folder / "rows.npy", "--json")
    assert (status, json.loads(text)) == (0, {**base, "modularity": model.score(X)})
    expected = {
        **base,
        "accuracy": clustering_accuracy(y, labels),
        "normalized_mutual_info": pytest.approx(
            normalized_mutual_info_score(y, labels)
        ),
        "adjusted_rand": pytest.approx(adjusted_rand_score(y, labels)),
    }
    for arguments in (
        ("rows.npy", "--labels", folder / "classes.npy"),
        ("rows.npy", "--labels", folder / "both.npz", "--label-column=y"),
        ("both.npz", "--key=X", "--label-column=y"),
        ("named.csv", "--label-column=kind"),
        ("named.csv", "--drop=kind", "--label-column=kind"),
        ("named.parquet", "--label-column=4"),
        ("rows.npy", "--labels", folder / "named.csv", "--label-column=kind"),
    ):
        status, text = call(
            "evaluate", folder / "m", folder / arguments[0], *arguments[1:], "--json"
        )
        assert (status, json.loads(text)) == (0, expected), arguments
    lines = call("evaluate", folder / "n", folder / "named.csv", "--label-column=kind")
    assert lines[1].splitlines()[0].split() == ["rows", "90"]
    assert f"{expected['accuracy']:.4f}" in lines[1]


def test_info_says_what_is_in_a_file(folder, capsys, monkeypatch):
    # No model is made.
    monkeypatch.setattr("neuraleig.persistence._registry.read_model", None)
    status, text = call("info", folder / "n")
    assert status == 0
    assert text.startswith(f"{folder / 'n'}: NeuralEigenSpectralClustering\n")
    for part in ("3: width, height, depth", "hidden_sizes=(64,)", "n_clusters=3"):
        assert part in text
    assert max(len(line) for line in text.splitlines()[1:]) < 80
    status, text = call("info", folder / "n", "--json")
    assert json.loads(text)["feature_names"] == list(NAMES)
    status, text = call("info", folder / "e")
    assert (status, "\nclusters" in text) == (0, False)


def test_the_curve_is_mentioned_where_there_is_one(folder, tmp_path):
    fit = ("fit", folder / "rows.npy", "-o", tmp_path / "m", *FAST)
    assert "the curve" not in call(*fit)[1]
    assert "preferred" not in call("info", tmp_path / "m")[1]
    text = call(*fit, "--n-clusters=4", "--max-clusters=5")[1]
    assert "4 clusters of" in text
    assert "; the curve prefers 3 clusters" in text
    assert "3 of 5 numbers on the curve" in call("info", tmp_path / "m")[1]
    call(*fit, "--n-clusters=auto", "--max-clusters=5")
    assert load(tmp_path / "m").n_clusters_ == 3


def test_choose_ranks_numbers_and_writes_what_is_asked_for(folder, tmp_path):
    choose = ("choose", folder / "rows.npy", "--max-clusters=5", *CHOOSE_FAST)
    status, text = call(*choose, "--show=2")
    lines = text.splitlines()
    assert (status, len(lines)) == (0, 3)
    assert lines[1].split()[0] == "3"
    strengths = [float(line.split()[1]) for line in lines[1:]]
    assert strengths == sorted(strengths, reverse=True)
    model, figure = tmp_path / "m.safetensors", tmp_path / "curve.png"
    text = call(*choose, "-o", model, "--figure", figure)[1]
    assert f"{model}: 3 clusters" in text
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert load(model).with_n_clusters(2).n_clusters_ == 2


def test_choose_refuses_a_number(folder, capsys):
    status, _ = call("choose", folder / "rows.npy", "--n-clusters=3")
    assert status == 2
    assert "is a choice already; leave it out" in capsys.readouterr().err


def test_models_are_exported(folder, rows, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "m.onnx"
    status, text = call("export", folder / "m", "-o", path, "--dtype=float64")
    assert (status, text) == (0, f"{path}: {path.stat().st_size} bytes\n")
    labels = onnxruntime.InferenceSession(path).run(["labels"], {"X": rows[0]})[0]
    np.testing.assert_array_equal(labels, load(folder / "m").predict(rows[0]))


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("fit", "x.npy"), ["--output"]),
        (("fit", "x.npy", "-o", "m", "--n-clusters=0"), ["--n-clusters", "'0'", "int"]),
        (("fit", "x.npy", "-o", "m", "--n-clusters=x"), ["--n-clusters", "'x'"]),
        (
            ("fit", "x.npy", "-o", "m", "--training.lr=0"),
            ["--training.lr", "'0'", "float"],
        ),
        (("fit", "x.npy", "-o", "m", "--training.lr=nan"), ["--training.lr", "'nan'"]),
        (("fit", "x.npy", "-o", "m", "--gamma=-1"), ["--gamma", "'-1'"]),
        (
            ("fit", "x.npy", "-o", "m", "--training.init=exact"),
            ["--training.init", "random, spectral"],
        ),
        (("fit", "x.npy", "-o", "m", "--affinity=precomputed"), ["rbf"]),
        (("fit", "x.npy", "-o", "m", "--hidden-sizes=a"), ["--hidden-sizes", "'a'"]),
        (("fit", "x.npy", "-o", "m", "--n-jobs=x"), ["--n-jobs", "'x'"]),
        (("fit", "x.npy", "-o", "m", "--random-state=-1"), ["--random-state"]),
        (("fit", "x.npy", "-o", "m", "--training.tol=-1"), ["--training.tol", "'-1'"]),
        (("fit", "x.npy", "-o", "m", "--training.lrr=1"), ["--training.lrr"]),
        (("fit", "x.npy", "-o", "m", "--lr=1"), ["--lr", "--training.lr"]),
        (("fit", "x.npy", "-o", "m", "--callbacks=x"), ["--callbacks"]),
        (
            ("fit", "-", "-o", "m", "--group-column=a", "--affinity.across-groups"),
            ["--group-column", "once"],
        ),
        (
            ("fit", "x.npy", "-o", "m", "--embedding", "--n-clusters=2"),
            ["--n-clusters", "--embedding"],
        ),
        (
            ("fit", "x.npy", "-o", "m", "--affinity=rbf", "--affinity.weights=binary"),
            ["--affinity.weights", "--affinity rbf"],
        ),
        (("fit", "x.npy", "-o", "m", "-q", "-v"), ["--quiet", "--verbose"]),
        (("fit", "x.csv", "-o", "m", "--columns=a,,b"), ["--columns", "'a,,b'"]),
        (("fit", "x.csv", "-o", "m", "--delimiter=;;"), ["--delimiter", "';;'"]),
        (("predict", "m"), ["DATA"]),
        (("predict", "m", "x.npy", "-o", "x.txt"), ["--output", ".npy or .csv"]),
        (("evaluate", "m", "-"), ["more than once"]),
        (("fit", "x.npy", "-o", "m", "--group-column=a"), ["--affinity.across-groups"]),
        (("export", "m"), ["--output"]),
        *[
            (("fit", "x.npy", "-o", name), ["--output", name, ".safetensors"])
            for name in ("x.npy", "m.pkl", "m.CSV", "m.onnx", "m.joblib")
        ],
        (("export", "m", "-o", "m.txt"), ["--output", "m.txt", ".onnx"]),
        (("export", "m", "-o", "m.safetensors"), ["m.safetensors", ".onnx"]),
        (("export", "m", "-o", "x", "--dtype=int8"), ["--dtype", "float64"]),
    ],
)
def test_wrong_arguments_leave_with_status_two(capsys, arguments, parts):
    errors = refused(capsys, *arguments)
    for part in [*parts, "--help"]:
        assert part in errors


def test_what_cannot_be_done_is_one_line(folder, rows, tmp_path, capsys):
    X = rows[0].copy()
    np.save(tmp_path / "wide.npy", np.zeros((2, 5)))
    X[4, 1] = np.nan
    np.save(tmp_path / "nan.npy", X)
    np.save(tmp_path / "two.npy", [0, 1])
    (tmp_path / "label.csv").write_text("label\n" + 90 * "cat\n")
    (tmp_path / "text.csv").write_text("width,height,depth\n1,2,3\n4,five,6\n")
    (tmp_path / "index.csv").write_text(",a\n0,1\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "model").write_text("no model")
    before = sorted(p.name for p in tmp_path.iterdir())
    fit = ("-o", tmp_path / "m", *FAST)
    out = ("-o", tmp_path / "out.npy")
    m, n, data = folder / "m", folder / "n", folder / "rows.npy"
    for arguments, part in (
        (("fit", tmp_path / "none.npy", *fit), "none.npy: No such file"),
        (("fit", tmp_path, *fit), "suffix"),
        (("fit", tmp_path / "empty.csv", *fit), "is empty"),
        (("fit", tmp_path / "nan.npy", *fit), "row 5, column 2: nan"),
        (("fit", tmp_path / "text.csv", *fit), "line 3, column 'height': 'five'"),
        (("fit", tmp_path / "index.csv", *fit), "column 1 has no name"),
        (("fit", folder / "both.npz", *fit), "2 arrays"),
        (("fit", folder / "both.npz", "--key=Z", *fit), "no array 'Z'"),
        (("fit", data, "--columns=9", *fit), "no column '9'"),
        (("fit", data, *fit, "--n-clusters=91"), "--n-clusters=91"),
        (("fit", data, "-o", tmp_path / "no" / "m"), "there is no folder"),
        (("fit", data, *fit, "--device=abacus"), "device='abacus'"),
        (("predict", tmp_path / "none", data, *out), "none: No such file"),
        (("predict", tmp_path / "model", data, *out), "no whole safetensors file"),
        (("predict", m, tmp_path / "wide.npy", *out), "5 columns, and the model"),
        (("predict", n, tmp_path / "wide.npy", *out), "'width', 'height', 'depth'"),
        (("predict", m, tmp_path / "nan.npy", *out), "row 5, column 2: nan"),
        (("predict", m, tmp_path / "text.csv", *out), "'five' is no number"),
        (("predict", m, data, "-o", tmp_path / "no" / "x.npy"), "there is no folder"),
        (("predict", m, data, "-o", data), "is what is read"),
        (("predict", folder / "e", data, *out), "has no clusters"),
        (("evaluate", folder / "e", data), "has no clusters"),
        (("evaluate", m, data, "--labels", tmp_path / "two.npy"), "has 2 labels"),
        (("evaluate", m, data, "--labels", tmp_path / "label.csv"), "--label-column"),
        (("evaluate", m, data, "--label-column=kind"), "no column 'kind'"),
        (
            ("evaluate", m, data, "--labels", tmp_path / "two.npy", "--label-column=y"),
            "a vector, which has no columns; leave out --label-column y",
        ),
        (("info", tmp_path / "model"), "no whole safetensors file"),
        (("export", tmp_path / "model", "-o", tmp_path / "x"), "no whole safetensors"),
        (("export", m, "-o", tmp_path / "no" / "x"), "there is no folder"),
    ):
        assert part in failed(capsys, *arguments), arguments
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_models_of_images_are_told_apart_before_anything_is_fetched(
    folder, tmp_path, capsys, monkeypatch
):
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    model = neuraleig.DenseSegmenter(2, backbone="color_texture", random_state=0).fit(
        [image]
    )
    neuraleig.save(model, tmp_path / "s")
    assert call("info", tmp_path / "s")[1].startswith(f"{tmp_path / 's'}: Dense")
    monkeypatch.setattr("neuraleig._cli._models.load", None)
    errors = failed(capsys, "predict", tmp_path / "s", folder / "rows.npy")
    assert "use neuraleig segment" in errors
    # And the reverse.
    monkeypatch.setattr("neuraleig._cli._models.load", None)
    errors = failed(
        capsys, "segment", "predict", folder / "m", tmp_path, "-o", tmp_path / "out"
    )
    assert f"error: {folder / 'm'} holds a NeuralEigenSpectralClustering" in errors


def test_a_missing_package_is_one_line_that_says_what_to_install(
    folder, monkeypatch, tmp_path, capsys
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    data = (folder / "named.parquet", "-o", tmp_path / "m")
    assert "pip install typer pyarrow tqdm" in failed(capsys, "fit", *data)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_told_on_terminals_alone(folder, tmp_path, monkeypatch):
    fit = ("fit", folder / "rows.npy", "-o", tmp_path / "m", *FAST)
    predict = (
        "predict", folder / "m", folder / "rows.npy", "-o", tmp_path / "x.npy"
    )  # fmt: skip
    for stream, stages, has_bar in (
        (io.StringIO(), False, False),
        (Terminal(), True, True),
    ):
        for arguments, expected, part in (
            (fit, stages, "neuraleig: neighbours: "),
            ((*fit, "-q"), False, "neuraleig: neighbours: "),
            ((*fit, "-v"), True, "neuraleig: neighbours: "),
            (predict, has_bar, "of 90 rows"),
        ):
            stream.seek(0)
            stream.truncate()
            monkeypatch.setattr(sys, "stderr", stream)
            assert call(*arguments)[0] == 0
            assert (part in stream.getvalue()) == expected, arguments
    # What was told is no part of the model.
    assert load(tmp_path / "m").verbose == 0
    stream.seek(0)
    stream.truncate()
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert call(*predict)[0] == 0
    assert stream.getvalue() == "neuraleig: start ...\nneuraleig: rows ...\n"


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_shows_examples_within_the_width_of_a_terminal(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    status, text = call(*([name] if name else []), "--help")
    assert status == 0
    assert f"examples:\n  neuraleig {name or 'demo'} " in text
    assert max(map(len, text.splitlines())) <= 80


def test_examples_of_the_help_run(shell, capsys):
    # Not so far apart that a map of them would be warned of.
    X, y = make_blobs(120, n_features=3, centers=3, cluster_std=2.5, random_state=0)
    np.save("rows.npy", X)
    np.save("classes.npy", y)
    write_text(Path("flowers.csv"), X, y)
    text = Path("flowers.csv").read_text().replace("kind", "species")
    Path("flowers.csv").write_text(text)
    Path("names.json").write_text('{"1": "lead"}')
    examples = []
    for name in COMMANDS:
        text = call(name, "--help")[1].partition("examples:\n")[2]
        examples += [line.strip() for line in text.splitlines()]
    assert {line.split()[1] for line in examples} == set(COMMANDS)
    for line in examples:
        assert shell(line)[0] == 0, (line, capsys.readouterr().err)
    assert Path("labels.csv").read_text() == "label\n" + "".join(
        f"{label}\n" for label in np.load("labels.npy")
    )


def peak(*arguments):
    tracemalloc.start()
    assert call(*arguments)[0] == 0
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_does_not_grow_with_the_file(folder, tmp_path, monkeypatch):
    for name in ("_numpy_files.BLOCK_ELEMENTS", "_arrow_files.BLOCK_CELLS"):
        monkeypatch.setattr(f"neuraleig._tables.{name}", 2**12)
    monkeypatch.setattr(_tables._text_files, "BLOCK_BYTES", 2**16)
    generator = np.random.default_rng(0)
    for suffix in ("csv", "npy", "npz", "parquet"):
        found = []
        for n_rows in (8_000, 80_000):
            X = generator.normal(size=(n_rows, 3))
            data = tmp_path / f"{n_rows}.{suffix}"
            if suffix == "npy":
                np.save(data, X)
            elif suffix == "npz":
                np.savez(data, X)
            elif suffix == "csv":
                _tables.write_csv(data, NAMES, iter([X]))
            else:
                columns = [pa.array(column) for column in X.T]
                table = pa.table(columns, names=NAMES)
                pq.write_table(table, data, row_group_size=2_000)
            out = tmp_path / "out.npy"
            found.append(peak("transform", folder / "m", data, "-o", out))
            assert len(np.load(out, mmap_mode="r")) == n_rows
        # The rows alone are 3.8 MB more.
        assert found[1] < found[0] + 2**20, (suffix, found)


def test_a_fit_reads_a_pipe(folder, tmp_path, shell):
    options = " ".join(FAST)
    status, text = shell(f"neuraleig fit - -o m {options} < {folder / 'plain.csv'}")
    assert (status, text[:27]) == (0, "m: 3 clusters of 90 rows, n")
    assert (tmp_path / "m").read_bytes() == (folder / "m").read_bytes()


def test_a_process_reads_a_pipe_and_tells_of_a_full_device(folder):
    if not Path("/dev/full").exists():
        pytest.skip("only where there is a device that is full")
    with (folder / "plain.csv").open() as pipe, Path("/dev/full").open("w") as full:
        done = new_process.run(
            [*COMMAND, "predict", folder / "m", "-"], stdin=pipe, stdout=full
        )
    assert (done.returncode, done.stderr) == (
        1,
        "neuraleig: error: No space left on device\n",
    )


def test_a_prediction_that_is_interrupted_leaves_nothing(folder, tmp_path):
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe:
        process = new_process.Process(
            [*COMMAND, "predict", folder / "m", "-", "-o", tmp_path / "x.npy"],
            stdin=pipe,
        )
    with process, os.fdopen(writing, "w") as rows:
        # More than is read at once, so that some is written.
        rows.write("1.5,2.5,3.5\n" * 100_000)
        rows.flush()
        for _ in range(2_000):
            if any(tmp_path.iterdir()):
                break
            time.sleep(0.1)
        assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
        process.send_signal(signal.SIGINT)
        done = process.wait()
    assert (done.returncode, done.stdout) == (130, "")
    # Equal rows are none of the fit's, which is all that there is to say.
    assert done.stderr.count("\n") == 1
    assert "of the first rows are unlike those of the fit" in done.stderr
    assert list(tmp_path.iterdir()) == []
