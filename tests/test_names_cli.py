"""Numbers and names that last, on the command line for rows."""

import csv
import io
import json
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding, load, save
from neuraleig.cli import main
from neuraleig.reading._renumbered import renumbered

FAST = ("--n-clusters=3", "--hidden-sizes=64", "--training.max-iter=0", "--device=cpu")
ORDER = np.array([1, 2, 0])


def call(*arguments):
    """Status and output of a command in this process."""
    out = io.StringIO()
    return main([str(a) for a in arguments], out), out.getvalue()


def failed(capsys, *arguments, status=1):
    """Line of an error."""
    assert call(*arguments) == (status, "")
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    return errors


@pytest.fixture(scope="module")
def rows():
    return make_blobs(90, n_features=3, centers=3, cluster_std=2.5, random_state=0)[0]


@pytest.fixture(scope="module")
def old(rows):
    """Model whose numbers no fit comes to by itself."""
    model = NeuralEigenSpectralClustering(3, hidden_sizes=(64,), random_state=0)
    model.set_params(training__max_iter=0, device="cpu").fit(rows)
    model._discretizer = renumbered(model._discretizer, ORDER)
    return model.name_clusters({0: "gold", 2: 'tin, "dull"'})


@pytest.fixture
def folder(rows, old, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    np.savetxt(tmp_path / "named.csv", rows, "%.17g", ",", header="a,b,c", comments="")
    other = rows[:, [1, 0, 2]]
    np.savetxt(tmp_path / "other.csv", other, "%.17g", ",", header="b,a,c", comments="")
    save(old, tmp_path / "old")
    return tmp_path


def cells(text):
    return list(csv.reader(io.StringIO(text)))


def test_a_fit_takes_over_numbers_and_names(folder, rows, old):
    fit = ("fit", folder / "rows.npy", "-o", folder / "new", *FAST)
    status, text = call(*fit, "--align-to", folder / "old")
    assert status == 0
    assert text.splitlines()[1:] == [f"numbers of {folder / 'old'}: agreement 100.0 %"]
    new = load(folder / "new")
    np.testing.assert_array_equal(new.predict(rows), old.predict(rows))
    assert new.cluster_names_ == old.cluster_names_
    # Nothing else tells of a former model.
    assert call(*fit)[1].count("\n") == 1


@pytest.mark.filterwarnings("default::neuraleig.reading.AlignmentWarning")
def test_lost_clusters_are_named(folder, capsys):
    names = {0: "gold", 1: "lead", 2: "tin"}
    save(load(folder / "old").name_clusters(names), folder / "old")
    fit = ("fit", folder / "rows.npy", "-o", folder / "new", *FAST)
    status, text = call(*fit, "--n-clusters=2", "--align-to", folder / "old")
    assert status == 0
    line, errors = text.splitlines()[1], capsys.readouterr().err
    lost = re.search(r"lost clusters: (\d) \((\w+)\)", line)
    assert names[int(lost[1])] == lost[2]
    assert lost[2] not in load(folder / "new").cluster_names_.values()
    assert errors.startswith("neuraleig: warning: Clusters are not those of the former")
    assert lost[0] in errors
    assert "alignment_" not in errors


def test_a_model_can_be_renewed_in_its_place(folder, rows, old):
    path = folder / "old"
    fit = ("fit", folder / "rows.npy", "-o", path, *FAST, "--align-to", path)
    assert call(*fit)[0] == 0
    np.testing.assert_array_equal(load(path).predict(rows), old.predict(rows))


def test_columns_must_be_those_of_the_former_model(folder, capsys):
    fit = ("fit", "-o", folder / "m", *FAST)
    assert call(*fit, folder / "named.csv")[0] == 0
    again = (*fit[:2], folder / "new", *FAST, "--align-to", folder / "m")
    errors = failed(capsys, *again, folder / "other.csv")
    assert "was fitted to the columns a, b, c, and these are b, a, c;" in errors
    assert "--columns" in errors
    status, text = call(*again, folder / "other.csv", "--columns=a,b,c")
    assert (status, "agreement 100.0 %" in text) == (0, True)
    assert call(*again, folder / "rows.npy")[0] == 0


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nowhere", ["No such file"]),
        ("rows.npy", ["rows.npy", "safetensors"]),
        ("embedding", ["--align-to='", "holds a NeuralSpectralEmbedding"]),
        ("wide", ["--align-to='", "fitted with 4 features, and DATA has 3"]),
    ],
)
def test_what_is_no_former_model_is_refused(folder, rows, capsys, name, parts):
    params = {"hidden_sizes": (8,), "random_state": 0}
    wide = np.column_stack([rows, rows[:, 0]])
    embedding = NeuralSpectralEmbedding(1, **params).fit(rows)
    save(embedding, folder / "embedding")
    save(NeuralEigenSpectralClustering(2, **params).fit(wide), folder / "wide")
    fit = ("fit", folder / "rows.npy", "-o", folder / "new", *FAST)
    errors = failed(capsys, *fit, "--align-to", folder / name)
    for part in parts:
        assert part in errors
    assert "align_to" not in errors
    assert "the model itself" not in errors
    assert not (folder / "new").exists()


def test_an_embedding_has_no_numbers(folder, capsys):
    fit = ("fit", folder / "rows.npy", "-o", folder / "new", "--embedding")
    errors = failed(capsys, *fit, "--align-to", folder / "old", status=2)
    assert "--align-to is for clusters" in errors


# Names


def test_name_names_and_lists(folder, old):
    path, named = folder / "old", folder / "named"
    before = path.read_bytes()
    status, text = call("name", path)
    shares = [f"{100 * share:6.2f} %" for share in old.cluster_shares_]
    titles = ["gold", "-", 'tin, "dull"']
    assert (status, text.splitlines()) == (
        0,
        [f"   {c}  {shares[c]}  {titles[c]}" for c in range(3)],
    )
    assert path.read_bytes() == before
    (folder / "names.json").write_text('{"1": "silver", "2": ""}')
    line = ("name", path, "--names", folder / "names.json", "--name", "0=lead")
    assert call(*line, "-o", named)[0] == 0
    assert load(named).cluster_names_ == {0: "lead", 1: "silver"}
    assert path.read_bytes() == before
    assert call("name", path, "--name=1=iron")[0] == 0
    assert load(path).cluster_names_ == {0: "gold", 1: "iron", 2: 'tin, "dull"'}


@pytest.mark.parametrize("names", [{1: "silver"}, {0: "Größe", 2: ""}, {0: "", 2: ""}])
def test_a_file_with_other_names_is_that_of_the_model(folder, names):
    options = [f"--name={cluster}={name}" for cluster, name in names.items()]
    assert call("name", folder / "old", *options, "-o", folder / "named")[0] == 0
    save(
        load(folder / "old").name_clusters(names).set_params(device="cpu"), folder / "n"
    )
    assert (folder / "named").read_bytes() == (folder / "n").read_bytes()


def test_steps_of_a_pipeline_stay(folder, rows, old):
    model = make_pipeline(StandardScaler(), clone(old)).fit(rows)
    save(model, folder / "pipeline")
    assert call("name", folder / "pipeline", "--name=1=lead")[0] == 0
    model[-1].name_clusters({1: "lead"})
    save(model, folder / "expected")
    assert (folder / "pipeline").read_bytes() == (folder / "expected").read_bytes()


@pytest.mark.parametrize(
    ("option", "status", "part"),
    [
        ("--name=7=gold", 1, "there is no cluster 7"),
        ("--name=gold", 2, "N=NAME"),
        ("--names=nowhere.json", 1, "nowhere.json"),
    ],
)
def test_wrong_names_change_nothing(folder, capsys, option, status, part):
    before = (folder / "old").read_bytes()
    assert part in failed(capsys, "name", folder / "old", option, status=status)
    assert (folder / "old").read_bytes() == before


def test_models_without_clusters_have_no_names(folder, rows, capsys):
    model = NeuralSpectralEmbedding(1, hidden_sizes=(8,), random_state=0).fit(rows)
    save(model, folder / "e")
    assert "which has no clusters" in failed(capsys, "name", folder / "e")


def test_predictions_have_names_beside_labels(folder, rows, old):
    labels = old.predict(rows)
    expected = [[str(c), old.cluster_names_.get(c, "")] for c in labels.tolist()]
    status, text = call("predict", folder / "old", folder / "rows.npy")
    assert (status, cells(text)) == (0, [["label", "name"], *expected])
    out = folder / "labels.csv"
    line = ("predict", folder / "old", folder / "rows.npy", "-o", out)
    assert call(*line, "--confidence", "--novelty")[0] == 0
    head, *found = cells(out.read_text())
    assert head == ["label", "name", "confidence", "log_density", "novel"]
    assert [row[:2] for row in found] == expected
    confidence = [float(row[2]) for row in found]
    np.testing.assert_allclose(confidence, old.predict_proba(rows).max(axis=1), 1e-5)


def test_columns_of_probabilities_and_arrays_have_no_names(folder, rows, old):
    predict = ("predict", folder / "old", folder / "rows.npy")
    head = call(*predict, "--proba")[1].partition("\n")[0]
    assert head == "cluster_0,cluster_1,cluster_2"
    assert call(*predict, "-o", folder / "labels.npy")[0] == 0
    np.testing.assert_array_equal(np.load(folder / "labels.npy"), old.predict(rows))


def test_labels_without_names_are_one_column(folder, rows):
    assert call("name", folder / "old", "--name=0=", "--name=2=")[0] == 0
    text = call("predict", folder / "old", folder / "rows.npy")[1]
    assert text.split()[0] == "label"
    assert text.split()[1:] == [str(c) for c in load(folder / "old").predict(rows)]


def test_info_lists_names(folder):
    text = call("info", folder / "old")[1]
    assert 'names of clusters   0: gold, 2: tin, "dull"\n' in text
    found = json.loads(call("info", folder / "old", "--json")[1])
    assert found["cluster_names"] == {"0": "gold", "2": 'tin, "dull"'}
