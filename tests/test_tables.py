"""Files of rows: every format gives the same rows, in parts of any size."""

import io
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyarrow import feather

from neuraleig._tables import (
    Reading,
    Table,
    TableError,
    _arrow_files,
    _numpy_files,
    _text_files,
    chosen_columns,
    open_source,
    read_labels,
    write_csv,
    write_npy,
    write_text,
)

NAMES = ("a", "b c", "c1", "é")


@pytest.fixture
def small_blocks(monkeypatch):
    """Several parts of a file of few rows."""
    monkeypatch.setattr(_numpy_files, "BLOCK_ELEMENTS", 8)
    monkeypatch.setattr(_text_files, "BLOCK_BYTES", 8)
    monkeypatch.setattr(_arrow_files, "BLOCK_CELLS", 8)


@pytest.fixture(name="X")
def some_rows():
    return np.random.default_rng(0).normal(size=(11, 4))


def save_npy(X, path):
    np.save(path, X)


def save_text(X, path, delimiter=",", end="\n", quote=""):
    lines = [
        delimiter.join(f"{quote}{value!r}{quote}" for value in row)
        for row in X.tolist()
    ]
    head = delimiter.join(NAMES)
    path.write_bytes(end.join(["\ufeff" + head, *lines, ""]).encode())


def save_parquet(X, path):
    columns = [pa.array(column) for column in X.T]
    pq.write_table(pa.table(columns, names=list(NAMES)), path, row_group_size=3)


def save_feather(X, path):
    columns = [pa.array(column) for column in X.T]
    feather.write_feather(pa.table(columns, names=list(NAMES)), path, chunksize=3)


FORMATS = {
    "npy": ("x.npy", save_npy),
    "by columns": ("x.npy", lambda X, path: np.save(path, np.asfortranarray(X))),
    "big-endian": ("x.npy", lambda X, path: np.save(path, X.astype(">f8"))),
    "npz": ("x.npz", lambda X, path: np.savez(path, X)),
    "compressed": ("x.npz", lambda X, path: np.savez_compressed(path, X=X)),
    "npz by columns": ("x.npz", lambda X, path: np.savez(path, np.asfortranarray(X))),
    "csv": ("x.csv", save_text),
    "csv of Windows": ("x.CSV", lambda X, path: save_text(X, path, end="\r\n")),
    "csv with quotes": ("x.csv", lambda X, path: save_text(X, path, quote='"')),
    "csv with blank lines": ("x.csv", lambda X, path: save_text(X, path, end="\n\n")),
    "tsv": ("x.tsv", lambda X, path: save_text(X, path, delimiter="\t")),
    "parquet": ("x.parquet", save_parquet),
    "feather": ("x.feather", save_feather),
}


@pytest.fixture(params=FORMATS)
def source(request, X, tmp_path):
    name, save = FORMATS[request.param]
    path = tmp_path / name
    save(X, path)
    return open_source(str(path))


@pytest.mark.parametrize("columns", [[0, 1, 2, 3], [2], [3, 0]])
def test_every_format_gives_the_same_rows_on_every_pass(
    small_blocks, source, X, columns
):
    table = Table(source, columns)
    for _ in range(2):
        parts = list(table)
        assert len(parts) > 1 or source.n_rows == 11
        assert all(len(part) for part in parts)
        np.testing.assert_array_equal(np.concatenate(parts), X[:, columns])
    assert table.n_features == len(columns)
    assert source.n_rows in (11, None)
    names = table.feature_names
    assert names is None or list(names) == [NAMES[c] for c in columns]


def test_values_of_a_column_are_those_of_its_rows(small_blocks, source, X):
    found = [float(value) for part in source.values(1) for value in part]
    assert found == X[:, 1].tolist()


def test_parts_are_as_small_as_blocks(small_blocks, X, tmp_path):
    for name in ("npy", "npz", "csv", "csv with quotes", "parquet"):
        file, save = FORMATS[name]
        save(X, tmp_path / file)
        table = Table(open_source(str(tmp_path / file)), range(4))
        assert max(len(part) for part in table) <= 2, name


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "int8", "uint64", "bool", ">i2"]
)
def test_types_of_arrays_stay(X, tmp_path, dtype):
    np.save(tmp_path / "x.npy", X.astype(dtype))
    (rows,) = Table(open_source(str(tmp_path / "x.npy")), range(4))
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows, X.astype(dtype))


def test_types_of_parquet_become_floats(tmp_path):
    columns = {
        "small": pa.array([1.5, 2.5], pa.float32()),
        "whole": pa.array([2**60, 3], pa.int64()),
        "truth": pa.array([True, False]),
        "money": pa.array([1, 2], pa.decimal128(5, 2)),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    source = open_source(str(tmp_path / "x.parquet"))
    (rows,) = Table(source, range(4))
    assert rows.tolist() == [[1.5, 2.0**60, 1.0, 1.0], [2.5, 3.0, 0.0, 2.0]]
    (small,) = Table(source, [0])
    assert small.dtype == np.float32


def test_numbers_of_rows_that_pandas_keeps_are_no_columns(tmp_path):
    columns = {"a": [1.0], "__index_level_0__": [7]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert open_source(str(tmp_path / "x.parquet")).column_names == ("a",)


@pytest.mark.parametrize("names", [["customer"], ["customer", None], [None]])
def test_an_index_of_pandas_is_no_column(tmp_path, names):
    path = tmp_path / "x.parquet"
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    frame.index = pd.MultiIndex.from_arrays([[7, 8]] * len(names), names=names)
    frame.to_parquet(path)
    source = open_source(str(path))
    assert source.column_names == ("a", "b")
    (rows,) = Table(source, range(2))
    np.testing.assert_array_equal(rows, frame.to_numpy())
    # Rows that are numbered have no column for it, whatever that is called.
    frame.reset_index(drop=True).rename_axis("a").to_parquet(path)
    assert open_source(str(path)).column_names == ("a", "b")


@pytest.mark.parametrize(
    "words", [b"", b"null", b"[]", b'{"index_columns": null}', b"\xff"]
)
def test_what_others_write_in_place_of_pandas_names_no_index(tmp_path, words):
    table = pa.table({"a": [1.0]}).replace_schema_metadata({b"pandas": words})
    pq.write_table(table, tmp_path / "x.parquet")
    assert open_source(str(tmp_path / "x.parquet")).column_names == ("a",)


@contextmanager
def opened(text, block):
    """A file of a text, whose blocks have so many bytes."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_text_files, "BLOCK_BYTES", block)
        path = Path(folder) / "rows.csv"
        path.write_bytes(text.encode())
        yield _text_files.TextFile(path, delimiter=",", header=None)


@settings(max_examples=40)
@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.integers(1, 9),
)
def test_text_is_read_to_the_last_bit(X, block):
    text = "".join(",".join(map(repr, row)) + "\n" for row in X.tolist())
    with opened(text, block) as source:
        np.testing.assert_array_equal(
            np.concatenate(list(Table(source, range(X.shape[1])))), X
        )


CELLS = st.text(st.sampled_from('ab"\n, 7'), min_size=1).filter(str.strip)


@settings(max_examples=40)
@given(st.lists(st.tuples(CELLS, st.floats(-9, 9)), min_size=1), st.integers(2, 9))
def test_cells_with_quotes_and_line_breaks_move_no_number(rows, block):
    quoted = [(cell.replace('"', '""'), number) for cell, number in rows]
    text = "text,number\n" + "".join(f'"{c}",{n!r}\n' for c, n in quoted)
    with opened(text, block) as source:
        found = np.concatenate(list(Table(source, [1])))[:, 0].tolist()
        values = [value for part in source.values(0) for value in part]
    assert found == [number for _, number in rows]
    assert values == [cell.strip() for cell, _ in rows]


@pytest.mark.parametrize(
    ("first", "header", "names"),
    [
        ("a,b", None, ("a", "b")),
        (" a ,b", None, ("a", "b")),
        (",b", None, ("", "b")),
        ("1,2", None, None),
        ("0.0,1.0", None, None),
        ("1,b", True, ("1", "b")),
        ("0,1", True, ("0", "1")),
        ("0,1", False, None),
        ("1,nan", None, None),
        ("1,2", True, ("1", "2")),
        ("1,2", False, None),
    ],
)
def test_a_first_row_with_text_is_a_header(tmp_path, first, header, names):
    path = tmp_path / "x.csv"
    path.write_text(f"\n{first}\n3,4\n")
    source = open_source(str(path), Reading(header=header))
    assert source.column_names == names
    rest = [*Table(source, [1])] if first != "1,nan" else []
    assert not rest or np.concatenate(rest)[-1, 0] == 4


@pytest.mark.parametrize(
    ("first", "quoted"),
    [("?,3.2", "'?'"), ("1,b", "'b'"), ("0,1", "'0,1'"), (",0", "',0'")],
)
def test_a_first_row_that_may_be_either_is_refused(tmp_path, first, quoted):
    path = tmp_path / "x.csv"
    path.write_text(f"\n{first}\n3,4\n")
    with pytest.raises(TableError) as caught:
        open_source(str(path))
    for part in (str(path), "line 2", quoted, "--header", "--no-header"):
        assert part in str(caught.value)


def test_one_column_may_begin_with_zero(tmp_path):
    (tmp_path / "x.csv").write_text("0\n1\n")
    assert open_source(str(tmp_path / "x.csv")).column_names is None


def read(path, text, reading=None, columns=None):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = open_source(str(path), reading)
    list(Table(source, chosen_columns(source, columns)))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["is empty"]),
        ("\n \n", ["is empty", "line 2"]),
        ("a,b\n", ["no rows"]),
        ("a,b\n1,2\n3,x\n", ["line 3, column 'b'", "'x' is no number"]),
        ("a,b\n1,2\n3,\n", ["line 3, column 'b'", "is empty"]),
        ("1,2\n3,x\n", ["line 2, column 2", "'x'"]),
        ("a,b\n1,2\n\n3,4,5\n", ["line 4 has 3 cells, and line 1 has 2"]),
        ("a,b\n1,2\n3\n", ["line 3 has 1 cells"]),
        ("a,b\n1,1_000\n", ["line 2, column 'b'", "'1_000'"]),
        ("a,b\n1,nan\n", ["line 2, column 'b'", "nan is not a finite number"]),
        ("a,b\n1,2\n-inf,2\n", ["line 3, column 'a'", "-inf"]),
        ("a,b\n1,1e999\n", ["line 2, column 'b'", "inf"]),
        ("a;b\n1;2\n", ["line 2", "'1;2'", "say --delimiter ';'"]),
        ("a\tb\n1\t2\n", ["say --delimiter tab"]),
        ('a,b\n1,"2\n' + 140_000 * "3\n", ["quotation mark"]),
        ("a;b\n1,5;2\n", ["has 2 cells, and line 1 has 1", "say --delimiter ';'"]),
        ('a,b\n1,"2\n', ["quotation mark may be open"]),
        ('a,"b\n1,2\n', ["quotation mark may be open"]),
        ('a,b\n1,"2"3\n', ["quotation mark", "within a cell"]),
        ('a,"b"c\n1,2\n', ["quotation mark", "within a cell"]),
        (b"a,b\n1,\xff\n", ["UTF-8"]),
        (b"\x89PNG\r\n\x1a\n", ["UTF-8"]),
        ('"x, y",b\n' + 90 * "z" + ",2\n", ["column 'x, y'", 40 * "z" + "..."]),
    ],
)
def test_what_is_wrong_with_text_is_said_with_line_and_column(tmp_path, text, parts):
    path = tmp_path / "x.csv"
    with pytest.raises(TableError) as caught:
        read(path, text)
    for part in [str(path), *parts]:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_in_later_blocks_name_the_line_of_the_file(small_blocks, tmp_path):
    rows = [["1", "2", "t"] for _ in range(20)]
    rows[3][2] = '"two\nlines"'
    rows[15][1] = "x"
    text = "a,b,c\n" + "".join(",".join(row) + "\n" for row in rows)
    with pytest.raises(TableError, match=r"line 18, column 'b': 'x' is no number"):
        read(tmp_path / "x.csv", text, columns=["a", "b"])
    read(tmp_path / "x.csv", text, columns=["a"])


def corrupt_npz(path):
    np.savez_compressed(path, X=np.random.default_rng(0).normal(size=(500, 2)))
    content = bytearray(path.read_bytes())
    content[2000:2010] = bytes(10)
    path.write_bytes(content)


def cut_npy(path):
    np.save(path, np.zeros((9, 2)))
    path.write_bytes(path.read_bytes()[:-8])


def cut_member(path):
    file = io.BytesIO()
    np.save(file, np.zeros((9, 2)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", file.getvalue()[:-8])


@pytest.mark.parametrize(
    ("name", "make", "part"),
    [
        ("x.npy", lambda p: p.write_bytes(b""), "no array of numpy"),
        ("x.npy", lambda p: p.write_text("text"), "no array of numpy"),
        ("x.npy", cut_npy, "8 bytes are missing"),
        ("x.npy", lambda p: np.save(p, np.zeros(3)), "shape (3,)"),
        ("x.npy", lambda p: np.save(p, np.zeros((3, 0))), "shape (3, 0)"),
        ("x.npy", lambda p: np.save(p, np.zeros((0, 3))), "no rows"),
        ("x.npy", lambda p: np.save(p, np.ones((2, 2)) * 1j), "complex128"),
        ("x.npy", lambda p: np.save(p, np.array([["a"]])), "<U1"),
        ("x.npy", lambda p: np.save(p, np.array([[{}]])), "objects"),
        ("x.npy", lambda p: np.save(p, [[0.0], [np.nan]]), "row 2, column 1: nan"),
        ("x.npz", lambda p: p.write_text("text"), "no array of numpy"),
        ("x.npz", corrupt_npz, "no array of numpy"),
        ("x.npz", cut_member, "ends early"),
        ("x.npz", lambda p: np.savez(p, a=1, b=2), "2 arrays"),
        ("x.npz", lambda p: sp.save_npz(p, sp.eye_array(3).tocsr()), "sparse matrix"),
        ("x.npz", lambda p: np.savez(p, np.zeros(3)), "shape (3,)"),
        ("x.npz", lambda p: np.savez(p, np.array([[{}]])), "objects"),
        ("x.parquet", lambda p: p.write_text("text"), "cannot be read whole"),
        (
            "x.parquet",
            lambda p: pq.write_table(pa.table({"a": ["t"]}), p),
            "column 'a' is of type string",
        ),
        (
            "x.parquet",
            lambda p: pq.write_table(pa.table({"a": [1.0, None]}), p),
            "row 2, column 'a': nan",
        ),
        ("x.feather", lambda p: p.write_text("text"), "cannot be read whole"),
        ("x.xlsx", lambda p: p.write_text("text"), "suffix"),
    ],
)
def test_what_is_wrong_with_other_files_is_said(tmp_path, name, make, part):
    path = tmp_path / name
    make(path)
    with pytest.raises(TableError) as caught:
        source = open_source(str(path))
        list(Table(source, range(source.n_columns)))
    assert part in str(caught.value)
    assert str(path) in str(caught.value)


def test_keys_choose_arrays(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, X=np.ones((2, 3)), y=np.array(["u", "v"]))
    assert open_source(str(path), Reading(key="X")).n_columns == 3
    assert read_labels(str(path), "y").tolist() == [0, 1]
    for key in ("z", "X.npy"):
        with pytest.raises(TableError, match="its keys are 'X', 'y'"):
            open_source(str(path), Reading(key=key))


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("x.csv", Reading(key="X")),
        ("x.npy", Reading(header=True)),
        ("x.npz", Reading(delimiter=";")),
    ],
)
def test_options_of_another_format_are_refused(name, reading):
    with pytest.raises(TableError, match=name):
        open_source(name, reading)


def test_missing_pyarrow_is_named_with_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install typer pyarrow tqdm "):
        open_source(str(tmp_path / "x.parquet"))


@pytest.fixture
def named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(",a,b,a,2\n1,2,3,4,5\n")
    return open_source(str(path), Reading(header=True))


@pytest.mark.parametrize(
    ("only", "without", "columns"),
    [
        (None, (), [0, 1, 2, 3, 4]),
        (["b", "1"], (), [2, 0]),
        (["2"], (), [4]),
        (["4"], (), [3]),
        (None, ["1", "4"], [1, 2, 4]),
        (["b", "2"], ["2"], [2]),
    ],
)
def test_columns_are_chosen_by_name_or_number(named, only, without, columns):
    assert chosen_columns(named, only, without) == columns


@pytest.mark.parametrize(
    ("only", "without", "part"),
    [
        (["c"], (), "no column 'c'"),
        (["0"], (), "no column '0'"),
        (["6"], (), "no column '6'"),
        (["a"], (), "2 columns are called 'a'"),
        (["b", "3"], (), "asked for twice"),
        (["b"], ["b"], "no column is left"),
    ],
)
def test_columns_that_are_not_there_are_refused(named, only, without, part):
    with pytest.raises(TableError, match=part):
        chosen_columns(named, only, without)


def test_names_must_tell_columns_apart(named):
    Table(named, [1, 2, 4]).check_names()
    with pytest.raises(TableError, match="column 1 has no name"):
        Table(named, [0, 1]).check_names()
    with pytest.raises(TableError, match="2 columns are called 'a'"):
        Table(named, [1, 3]).check_names()


def test_columns_of_a_model_are_matched_by_name(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("c,b,a\n3,2,1\n")
    source = open_source(str(path))
    table = Table(source, range(3))
    (rows,) = table.matched(["a", "c"], 2)
    assert rows.tolist() == [[1.0, 3.0]]
    with pytest.raises(TableError, match=r"without 'd', which .* are 'c', 'b', 'a'"):
        table.matched(["a", "d"], 2)
    with pytest.raises(TableError, match="has 3 columns, and the model takes 2"):
        table.matched(None, 2)
    assert table.matched(None, 3).columns == [0, 1, 2]
    twice = Table(source, [0, 1])
    source.column_names = ("a", "a", "b")
    with pytest.raises(TableError, match="2 columns are called 'a'"):
        twice.matched(["a"], 1)


@pytest.mark.parametrize(
    ("sign", "shown"), [(";", "';'"), ("\t", "tab"), (" ", "' '"), ("|", "'|'")]
)
def test_a_wrong_delimiter_is_told_where_columns_are_missing(tmp_path, sign, shown):
    path = tmp_path / "x.csv"
    path.write_text("\n".join(sign.join(row) for row in ("ab", "12")))
    source = open_source(str(path))
    table = Table(source, [0])
    for ask in (
        lambda: table.matched(None, 2),
        lambda: table.matched(["a", "b"], 2),
        lambda: chosen_columns(source, ["b"]),
    ):
        with pytest.raises(TableError) as caught:
            ask()
        assert str(caught.value).endswith(f"say --delimiter {shown}")


def test_only_whole_arrays_on_disk_are_mapped(X, tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", X)
    source = open_source(str(tmp_path / "x.npy"))
    assert isinstance(Table(source, range(4)).on_disk(), np.memmap)
    assert Table(source, [1, 0, 2, 3]).on_disk() is None
    assert Table(open_source(str(tmp_path / "x.npz")), range(4)).on_disk() is None
    X[7, 2] = np.inf
    np.save(tmp_path / "x.npy", X)
    source = open_source(str(tmp_path / "x.npy"))
    with pytest.raises(TableError, match="row 8, column 3: inf"):
        Table(source, range(4)).on_disk()


@pytest.mark.parametrize("text", ["a,b\n1,2\n3,4\n5,6\n", "1,2\n3,4\n5,6\n"])
def test_a_pipe_is_read_once(small_blocks, monkeypatch, text):
    stream = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="latin-1")
    monkeypatch.setattr(sys, "stdin", stream)
    table = Table(open_source("-"), range(2))
    rows = table.spooled()
    assert rows.tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(TableError, match="standard input can be read only once"):
        list(table)


def test_labels_are_numbered(tmp_path):
    csv, npy = tmp_path / "y.csv", tmp_path / "y.npy"
    csv.write_text("label,other\nb,1\na,2\nb,3\n")
    np.save(npy, np.array([7.0, 3.0, 7.0]))
    pq.write_table(pa.table({"y": ["b", "a", "b"]}), tmp_path / "y.parquet")
    assert read_labels(str(csv), "label").tolist() == [0, 1, 0]
    assert read_labels(str(csv), "1", Reading()).tolist() == [0, 1, 0]
    assert read_labels(str(npy)).tolist() == [0, 1, 0]
    assert read_labels(str(tmp_path / "y.parquet")).tolist() == [0, 1, 0]
    with pytest.raises(TableError, match="choose the one"):
        read_labels(str(csv))


@pytest.mark.parametrize(
    ("name", "make", "part"),
    [
        ("y.csv", lambda p: p.write_text("y\n1\n\n \n"), "line 4, column 'y' is empty"),
        ("y.csv", lambda p: p.write_text('x,y\n1,"a\n2,b\n'), "quotation mark"),
        ("y.csv", lambda p: p.write_text('x,y\n1,"a"b\n2,b\n'), "quotation mark"),
        ("y.csv", lambda p: p.write_text("x,y\n1,a\n2,NaN\n"), "row 2.*no label"),
        ("y.npy", lambda p: np.save(p, [1.0, np.nan]), "row 2: nan is no label"),
        ("y.npy", lambda p: np.save(p, ["a", "nan"]), "row 2: 'nan' is no label"),
        (
            "y.npz",
            lambda p: np.savez(p, y=np.array([0, np.nan])),
            "row 2: nan is no label",
        ),
        (
            "y.parquet",
            lambda p: pq.write_table(pa.table({"y": [1.0, 2.0, float("nan")]}), p),
            "row 3: nan is no label",
        ),
        ("y.npz", lambda p: np.savez(p, y=np.zeros((2, 2))), "has 2 columns"),
        ("y.npy", lambda p: np.save(p, np.zeros(2, complex)), "complex"),
        (
            "y.parquet",
            lambda p: pq.write_table(pa.table({"y": ["a", None]}), p),
            "row 2, column 'y' is empty",
        ),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, name, make, part):
    make(tmp_path / name)
    column = None if name.endswith(("npy", "npz")) else "y"
    with pytest.raises(TableError, match=part):
        read_labels(str(tmp_path / name), column)


def test_a_column_of_labels_without_a_number_is_refused(tmp_path):
    np.save(tmp_path / "y.npy", np.array([[0.0], [np.nan]]))
    with pytest.raises(TableError, match=r"row 2: nan is no label"):
        read_labels(str(tmp_path / "y.npy"))


def test_names_of_parquet_columns_must_differ(tmp_path):
    columns = [pa.array([1.0]), pa.array([2.0]), pa.array([3.0])]
    pq.write_table(pa.table(columns, names=["a", "b", "a"]), tmp_path / "x.parquet")
    with pytest.raises(TableError, match="duplicate field names"):
        open_source(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("cat\ndog\ncat\n", None, [0, 1, 0]),
        ("kind\ncat\ndog\n", "kind", [0, 1]),
        ("1\n0\n1\n", None, [0, 1, 0]),
        ("1\n0\n1\n", "1", [0, 1, 0]),
        ("0,cat\n1,dog\n", "2", [0, 1]),
        ("id,1,kind\n0,7,cat\n1,8,dog\n", "kind", [0, 1]),
    ],
)
def test_labels_of_text_have_a_header_where_their_column_is_named(
    tmp_path, text, column, expected
):
    (tmp_path / "y.csv").write_text(text)
    assert read_labels(str(tmp_path / "y.csv"), column).tolist() == expected


def test_a_name_above_labels_is_no_class(tmp_path):
    (tmp_path / "y.csv").write_text("label\n0\n1\n")
    with pytest.raises(TableError, match="--label-column label"):
        read_labels(str(tmp_path / "y.csv"))


@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 3)])
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_arrays_are_written_part_by_part(tmp_path, shape, dtype):
    X = np.random.default_rng(0).normal(scale=9, size=shape).astype(dtype)
    path = tmp_path / "x.npy"
    assert write_npy(path, iter([X[:3], X[3:4], X[4:]])) == 7
    found = np.load(path)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, X)
    # As numpy writes it, to the byte.
    np.save(tmp_path / "y.npy", X)
    assert path.read_bytes() == (tmp_path / "y.npy").read_bytes()


def test_text_is_written_in_the_digits_of_float32(tmp_path):
    X = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    path = tmp_path / "x.csv"
    assert write_csv(path, ["a", "b"], iter([X[:2], X[2:].astype(np.float64)])) == 5
    (rows,) = Table(open_source(str(path)), range(2))
    np.testing.assert_array_equal(rows.astype(np.float32), X)
    assert max(len(cell) for cell in path.read_text().split(",")) < 30
    out = io.StringIO()
    write_text(out.write, ["label"], iter([np.array([3, 1])]))
    assert out.getvalue() == "label\n3\n1\n"


def test_a_full_disk_leaves_what_was_there(tmp_path):
    resource = pytest.importorskip("resource")
    npy, csv = tmp_path / "x.npy", tmp_path / "x.csv"
    for path in (npy, csv):
        path.write_text("mine")
    parts = [np.zeros((1000, 3)) for _ in range(9)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"x\.npy"):
            write_npy(npy, iter(parts))
        with pytest.raises(OSError, match=r"x\.csv"):
            write_csv(csv, ["a", "b", "c"], iter(parts))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "x.npy": "mine",
        "x.csv": "mine",
    }
