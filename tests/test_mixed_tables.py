"""Tables of numbers and text, and what is done to them before a fit."""

import numpy as np
import pytest

from neuraleig._cli._preparation import Preparation, category_weight
from neuraleig._tables import (
    Kinds,
    MixedTable,
    TableError,
    check_kinds,
    open_source,
    write_parquet,
)

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TEXT = """\
id,age,city,income
a1,30,Rome,1000
a2,,Paris,NA
a3,50, Rome ,3e3
"a,4",41,,2000
"""


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(TEXT)
    return path


@pytest.fixture(params=["csv", "parquet"])
def source(request, people, tmp_path):
    if request.param == "csv":
        return open_source(str(people))
    columns = {
        "id": ["a1", "a2", "a3", "a,4"],
        "age": [30, None, 50, 41],
        "city": ["Rome", "Paris", " Rome ", None],
        "income": [1000.0, float("nan"), 3000.0, 2000.0],
    }
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table(columns), path)
    return open_source(str(path))


KINDS = Kinds((1, 3), (2,), (0,), may_lack=True)


def test_cells_are_the_same_in_every_format(source):
    table = MixedTable(source, KINDS)
    assert table.names == ["age", "income", "city", "id"]
    (part,) = table.parts()
    assert not part.is_bad.any()
    expected = [
        [30.0, 1000.0, "Rome", "a1"],
        [None, None, "Paris", "a2"],
        [50.0, 3000.0, "Rome", "a3"],
        [41.0, 2000.0, "", "a,4"],
    ]
    for row, wanted in zip(part.cells.tolist(), expected, strict=True):
        found = [None if cell != cell else cell for cell in row]
        assert found == wanted


def test_numbers_that_are_categories_have_one_text(tmp_path):
    texts = []
    for kind in (pa.int64(), pa.float64()):
        path = tmp_path / "x.parquet"
        pq.write_table(pa.table({"plan": pa.array([1, 2], kind), "x": [0.5, 1]}), path)
        (part,) = MixedTable(open_source(str(path)), Kinds((1,), (0,))).parts()
        texts.append(part.cells[:, 1].tolist())
    path = tmp_path / "x.csv"
    path.write_text("plan,x\n1,0.5\n2,1\n")
    (part,) = MixedTable(open_source(str(path)), Kinds((1,), (0,))).parts()
    assert [*texts, part.cells[:, 1].tolist()] == [["1", "2"]] * 3


def test_all_problems_are_in_one_message_with_ways_out(source):
    with pytest.raises(TableError) as caught:
        check_kinds(source, Kinds((0, 1, 2, 3)))
    message = str(caught.value)
    for part in (
        "column 'id' has text in 4 rows, such as 'a1'",
        "(4 different): add --categorical id",
        "column 'age' has 1 cell without a value",
        "add --impute, or --drop age",
        "column 'city' has text in 3 rows, such as 'Rome'",
        "column 'income' has 1 cell without",
    ):
        assert part in message
    assert message.count("\n") == 0
    check_kinds(source, KINDS)


def test_names_of_rows_are_no_categories(tmp_path):
    path = tmp_path / "x.csv"
    lines = [f"c{row},{'Rome' if row % 2 else 'Paris'},1" for row in range(200)]
    path.write_text("id,city,x\n" + "\n".join(lines))
    with pytest.raises(TableError, match=r"if it names rows, add --keep id.*--categ"):
        check_kinds(open_source(str(path)), Kinds((0, 1, 2)))


def test_a_few_wrong_cells_are_to_be_corrected(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x,y\n1,2\ntwo,3\n4,5\n6,7\n")
    expected = r"'two' in line 3 \(1 different\): correct these cells"
    with pytest.raises(TableError, match=expected):
        check_kinds(open_source(str(path)), Kinds((0, 1)))


def test_wrong_rows_are_refused_or_marked(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x,y\n1,2\ntwo,3\n,5\n6,inf\n8,9\n")
    kinds = Kinds((0, 1))
    with pytest.raises(TableError, match=r"line 3, column 'x': 'two' is no finite"):
        list(MixedTable(open_source(str(path)), kinds).parts())
    (part,) = MixedTable(open_source(str(path)), kinds, skips=True).parts()
    assert part.is_bad.tolist() == [False, True, True, True, False]
    imputed = Kinds((0, 1), may_lack=True)
    (part,) = MixedTable(open_source(str(path)), imputed, skips=True).parts()
    assert part.is_bad.tolist() == [False, True, False, True, False]


def test_a_column_is_meant_that_is_nearly_called_so(people):
    source = open_source(str(people))
    with pytest.raises(TableError, match="no column 'town'; its columns"):
        Preparation(categorical=("town",)).kinds(source, [0, 1, 2, 3])
    with pytest.raises(TableError, match="no column 'incom'; did you mean 'income'"):
        Preparation(categorical=("incom",)).kinds(source, [0, 1, 2, 3])
    with pytest.raises(TableError, match=r"'city' .* by --categorical and by --keep"):
        Preparation(categorical=("city",), keep=("city",)).kinds(source, [0, 1, 2, 3])


def test_numbers_are_filled_and_scaled_and_categories_weigh_less(people):
    preparation = Preparation(impute=True, categorical=("city",), keep=("id",))
    source = open_source(str(people))
    kinds = preparation.kinds(source, [0, 1, 2, 3])
    assert kinds == KINDS
    transformer, rows = preparation.fitted(MixedTable(source, kinds))
    names = list(transformer.get_feature_names_out())
    assert names == ["age", "income", "city_", "city_Paris", "city_Rome"]
    np.testing.assert_allclose(rows[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(rows[:, :2].std(axis=0), 1)
    # Medians of 30, 41 and 50, and of 1000, 2000 and 3000.
    assert rows[1, 0] == rows[3, 0]
    assert rows[1, 1] == rows[3, 1]
    weight = category_weight(rows[:, :2])
    np.testing.assert_allclose(rows[:, 2:].sum(axis=1), weight)
    # Frames have their columns in any order, and need no id.
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"city": ["Rome", "Oslo"], "income": [1000, 2e3], "age": [30, None]}
    )
    found = transformer.transform(frame.astype({"age": object}))
    np.testing.assert_allclose(found[0], rows[0])
    np.testing.assert_allclose(found[1, :2], rows[3, :2])
    assert not found[1, 2:].any()


def test_scaling_comes_with_categories_unless_told_otherwise(people):
    source = open_source(str(people))
    for scale, scaled in ((None, True), (True, True), (False, False)):
        preparation = Preparation(scale, True, ("city",), ("id",))
        kinds = preparation.kinds(source, [0, 1, 2, 3])
        _, rows = preparation.fitted(MixedTable(source, kinds))
        assert np.isclose(rows[:, 1].std(), 1) == scaled
    assert not Preparation().is_asked


def test_categories_are_no_further_than_neighbours():
    """The graph does not fall apart into categories, however many rows there are."""
    generator = np.random.default_rng(0)
    weights = [category_weight(generator.normal(size=(n, 2))) for n in (30, 300, 3000)]
    assert weights[0] > 2 * weights[1] > 4 * weights[2]
    for rows in (100 * generator.normal(size=(50, 3)), np.zeros((50, 3))):
        assert category_weight(rows) == pytest.approx(0.5**0.5)


def test_columns_without_a_value_keep_their_kind(tmp_path):
    parts = [
        np.array([["a", None, None], ["b,", None, 0.5]], dtype=object),
        np.array([["c", None, 1.5]], dtype=object),
    ]
    path = tmp_path / "x.parquet"
    assert write_parquet(path, ["id", "none", "x"], parts) == 3
    found = pq.read_table(path).to_pydict()
    assert found == {"id": ["a", "b,", "c"], "none": [None] * 3, "x": [None, 0.5, 1.5]}
    assert write_parquet(path, ["label"], [np.arange(3), np.arange(2)]) == 5
    assert pq.read_table(path).to_pydict() == {"label": [0, 1, 2, 0, 1]}
