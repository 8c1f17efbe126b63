"""Trees in files: what is read is what was written, and no size is believed."""

import io
import json
import os
import tracemalloc
from dataclasses import dataclass, field

import new_process
import numpy as np
import pytest
import safetensors.torch
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from same_trees import assert_same

from neuraleig._tree import load_tree, save_tree
from neuraleig._tree_file import (
    KEY,
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_HEADER,
    OtherFormatError,
    TreeError,
)


@dataclass(frozen=True)
class Pair:
    """A dataclass with a field that is made of the others."""

    left: object
    right: object = None
    both: tuple = field(init=False, default=())


METADATA = {"format": "Größe", "more": "\n\ud800", "sizes": (1, 2.5)}


def saved(tree, path, metadata=METADATA):
    with path.open("wb") as file:
        save_tree(file, tree, metadata)
    return path


def round_trip(tree, path, *kinds):
    found, metadata = load_tree(saved(tree, path), {"format": "Größe"}, kinds)
    assert metadata == METADATA
    return found


TREES = {
    "nothing": None,
    "numbers": [1, -(2**70), 0.1, float("inf"), -float("inf"), float("nan"), True],
    "texts": ["Größe", "\n\ud800", "$tensor"],
    "marks": {"$tensor": "x", "$": {"$tuple": [1]}, "plain": {}},
    "integer keys": {0: {"mean": torch.ones(2, dtype=torch.bfloat16)}, 1: {}},
    "tuples": ((1, (2,)), [(), []]),
    "tensors": {"a": torch.tensor(7), "none": torch.empty(0, 4), "b": torch.ones(2, 3)},
    "by columns": [torch.arange(6.0).reshape(2, 3).T, np.ones((3, 2), order="F")],
    "arrays": [np.arange(3, dtype=np.int32), np.array(True), np.zeros((0, 2))],
    "strided": {"a.b": np.arange(6)[::-2].copy(), "a": {"b": np.arange(3)}},
    "names": {"": torch.ones(1), "__metadata__": np.ones(1)},
    "sparse": sp.csr_array(np.eye(3)[[0, 2]]),
    "record": [Pair(np.arange(2), Pair((1,), {"x": None}))],
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_what_is_written_is_read(tree, tmp_path):
    assert_same(round_trip(tree, tmp_path / "t", Pair), tree)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.lists(st.floats(width=32, allow_nan=False)).map(torch.tensor),
    st.lists(st.integers(-9, 9)).map(lambda x: np.array(x, dtype=np.int64)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(tree=trees)
def test_any_tree_comes_back(tmp_path_factory, tree):
    assert_same(round_trip(tree, tmp_path_factory.mktemp("any") / "t"), tree)


@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "float16", "bfloat16", "int64", "int8", "uint8", "bool"],
)
def test_dtypes_are_kept(dtype, tmp_path):
    tensor = torch.tensor([0, 1, 1]).to(getattr(torch, dtype))
    assert_same(round_trip(tensor, tmp_path / "t"), tensor)


def test_numbers_of_numpy_are_kept_as_numbers(tmp_path):
    tree = {"lr": np.float32(0.5), "step": np.int64(3), "stop": np.bool_(True)}
    assert_same(round_trip(tree, tmp_path / "t"), {"lr": 0.5, "step": 3, "stop": True})


def test_tensors_that_share_memory_are_saved(tmp_path):
    shared = torch.arange(6.0)
    tree = [shared, shared[:2], shared.reshape(2, 3).T, shared.numpy(), shared]
    assert_same(round_trip(tree, tmp_path / "t"), tree)


def test_views_and_read_only_arrays_are_saved(tmp_path):
    fixed = np.arange(6)
    fixed.flags.writeable = False
    tree = [fixed, np.arange(6)[::2], np.arange(6)[::-1], torch.arange(6)[::2]]
    found = round_trip(tree, tmp_path / "t")
    assert [list(part) for part in found] == [list(part) for part in tree]


def test_equal_trees_are_equal_files_in_every_process(tmp_path):
    tree = {name: torch.full((2,), i) for i, name in enumerate("zyxwvu")}
    code = (
        "import sys, torch; from pathlib import Path\n"
        "from neuraleig._tree import save_tree\n"
        "tree = {name: torch.full((2,), i) for i, name in enumerate('zyxwvu')}\n"
        "with Path(sys.argv[1]).open('wb') as file:\n"
        "    save_tree(file, tree, {'format': 'a', 'schema': 1})"
    )
    new_process.run(["-c", code, tmp_path / "there"], check=True)
    here = saved(tree, tmp_path / "here", {"format": "a", "schema": 1})
    assert here.read_bytes() == (tmp_path / "there").read_bytes()


def test_other_readers_of_safetensors_read_it(tmp_path):
    path = saved({"a": {"b": torch.ones(2)}, "c": 3}, tmp_path / "t", {"schema": 1})
    with safetensors.safe_open(path, framework="np") as file:
        content = json.loads(file.metadata()[KEY])
        assert file.get_tensor("a.b").tolist() == [1.0, 1.0]
    assert content["metadata"] == {"schema": 1}
    assert content["tree"]["c"] == 3


def test_what_no_file_can_hold_is_refused_by_its_path(tmp_path):
    for tree, message in (
        ({"a": [object()]}, r"a\.0 is a object"),
        ({"a": {1, 2}}, "a is a set"),
        (np.array(["x"]), "numpy.str_"),
    ):
        with pytest.raises(TypeError, match=message):
            save_tree(io.BytesIO(), tree, {})
    tree = 0
    for _ in range(MAX_DEPTH + 1):
        tree = (tree,)
    with pytest.raises(ValueError, match="nested more than"):
        save_tree(io.BytesIO(), tree, {})
    assert_same(round_trip(tree[0], tmp_path / "t"), tree[0])
    for long, most in (("x" * MAX_HEADER, MAX_HEADER), ("[" * 10**6, MAX_CONTAINERS)):
        with pytest.raises(ValueError, match=f"at most {most}"):
            save_tree(io.BytesIO(), long, {})


# Files that no save wrote


def with_header(text, data=b""):
    header = text.encode() if isinstance(text, str) else text
    return len(header).to_bytes(8, "little") + header + data


def entry(shape=(1,), offsets=(0, 4), dtype="F32"):
    found = {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}
    return json.dumps({"x": found})


DATA = b"\0" * 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        b"\xff" * 8,
        (2**63).to_bytes(8, "little") + b"{}",
        with_header(b" " * (MAX_HEADER + 1)),
        with_header("[]"),
        with_header("{"),
        with_header(b"\xff"),
        with_header("[" * 10**6),
        with_header('{"a":' * 10**6),
        with_header('{"__metadata__": {"a": 1}}'),
        with_header('{"__metadata__": []}'),
        with_header(entry(offsets=(-4, 0)), DATA),
        with_header(entry(offsets=(4, 0)), DATA),
        with_header(entry(offsets=(4, 8)), DATA),
        with_header(entry(shape=(-1,)), DATA),
        with_header(entry(shape=(2**62,), offsets=(0, 2**64)), DATA),
        with_header(entry(shape=(2**40,), offsets=(0, 2**42)), DATA),
        with_header(entry(shape=(2**32,) * 4), DATA),
        with_header(entry(shape=(0, 2**62, 2**62), offsets=(0, 0))),
        with_header(entry(shape=(1.0,)), DATA),
        with_header(entry(dtype="F33"), DATA),
        with_header(entry(dtype="F4", shape=(8,)), DATA),
        with_header(entry(dtype="F64"), DATA),
        with_header(entry(), DATA + b"\0"),
        with_header(entry(), DATA[1:]),
        with_header("{}", DATA),
        with_header(entry()[:-1] + ', "y"' + entry()[4:], DATA),
    ],
)
def test_sizes_that_are_not_there_are_refused_before_memory_is_set_aside(
    tmp_path, content
):
    (tmp_path / "t").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(TreeError) as caught:
        load_tree(tmp_path / "t", {"schema": 1})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20 + 4 * len(content)
    assert len(str(caught.value)) < 1_000 and "\n" not in str(caught.value)


def written(content, tensors=None):
    """File whose JSON is any text."""
    return safetensors.torch.save(tensors or {}, {KEY: content})


@pytest.mark.parametrize(
    "tree",
    [
        '{"$tensor": "x"}',
        '{"$tensor": []}',
        '{"$tuple": 1}',
        '{"$tuple": [1], "more": 2}',
        '{"$dict": [[[], 1]]}',
        '{"$dict": [1]}',
        '{"$turned": 1}',
        '{"$csr": [1]}',
        '{"$record": ["Path", {"x": 1}]}',
        '{"$record": ["Pair", {"x": 1}]}',
        '{"$record": 3}',
        '{"$float": "1e400"}',
        '{"$class": "os.system"}',
        "NaN",
        "1e999",
        "9" * 5_000,
        "[" * 200 + "]" * 200,
        '{"$tuple":' * 200 + "1" + "}" * 200,
        "[" * 10**5,
        "[[],[]," + "[]," * 10**6 + "0]",
    ],
)
def test_trees_that_no_save_wrote_are_refused(tmp_path, tree, monkeypatch):
    monkeypatch.setattr("neuraleig._tree._hash", lambda *_: None)
    text = f'{{"metadata": {{"schema": 1}}, "tree": {tree}}}'
    (tmp_path / "t").write_bytes(written(text))
    with pytest.raises(TreeError) as caught:
        load_tree(tmp_path / "t", {"schema": 1}, [Pair])
    assert len(str(caught.value)) < 1_000 and "\n" not in str(caught.value)


def test_matrices_that_do_not_fit_their_shape_are_refused(tmp_path):
    wrong = sp.csr_array(np.eye(3))
    wrong.indices = wrong.indices + 9
    with pytest.raises(TreeError):
        round_trip(wrong, tmp_path / "t")


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_changed_bytes_are_refused(tmp_path_factory, place, flip):
    tree = {"a": torch.arange(3.0), "b": (1, "x", np.ones(2))}
    path = saved(tree, tmp_path_factory.mktemp("bytes") / "t", {"schema": 1})
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= flip
    path.write_bytes(content)
    # Either this error or the same tree: JSON has spaces.
    try:
        found, _ = load_tree(path, {"schema": 1})
    except TreeError:
        return
    assert_same(found, tree)


def test_files_of_other_formats_tell_their_metadata(tmp_path):
    path = saved(1, tmp_path / "t", {"schema": 7})
    with pytest.raises(OtherFormatError) as caught:
        load_tree(path, {"schema": 1})
    assert caught.value.metadata == {"schema": 7}
    safetensors.torch.save_file({"x": torch.ones(1)}, path, {"a": "b"})
    with pytest.raises(OtherFormatError) as caught:
        load_tree(path, {"schema": 1})
    assert caught.value.metadata == {"a": "b"}
    with pytest.raises(TreeError, match="hash"):
        load_tree(path, {"a": "b"})


def test_bytes_that_are_no_truth_values_become_some(tmp_path):
    path = saved(torch.tensor([False, True, True, True]), tmp_path / "t")
    content = path.read_bytes()
    path.write_bytes(content[:-4] + b"\0\1\2\xff")
    assert round_trip_of(path).view(torch.uint8).tolist() == [0, 1, 1, 1]


def round_trip_of(path):
    return load_tree(path, {})[0]


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TreeError, match="not a regular file"):
        load_tree(tmp_path / "pipe", {})
