"""A table of customers on the command line: numbers, categories, gaps and ids."""

import csv
import io
import json
import re

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from neuraleig import NeuralEigenSpectralClustering, load, save
from neuraleig.cli import main

pytest.importorskip("pyarrow")

COLUMNS = ("--scale", "--impute", "--categorical", "plan,city", "--keep", "customer")
FIT = ("--n-clusters", "3", "--hidden-sizes", "32", "--device", "cpu")


def call(*arguments):
    """Status and output of a command in this process."""
    out = io.StringIO()
    return main(list(map(str, arguments)), out), out.getvalue()


def customers(n_rows, seed):
    """Rows of three kinds of customers, and the kinds."""
    generator = np.random.default_rng(seed)
    kinds = generator.integers(0, 3, n_rows)
    age = np.array([25, 45, 65])[kinds] + generator.normal(0, 2, n_rows)
    income = np.array([2e4, 9e4, 4e4])[kinds] + generator.normal(0, 4e3, n_rows)
    plans = np.array(["free", "pro", "basic"])[kinds]
    cities = generator.choice(["Rome", "Paris, Texas"], n_rows)
    rows = [
        [f"C{i}", f"{age[i]:.1f}", f"{income[i]:.0f}", plans[i], cities[i]]
        for i in range(n_rows)
    ]
    for row in rows[::25]:
        row[1] = ""
    rows[3][2], rows[4][3] = "NA", ""
    return rows, kinds


def written(path, rows, header=("customer", "age", "income", "plan", "city")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("customers")
    data = written(folder / "customers.csv", customers(400, 0)[0])
    status, text = call("fit", data, "-o", folder / "model", *FIT, *COLUMNS)
    assert (status, text[-1]) == (0, "\n")
    assert "3 clusters of 400 rows" in text
    return folder


def labels_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_kinds_are_found_and_ids_kept(folder):
    rows, kinds = customers(200, 1)
    data = written(folder / "new.csv", rows)
    status, text = call("predict", folder / "model", data, "--confidence")
    assert status == 0
    found = labels_of(text)
    assert list(found[0]) == ["customer", "label", "confidence"]
    assert [row["customer"] for row in found] == [row[0] for row in rows]
    assert adjusted_rand_score(kinds, [int(row["label"]) for row in found]) > 0.9


def test_columns_may_be_in_any_order_and_others_beside(folder, tmp_path):
    rows, _ = customers(50, 1)
    expected = labels_of(call("predict", folder / "model", folder / "new.csv")[1])
    turned = [[*row[:0:-1], "x"] for row in rows]
    header = ("city", "plan", "income", "age", "notes")
    status, text = call(
        "predict", folder / "model", written(tmp_path / "x.csv", turned, header)
    )
    assert status == 0
    # The id is not there, and no feature.
    assert text.splitlines()[0] == "label"
    rows_of_both = zip(labels_of(text), expected, strict=False)
    assert all(one["label"] == other["label"] for one, other in rows_of_both)


def test_the_model_takes_frames_in_python(folder):
    pandas = pytest.importorskip("pandas")
    model = load(folder / "model")
    assert isinstance(model, Pipeline)
    frame = pandas.read_csv(folder / "customers.csv", keep_default_na=True)
    frame = frame.fillna({"plan": "", "city": ""})
    _, text = call("predict", folder / "model", folder / "customers.csv")
    expected = [int(row["label"]) for row in labels_of(text)]
    assert model.predict(frame).tolist() == expected
    assert model.predict(frame[frame.columns[::-1]]).tolist() == expected


def test_wrong_rows_stop_or_have_no_label(folder, tmp_path, capsys):
    rows, _ = customers(30, 2)
    rows[7][2] = "a lot"
    data = written(tmp_path / "x.csv", rows)
    assert call("predict", folder / "model", data) == (1, "")
    assert "line 9, column 'income': 'a lot' is no finite" in capsys.readouterr().err
    skip = ("--bad-rows", "skip")
    status, text = call("predict", folder / "model", data, *skip)
    assert status == 0
    found = labels_of(text)
    assert [row["label"] == "" for row in found] == [i == 7 for i in range(30)]
    assert found[7]["customer"] == "C7"
    warned = capsys.readouterr().err
    assert "1 row with a cell that is no number, without a label" in warned
    assert call("predict", folder / "model", data, "-o", tmp_path / "x.npy", *skip)[0]


def test_parquet_has_columns_of_their_kinds(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "labels.parquet"
    options = ("--confidence", "--novelty", "--keep", "city,customer", "-o", out)
    assert call("predict", folder / "model", folder / "new.csv", *options)[0] == 0
    table = parquet.read_table(out)
    assert [(f.name, str(f.type)) for f in table.schema] == [
        ("city", "string"),
        ("customer", "string"),
        ("label", "int64"),
        ("confidence", "float"),
        ("log_density", "float"),
        ("novel", "int64"),
    ]
    assert table.num_rows == 200
    assert call("transform", folder / "model", folder / "new.csv", "-o", out)[0] == 0
    assert parquet.read_table(out).num_rows == 200


def test_plain_models_keep_columns_too(folder, tmp_path):
    rows = [[f"r{i}", i % 2 * 9 + i / 100, i / 50] for i in range(60)]
    rows[5][0] = 'say "five", please'
    data = written(tmp_path / "x.csv", rows, ("name", "x", "y"))
    model = tmp_path / "plain"
    assert call("fit", data, "-o", model, "--n-clusters", 2, "--drop", "name")[0] == 0
    status, text = call("predict", model, data, "--keep", "name")
    assert status == 0
    found = labels_of(text)
    assert [row["name"] for row in found] == [row[0] for row in rows]
    _, bare = call("predict", model, data)
    assert [row["label"] for row in found] == bare.split()[1:]


@pytest.mark.parametrize("command", ["evaluate", "report", "name", "info"])
def test_other_commands_take_the_model(folder, tmp_path, command):
    data, options = [folder / "new.csv"], []
    if command == "report":
        pytest.importorskip("jinja2")
        options = ["-o", tmp_path / "page.html"]
    if command in ("name", "info"):
        data = []
    if command == "name":
        options = ["--name", "1=students", "-o", tmp_path / "named"]
    status, text = call(command, folder / "model", *data, *options)
    assert status == 0
    if command == "info":
        assert "customer" in text
        assert "OneHotEncoder" in text
    if command == "name":
        _, text = call("predict", tmp_path / "named", folder / "new.csv")
        assert "students" in {row["name"] for row in labels_of(text)}


def test_pipelines_of_python_label_files(tmp_path):
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, 2, 120)
    rows = generator.normal(size=(120, 2)) * [1, 100] + kinds[:, None] * [9, 900]
    model = make_pipeline(
        StandardScaler(), NeuralEigenSpectralClustering(2, random_state=0)
    ).fit(rows)
    save(model, tmp_path / "model")
    named = [[f"r{i}", *row] for i, row in enumerate(rows)]
    data = written(tmp_path / "x.csv", named, ("id", "x", "y"))
    status, text = call("predict", tmp_path / "model", data, "--keep", "id")
    assert status == 0
    expected = model.predict(rows).tolist()
    assert [int(row["label"]) for row in labels_of(text)] == expected
    np.save(tmp_path / "x.npy", rows)
    assert call("evaluate", tmp_path / "model", tmp_path / "x.npy")[0] == 0
    line = ("evaluate", tmp_path / "model", tmp_path / "x.npy", "--reference")
    status, text = call(*line, tmp_path / "x.npy", "--json")
    assert (status, json.loads(text)["cluster_shift"]) == (0, 0.0)


def test_missing_numbers_are_skipped_where_no_step_fills_them(tmp_path):
    rows = [[i % 2 * 9 + i / 100, i / 50] for i in range(60)]
    model = make_pipeline(
        StandardScaler(), NeuralEigenSpectralClustering(2, random_state=0)
    ).fit(np.array(rows))
    save(model, tmp_path / "model")
    data = written(tmp_path / "x.csv", [*rows[:3], [1, ""], *rows[3:5]], "xy")
    assert call("predict", tmp_path / "model", data)[0] == 1
    status, text = call("predict", tmp_path / "model", data, "--bad-rows", "skip")
    assert status == 0
    found = [row["label"] for row in labels_of(text)]
    expected = list(map(str, model.predict(np.array(rows[:5]))))
    assert found == [*expected[:3], "", *expected[3:]]


def test_kept_cells_are_as_they_were(tmp_path):
    rows = [[name, i % 2 * 9 + i / 100] for i, name in enumerate(["NA", " a ", "3.0"])]
    rows += [[f"r{i}", i % 2 * 9 + i / 100] for i in range(40)]
    data = written(tmp_path / "x.csv", rows, ("country", "x"))
    fit = ("-o", tmp_path / "m", "--n-clusters", 2, "--drop", "country")
    assert call("fit", data, *fit)[0] == 0
    _, text = call("predict", tmp_path / "m", data, "--keep", "country,x", "--proba")
    found = labels_of(text)
    assert [row["country"] for row in found[:3]] == ["NA", " a ", "3.0"]
    # A feature may be kept as well, and digits do not depend on it.
    assert found[3]["x"] == "0.0"
    _, bare = call("predict", tmp_path / "m", data, "--proba")
    for one, other in zip(found, labels_of(bare), strict=True):
        assert {name: one[name] for name in other} == other


def test_parts_without_a_label_have_the_kinds_of_others(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("neuraleig._tables._text_files.BLOCK_BYTES", 64)
    rows = [[i % 2 * 9 + i / 100, i / 50] for i in range(60)]
    fit = ("-o", tmp_path / "m", "--n-clusters", 2)
    assert call("fit", written(tmp_path / "a.csv", rows, "xy"), *fit)[0] == 0
    call("name", tmp_path / "m", "--name", "0=left")
    bad = written(tmp_path / "b.csv", [["no", 1]] * 20 + rows, "xy")
    out = tmp_path / "labels.parquet"
    options = ("--bad-rows", "skip", "--confidence", "-o", out)
    assert call("predict", tmp_path / "m", bad, *options)[0] == 0
    table = parquet.read_table(out)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {"label": "int64", "name": "string", "confidence": "float"}
    assert table.column("label").null_count == 20


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("fit", ["--drop", "plan", *COLUMNS], "'plan' .* left out by --columns or"),
        ("predict", ["--columns", "age"], "--columns and --drop are for models of"),
    ],
)
def test_options_about_columns_do_not_contradict(
    folder, tmp_path, capsys, command, options, message
):
    data = folder / "customers.csv"
    first = (
        [data, "-o", tmp_path / "m"] if command == "fit" else [folder / "model", data]
    )
    assert call(command, *first, *options)[0] in (1, 2)
    assert re.search(message, capsys.readouterr().err)


def test_every_problem_is_told_at_once(folder, tmp_path, capsys):
    status, text = call(
        "fit", folder / "customers.csv", "-o", tmp_path / "m", "--scale"
    )
    assert (status, text) == (1, "")
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    for part in ("--keep customer", "--impute", "--categorical plan", "'city'"):
        assert part in errors
    assert not (tmp_path / "m").exists()


@pytest.mark.filterwarnings("default")
def test_rows_in_other_units_are_warned_of(folder, tmp_path, capsys):
    rows, _ = customers(60, 3)
    for row in rows:
        row[2] = str(float(row[2].replace("NA", "5000")) * 1000)
    data = written(tmp_path / "x.csv", rows)
    assert call("predict", folder / "model", data)[0] == 0
    assert "of the first rows are unlike those of the fit" in capsys.readouterr().err
    assert call("predict", folder / "model", folder / "new.csv")[0] == 0
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("default")
def test_one_large_column_is_warned_of(tmp_path, capsys):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(80, 4)) * [1, 1, 1000, 1]
    data = written(tmp_path / "x.csv", rows, ("a", "b", "income", "d"))
    options = ("-o", tmp_path / "m", "--n-clusters", 2)
    assert call("fit", data, *options)[0] == 0
    assert "Column 'income' spreads over" in capsys.readouterr().err
    assert call("fit", data, *options, "--scale")[0] == 0
    assert capsys.readouterr().err == ""


def test_numbers_of_a_former_model_need_columns_as_they_are(folder, tmp_path, capsys):
    options = ("--align-to", folder / "model", *COLUMNS)
    status, _ = call("fit", folder / "customers.csv", "-o", tmp_path / "m", *options)
    assert status == 2
    assert "--align-to takes columns as they are" in capsys.readouterr().err


def test_a_fit_labels_its_rows_and_writes_a_page(folder, tmp_path):
    data = folder / "customers.csv"
    labels, page = tmp_path / "labels.csv", tmp_path / "report.html"
    status, text = call(
        "fit", data, "-o", tmp_path / "m", *FIT, *COLUMNS, "--drop", "age",
        "--predict", labels, "--report", page,
    )  # fmt: skip
    assert status == 0
    assert f"{labels}: 400 rows" in text
    assert "plan" in page.read_text(encoding="utf-8")
    status, again = call("predict", tmp_path / "m", data)
    assert status == 0
    assert again == labels.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-", "--predict", "l.csv"), "--predict reads DATA once more"),
        (("{}", "--embedding", "--predict", "l.csv"), "--embedding finds none"),
        (("{}", "--predict", "{}"), "--predict .* is what is read"),
        (("{}", "--report", "no/r.html"), "no folder no for --report"),
    ],
)
def test_results_that_cannot_be_written_are_refused_before_the_fit(
    folder, tmp_path, capsys, options, message
):
    data = str(folder / "customers.csv")
    given = [option.replace("{}", data) for option in options]
    model = tmp_path / "m"
    assert call("fit", *given, "-o", model, "--drop", "customer")[0] in (1, 2)
    assert re.search(message, capsys.readouterr().err)
    assert not model.exists()


@pytest.fixture(scope="module")
def framed(tmp_path_factory):
    """A pipeline of Python that takes columns by their names, and its frame."""
    pandas = pytest.importorskip("pandas")
    kinds = np.arange(90) % 3
    frame = pandas.DataFrame(
        {
            "unused": "-",
            "plan": np.array(["free", "pro", "basic"])[kinds],
            "age": kinds * 20.0 + np.arange(90) / 30,
            "level": kinds,
        }
    )
    frame.loc[4, "plan"], frame.loc[5, "age"] = np.nan, np.nan
    columns = ColumnTransformer(
        [
            ("age", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("kinds", OneHotEncoder(sparse_output=False), ["plan", "level"]),
        ]
    )
    model = make_pipeline(columns, NeuralEigenSpectralClustering(3, random_state=0))
    folder = tmp_path_factory.mktemp("framed")
    save(model.fit(frame), folder / "model")
    return folder, model, frame


@pytest.mark.parametrize("order", [["level", "age", "plan"], ["plan", "age", "level"]])
def test_pipelines_take_columns_of_files_by_their_names(framed, order):
    folder, model, frame = framed
    data = folder / "x.csv"
    frame[[*order, "unused"]].rename(columns={"unused": "id"}).to_csv(data, index=False)
    status, text = call("predict", folder / "model", data, "--keep", "id")
    assert status == 0
    expected = model.predict(frame).tolist()
    assert [int(row["label"]) for row in labels_of(text)] == expected
    assert {row["id"] for row in labels_of(text)} == {"-"}
    assert call("transform", folder / "model", data, "-o", folder / "f.npy")[0] == 0
    np.testing.assert_allclose(np.load(folder / "f.npy"), model.transform(frame))


def test_pipelines_name_the_columns_that_a_file_lacks(framed, capsys):
    folder, _, frame = framed
    frame[["age", "level"]].to_csv(folder / "y.csv", index=False)
    assert call("predict", folder / "model", folder / "y.csv")[0] == 1
    assert "is without 'plan'" in capsys.readouterr().err


def test_reports_show_the_columns_of_frames(framed):
    pytest.importorskip("matplotlib")
    folder, _, frame = framed
    frame.to_csv(folder / "z.csv", index=False)
    page = folder / "z.html"
    assert call("report", folder / "model", folder / "z.csv", "-o", page)[0] == 0
    html = page.read_text(encoding="utf-8")
    assert "plan" in html
    assert "(missing)" in html
    assert "unused" not in html


def test_rows_have_not_drifted_from_themselves(folder, framed):
    framed[2].to_csv(framed[0] / "w.csv", index=False)
    for model, data in (
        (folder / "model", folder / "customers.csv"),
        (framed[0] / "model", framed[0] / "w.csv"),
    ):
        line = ("evaluate", model, data, "--reference", data, "--json")
        status, text = call(*line)
        found = json.loads(text)
        assert (status, found["cluster_shift"]) == (0, 0.0)
        assert found["novel_share"] == found["expected_novel_share"]
