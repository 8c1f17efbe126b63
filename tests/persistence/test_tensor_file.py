"""Files of tensors: what is read is what was written, and no size is believed."""

import json
import os
import tracemalloc

import pytest
import safetensors.torch
import torch

from neuraleig.persistence._records import Record, parsed
from neuraleig.persistence._tensor_file import (
    DTYPES,
    MAX_HEADER,
    bytes_of,
    header_of,
    in_order,
    read_tensors,
)

TENSORS = {
    "b": torch.arange(6.0).reshape(2, 3),
    "a": torch.tensor(7, dtype=torch.int64),
    "none": torch.empty(0, 4),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "flags": torch.tensor([True, False, True]),
}
METADATA = {"format": "Größe", "more": "\n\ud800"}


def written(metadata=METADATA, tensors=TENSORS):
    parts = [bytes(bytes_of(tensor)) for tensor in in_order(tensors).values()]
    return header_of(metadata, tensors) + b"".join(parts)


def with_header(text, data=b""):
    header = text.encode() if isinstance(text, str) else text
    return len(header).to_bytes(8, "little") + header + data


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(written())
    metadata, tensors = read_tensors(path)
    assert metadata == METADATA
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert torch.equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_the_library_of_that_name_reads_what_we_write_and_writes_what_we_read(
    dtype, tmp_path
):
    tensors = {"x": torch.tensor([0, 1, 1]).to(dtype), "y": torch.ones(2, 2)}
    (tmp_path / "ours").write_bytes(written({"a": "b"}, tensors))
    theirs = safetensors.torch.load_file(tmp_path / "ours")
    safetensors.torch.save_file(tensors, tmp_path / "theirs", {"a": "b"})
    metadata, ours = read_tensors(tmp_path / "theirs")
    assert metadata == {"a": "b"}
    for found in (ours, theirs):
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_equal_contents_are_equal_files():
    turned = dict(reversed(TENSORS.items()))
    assert written() == written(dict(reversed(METADATA.items())), turned)
    header = header_of(METADATA, TENSORS)
    assert len(header) % 8 == 0


def entry(shape=(1,), offsets=(0, 4), dtype="F32", **more):
    found = {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}
    return json.dumps({"x": {**found, **more}})


DATA = b"\0" * 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "fewer than its header says"),
        (b"\0" * 7, "fewer than its header says"),
        (b"\xff" * 8, "fewer than its header says"),
        ((2**63).to_bytes(8, "little") + b"{}", "fewer than its header says"),
        ((-1).to_bytes(8, "little", signed=True) + b"{}", "fewer than its header says"),
        (with_header(b" " * (MAX_HEADER + 1)), "are read"),
        (with_header("[]"), "no JSON object"),
        (with_header("{"), "Expecting"),
        (with_header(b"\xff"), "decode"),
        (with_header("[" * 10**6), "recursion"),
        (with_header('{"a":' * 10**6), "recursion"),
        (with_header('{"x": 1, "x": 1}'), "twice"),
        (with_header('{"__metadata__": {"a": "b", "a": "c"}}'), "twice"),
        (with_header('{"__metadata__": {"a": 1}}'), "__metadata__ has 1"),
        (with_header('{"__metadata__": []}'), "no JSON object"),
        (with_header(entry(offsets=(-4, 0)), DATA), "at least 0"),
        (with_header(entry(offsets=(4, 0)), DATA), "other bytes"),
        (with_header(entry(offsets=(4, 8)), DATA), "begins at 4"),
        (with_header(entry(offsets=(0, 4, 8)), DATA), "has shape"),
        (with_header(entry(shape=(-1,)), DATA), "at least 0"),
        (with_header(entry(shape=(2**62,), offsets=(0, 2**64)), DATA), "data_offsets"),
        (with_header(entry(shape=(2**40,), offsets=(0, 2**42)), DATA), "4 are there"),
        (with_header(entry(shape=(2**32,) * 4), DATA), "other bytes"),
        (with_header(entry(shape=(1,) * 17), DATA), "has shape"),
        (with_header(entry(shape=(1.0,)), DATA), "not an integer"),
        (with_header(entry(dtype="F33"), DATA), "F33"),
        (with_header(entry(dtype="F64"), DATA), "other bytes"),
        (with_header(entry(more=1), DATA), "unknown 'more'"),
        (with_header(entry(), DATA + b"\0"), "5 are there"),
        (with_header(entry(), DATA[1:]), "3 are there"),
        (with_header("{}", DATA), "4 are there"),
    ],
)
def test_sizes_that_are_not_there_are_refused_before_memory_is_set_aside(
    tmp_path, content, message
):
    (tmp_path / "t").write_bytes(content)
    tracemalloc.start()
    with pytest.raises((ValueError, RecursionError), match=message):
        read_tensors(tmp_path / "t")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20 + 4 * len(content)


def test_overlapping_tensors_are_refused(tmp_path):
    one = json.loads(entry())["x"]
    text = json.dumps({"x": one, "y": one})
    (tmp_path / "t").write_bytes(with_header(text, DATA))
    with pytest.raises(ValueError, match="begins at 0, not 4"):
        read_tensors(tmp_path / "t")


def test_bytes_that_are_no_truth_values_become_some(tmp_path):
    text = entry((4,), (0, 4), "BOOL")
    (tmp_path / "t").write_bytes(with_header(text, b"\0\1\2\xff"))
    _, tensors = read_tensors(tmp_path / "t")
    assert tensors["x"].view(torch.uint8).tolist() == [0, 1, 1, 1]


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        read_tensors(tmp_path / "pipe")


def test_headers_longer_than_are_read_are_not_written():
    with pytest.raises(ValueError, match=f"at most {MAX_HEADER}"):
        header_of({"a": "x" * MAX_HEADER}, {})


def test_records_are_strict():
    record = Record(parsed('{"a": 1, "b": true, "c": [1, 2], "d": null}'), "r")
    assert "a" in record
    assert record.integer("a") == 1
    assert "a" not in record
    for read in (record.integer, record.number, record.text, record.integers):
        with pytest.raises(ValueError, match=r"r\.b is True|r is without"):
            read("b")
    with pytest.raises(ValueError, match=r"r\.c is \[1, 2\], and not a text"):
        record.text("c")
    with pytest.raises(ValueError, match="r is without 'c'"):
        record.text("c")
    with pytest.raises(ValueError, match="unknown 'd'"):
        record.end()
    assert record.integer_or_none("d") is None
    record.end()
    texts = ("NaN", "Infinity", "[-Infinity]", "1e999", '{"a": [-1e999]}')
    for text in (*texts, '{"a": 1, "a": 2}'):
        with pytest.raises(ValueError, match=r"finite|twice"):
            parsed(text)
    assert parsed("1e308") == 1e308
    with pytest.raises(ValueError, match="finite"):
        Record({"a": float("inf")}, "r").number("a")
