"""Reports of pipelines show the columns that they take, in the units of the data."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from neuraleig import NeuralEigenSpectralClustering, load, save
from neuraleig.cli import main
from neuraleig.report import _columns as columns_module
from neuraleig.report import write_report
from neuraleig.report._columns import Columns
from neuraleig.report._profile import CellCounts
from neuraleig.training import Training

NUMBERS = ["age", "income", "revenue", "level"]
CATEGORIES = ["plan", "city"]
DASH = "\N{EN DASH}"


@pytest.fixture(scope="session")
def customers():
    """Columns in units of their own, with missing cells, categories and an id."""
    generator = np.random.default_rng(0)
    kind = generator.integers(0, 3, 180)
    frame = pd.DataFrame(
        {
            "customer": [f"C{number:03d}" for number in range(180)],
            "age": np.array([25, 45, 70])[kind] + generator.integers(-4, 5, 180),
            "income": np.array([2e4, 5e4, 3e4])[kind]
            * generator.lognormal(0, 0.1, 180),
            "revenue": np.array([1e6, 9e6, 3e7])[kind] + generator.normal(0, 1e5, 180),
            "level": 0.1,
            "plan": np.array(["<b>basic</b>", "family", "senior"])[kind],
            "city": generator.choice(["Zürich", "Bern"], 180),
        }
    )
    frame.loc[::7, "income"] = np.nan
    frame.loc[::11, "city"] = None
    return frame


@pytest.fixture(scope="session")
def pipeline(customers):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(
        make_column_transformer(
            (numbers, NUMBERS),
            (OneHotEncoder(sparse_output=False), CATEGORIES),
            sparse_threshold=0,
        ),
        NeuralEigenSpectralClustering(3, training=Training(max_iter=0), random_state=0),
    ).fit(customers)


def means(page):
    """Cells of the table of means: of all rows, and of each cluster, by feature."""
    (table,) = page.all("table", class_="numbers heat")
    return {line[0]: line[1:] for line in table.table()}


def value(text):
    return float(text.replace(",", "").removesuffix(" %").lstrip("<> "))


def test_means_are_those_of_pandas(page_of, pipeline, customers):
    found = means(page_of(pipeline, customers, n_features=50))
    groups = customers.groupby(pipeline.predict(customers))
    for name in ("age", "income", "revenue"):
        deviation = customers[name].std()
        expected = [customers[name].mean(), *groups[name].mean()]
        shown = [value(text) for text in found[name]]
        np.testing.assert_allclose(shown, expected, atol=deviation / 10)
    # Constant.
    assert "level" not in found


def test_shares_are_those_of_pandas(page_of, pipeline, customers):
    found = means(page_of(pipeline, customers, n_features=50))
    labels = pipeline.predict(customers)
    filled = customers.fillna({"city": "(missing)"})
    for column in CATEGORIES:
        shares = pd.crosstab(filled[column], labels, normalize="columns", margins=True)
        for name, expected in shares.iterrows():
            shown = [value(text) for text in found[f"{column}: {name}"]]
            expected = [expected["All"], *expected.drop("All")]
            np.testing.assert_allclose(shown, 100 * np.array(expected), atol=0.06)


def test_medians_leave_missing_cells_out(page_of, pipeline, customers):
    page = page_of(pipeline, customers, n_features=50)
    groups = customers.groupby(pipeline.predict(customers))
    for cluster, article in enumerate(page.all("article")):
        lines = {line[0]: line for line in article.table()}
        for name in ("age", "income", "revenue"):
            expected = groups[name].median()[cluster]
            deviation = customers[name].std()
            assert value(lines[name][2]) == pytest.approx(expected, abs=deviation / 10)
        # Categories have no order.
        assert lines["plan: family"][2] == ""


def test_typical_rows_have_their_cells(page_of, pipeline, customers):
    page = page_of(pipeline, customers, n_features=50, n_exemplars=60)
    labels = pipeline.predict(customers)
    n_missing = 0
    for cluster, article in enumerate(page.all("article")):
        heads = [cell.text for cell in article.all("th", scope="col")]
        rows = [int(head.removeprefix("row ")) for head in heads if "row " in head]
        assert set(labels[rows]) == {cluster}
        for name, _, _, _, _, *cells in article.table():
            column, _, _ = name.partition(": ")
            for row, cell in zip(rows, cells, strict=True):
                expected = customers.loc[row, column]
                if pd.isna(expected):
                    n_missing += 1
                    assert cell == (DASH if column == "income" else "(missing)")
                elif isinstance(expected, str):
                    assert cell == expected
                else:
                    assert value(cell) == pytest.approx(expected, rel=1e-3)
    assert n_missing


def test_columns_that_are_dropped_are_not_shown(page_of, pipeline, customers):
    page = page_of(pipeline, customers.assign(other=1.0), n_features=50)
    names = [one.text for one in page.one("ol").all("bdi")]
    assert names == [*NUMBERS, *CATEGORIES]
    assert "C001" not in page.one("main").text


def test_no_number_is_written_as_nan(page_of, pipeline, customers):
    labels = pipeline.predict(customers)
    some = customers[labels != 1].assign(level=np.nan)
    page = page_of(pipeline, some, n_features=50)
    assert "nan" not in page.one("main").text.lower().split()
    assert all(cells[2] == DASH for cells in means(page).values())


def test_the_order_of_sections_begins_with_the_clusters(page_of, pipeline, customers):
    sections = [
        one["id"] for one in page_of(pipeline, customers).one("main").all("section")
    ]
    assert sections == [
        "sizes", "profile", "map", "clusters", "confidence", "spectrum", "training",
        "model",
    ]  # fmt: skip


def test_the_first_features_are_the_most_distinctive(page_of, pipeline, customers):
    few = means(page_of(pipeline, customers, n_features=3))
    all_ = means(page_of(pipeline, customers, n_features=50))
    assert list(few) == list(all_)[:3]
    # The plan is the kind of the customer, and cities are drawn.
    assert all(name.startswith("plan") for name in few)
    assert list(all_)[-1].startswith("city")


def test_a_wide_table_is_cut(page_of):
    rows = np.random.default_rng(0).normal(size=(60, 400))
    rows[:30] += 1
    model = NeuralEigenSpectralClustering(
        2, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    page = page_of(model, rows, n_features=7)
    assert len(means(page)) == 7
    assert "The first 7 of 400 features" in page.one("section", id="profile").text


def test_frames_of_other_kinds_have_the_same_page(pipeline, customers, tmp_path):
    page = write_report(pipeline, customers, tmp_path / "a").read_bytes()
    kinds = {"age": "Int64", "income": "Float64", "plan": "category"}
    typed = customers.astype(kinds)
    moved = customers[customers.columns[::-1]]
    parts = [customers[start : start + 50] for start in range(0, 180, 50)]
    for number, data in enumerate((typed, iter(parts))):
        other = write_report(pipeline, data, tmp_path / str(number)).read_bytes()
        assert other == page
    # In the order of the frame.
    names = Columns(pipeline, None)
    names.read(moved)
    assert names.names == [*CATEGORIES[::-1], *NUMBERS[::-1]]


@pytest.mark.parametrize("make", [pl.DataFrame, lambda given: pd.DataFrame(given)])
def test_columns_of_frames_have_kinds(make):
    frame = make(
        {
            "count": [1, 2, None],
            "flag": [True, False, True],
            "text": ["1", "2", None],
            "amount": [0.5, None, 2.0],
        }
    )
    columns = Columns(None, None)
    cells = columns.read(frame)
    assert columns.is_category.tolist() == [False, False, True, False]
    expected = [[1, 1, 0, 0.5], [2, 0, 1, np.nan], [np.nan, 1, 2, 2]]
    np.testing.assert_array_equal(cells, expected)
    assert columns.values(2) == ["1", "2", "(missing)"]


def test_objects_are_numbers_unless_there_is_text():
    cells = np.array(
        [[1, "a", None], [np.nan, None, None], [2.5, "b", 3]], dtype=object
    )
    columns = Columns(None, ["x", "word", "y"])
    np.testing.assert_array_equal(
        columns.read(cells), [[1, 0, np.nan], [np.nan, 1, np.nan], [2.5, 2, 3]]
    )
    with pytest.raises(ValueError, match="column 'x' and text"):
        columns.read(np.array([["no", "a", 1]], dtype=object))


def test_columns_of_many_values_are_named_and_not_shown(
    monkeypatch, page_of, pipeline, customers
):
    monkeypatch.setattr(columns_module, "MOST_VALUES", 2)
    page = page_of(pipeline, customers, n_features=50)
    assert not [name for name in means(page) if name.startswith("plan")]
    assert (
        "values, and not shown: plan, city." in page.one("section", id="profile").text
    )


def test_counts_and_distances_are_those_of_indicators(customers):
    labels = np.arange(180) % 3
    columns = Columns(None, None)
    frame = customers[["age", "income", "plan"]]
    cells = columns.read(frame)
    found = CellCounts(columns, 3)
    for start in range(0, 180, 40):
        found.add(cells[start : start + 40], labels[start : start + 40])
    profile = found.profile(np.bincount(labels))
    dummies = pd.get_dummies(frame["plan"]).astype(float)[columns.values(2)]
    features = pd.concat([frame[["age", "income"]], dummies], axis=1)
    own = features[labels == 1].mean()
    np.testing.assert_allclose(profile.cluster_means[1], own)
    np.testing.assert_allclose(profile.deviations, features.std(ddof=0))
    moved = ((features - own) / features.std(ddof=0)).fillna(1.0).to_numpy() ** 2
    expected = moved[:, :2].sum(axis=1) + moved[:, 2:].sum(axis=1) / 2
    np.testing.assert_allclose(profile.distances(cells, 1), expected)


def test_a_feature_without_first_values_has_its_mean():
    columns = Columns(None, None)
    parts = [columns.read(np.array(one)) for one in ([[np.nan]] * 2, [[2.0], [4.0]])]
    counts = CellCounts(columns, 1)
    for part in parts:
        counts.add(part, np.array([0, 0]))
    profile = counts.profile(np.array([4]))
    assert (profile.means, profile.deviations) == ([3.0], [1.0])


def called(*arguments):
    assert main(list(map(str, arguments))) == 0


@pytest.fixture(scope="module")
def folder(customers, tmp_path_factory):
    """A file of customers, and models of it that the command has fitted."""
    folder = tmp_path_factory.mktemp("customers")
    customers.to_csv(folder / "customers.csv", index=False)
    called(
        "fit", folder / "customers.csv", "-o", folder / "model", "--n-clusters", 3,
        "--training.max-iter", 0, "--scale", "--impute", "--categorical", "plan,city",
        "--keep", "customer", "--quiet",
    )  # fmt: skip
    return folder


def test_the_command_shows_prepared_columns_unprepared(folder, customers, read_page):
    path = folder / "page.html"
    called(
        "report", folder / "model", folder / "customers.csv", "-o", path,
        "--name-column", "customer", "--n-features", 50,
    )  # fmt: skip
    page = read_page(path)
    found = means(page)
    labels = load(folder / "model").predict(
        customers[[*NUMBERS, *CATEGORIES, "customer"]]
    )
    groups = customers.groupby(labels)
    for name in ("age", "income", "revenue"):
        expected = [customers[name].mean(), *groups[name].mean()]
        shown = [value(text) for text in found[name]]
        np.testing.assert_allclose(shown, expected, atol=customers[name].std() / 10)
    assert "plan: <b>basic</b>" in found
    assert "city: (missing)" in found
    # Names beside the numbers of typical rows.
    heads = [cell.text for cell in page.all("article")[0].all("th", scope="col")]
    named = [head.split() for head in heads if head.startswith("row ")]
    assert named
    assert all(name == f"C{int(number):03d}" for _, number, name in named)


def test_the_command_refuses_a_choice_of_prepared_columns(folder, capsys):
    line = ["report", folder / "model", folder / "customers.csv", "-o", "x.html"]
    assert main([*map(str, line), "--drop", "age"]) == 2
    assert "takes its columns by their names" in capsys.readouterr().err


def test_the_command_shows_the_rows_of_other_pipelines_unprepared(
    rows, tmp_path, read_page
):
    names = [f"column {number}" for number in range(12)]
    frame = pd.DataFrame(rows, columns=names)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    model = make_pipeline(
        StandardScaler(),
        NeuralEigenSpectralClustering(3, training=Training(max_iter=0), random_state=0),
    ).fit(frame)
    save(model, tmp_path / "model")
    called(
        "report", tmp_path / "model", tmp_path / "rows.csv", "-o", tmp_path / "a.html",
        "--n-features", 12,
    )  # fmt: skip
    found = means(read_page(tmp_path / "a.html"))
    groups = frame.groupby(model.predict(frame)).mean()
    for name in names:
        shown = [value(text) for text in found[name]]
        expected = [frame[name].mean(), *groups[name]]
        np.testing.assert_allclose(shown, expected, atol=frame[name].std() / 10)
