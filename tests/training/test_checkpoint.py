"""Entries come back as they were saved, or are refused by name."""

import errno
import os

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from same_trees import assert_same

from neuraleig.training import CheckpointError
from neuraleig.training import _checkpoint as module
from neuraleig.training._checkpoint import NOTHING_KEPT, CheckpointFolder

IDENTITY = {"n_clusters": 3, "X": "abc", "temperature": (1.0, 0.5)}
TREE = {
    "weights": torch.arange(6.0).reshape(2, 3).mT,
    "states": [{0: {"mean": torch.ones(2, dtype=torch.bfloat16)}, 1: {}}],
    "index": np.arange(3),
    "nothing": None,
    "numbers": [1, 0.1, float("inf"), True],
    "name": "x",
}


@pytest.fixture
def folder(tmp_path):
    checkpoint = CheckpointFolder(tmp_path / "a" / "b", IDENTITY)
    checkpoint.save("entry", TREE)
    return checkpoint


def file_of(folder, name="entry"):
    return folder.path / f"neuraleig-{name}.safetensors"


def test_clearing_waits_for_the_end_of_a_block(folder):
    with pytest.raises(OSError, match="full"), module.clearing_deferred():
        folder.clear()
        raise OSError("full")
    assert_same(folder.load("entry"), TREE)
    with module.clearing_deferred():
        folder.clear()
        assert_same(folder.load("entry"), TREE)
    assert not folder.path.exists()


def test_an_entry_comes_back(folder):
    assert_same(folder.load("entry"), TREE)
    again = CheckpointFolder(folder.path, IDENTITY)
    assert_same(again.load("entry"), TREE)
    assert again.load("other") is None


def test_what_is_read_outlives_its_file(folder):
    found = folder.load("entry")
    folder.clear()
    assert_same(found, TREE)
    assert not folder.path.exists()


def test_nothing_is_kept_without_a_folder():
    NOTHING_KEPT.save("entry", TREE)
    assert NOTHING_KEPT.load("entry") is None
    NOTHING_KEPT.clear()


def assert_refused(folder, message, remedy="delete the folder to fit anew"):
    with pytest.raises(CheckpointError, match=message) as caught:
        folder.load("entry")
    assert f"checkpoint={str(folder.path)!r}" in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_files_are_refused(folder, share):
    content = file_of(folder).read_bytes()
    file_of(folder).write_bytes(content[: int(share * len(content))])
    assert_refused(folder, "entry.safetensors is damaged")


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_changed_bytes_are_refused(tmp_path_factory, place, flip):
    folder = CheckpointFolder(tmp_path_factory.mktemp("bytes"), IDENTITY)
    folder.save("entry", TREE)
    content = bytearray(file_of(folder).read_bytes())
    content[int(place * len(content))] ^= flip
    file_of(folder).write_bytes(content)
    # Nothing but this error, or the same entry: JSON has spaces.
    try:
        found = folder.load("entry")
    except CheckpointError as error:
        assert "neuraleig-entry.safetensors" in str(error)
    else:
        assert_same(found, TREE)


def test_other_schemata_are_refused(folder, monkeypatch):
    monkeypatch.setattr(module, "SCHEMA", 4)
    assert_refused(folder, "has schema 3, and this version of neuraleig reads schema 4")


def test_files_of_others_are_refused(folder):
    safetensors.torch.save_file({"x": torch.ones(1)}, file_of(folder))
    assert_refused(folder, "has no schema")


def test_entries_of_the_former_schema_are_refused(folder):
    header = {"schema": "1", "identity": "{}", "tree": "{}", "hash": "x"}
    safetensors.torch.save_file({"x": torch.ones(1)}, file_of(folder), header)
    assert_refused(folder, "has schema 1, and this version of neuraleig reads schema 3")


def test_other_identities_are_refused(folder):
    changed = IDENTITY | {"n_clusters": 4, "new": 1}
    other = CheckpointFolder(folder.path, changed)
    assert_refused(other, "belongs to a fit with other n_clusters, new")
    assert_same(folder.load("entry"), TREE)


# What cannot be written


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_former_entry(folder, monkeypatch, where):
    if where == "write":
        opened = module.Path.open

        def full(path, *args):
            opened(path, *args).close()
            return _FullFile()

        monkeypatch.setattr(module.Path, "open", full)
    elif where == "fsync":
        monkeypatch.setattr(module.os, "fsync", full_disk)
    else:
        monkeypatch.setattr(module.Path, "replace", full_disk)
    with pytest.raises(CheckpointError, match=r"'entry' cannot be written \(.*space"):
        folder.save("entry", {"other": 1})
    monkeypatch.undo()
    assert_same(folder.load("entry"), TREE)
    assert list(folder.path.iterdir()) == [file_of(folder)]


class _FullFile:
    write = full_disk

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None


def test_a_path_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(CheckpointError, match=r"file': the folder cannot be made"):
        CheckpointFolder(path, IDENTITY)


def test_leftover_files_are_harmless(folder):
    leftover = folder.path / ".neuraleig-x7.part"
    leftover.write_bytes(b"half an en")
    assert_same(folder.load("entry"), TREE)
    folder.clear()
    assert not folder.path.exists()


def test_what_cannot_be_removed_is_said(folder, monkeypatch):
    monkeypatch.setattr(module.Path, "unlink", full_disk)
    with pytest.warns(UserWarning, match=r"could not be removed .* delete the folder"):
        folder.clear()


def test_the_oldest_entry_is_removed_last(folder, monkeypatch):
    # The first one says whose work the others are.
    for age, name in enumerate(("third", "second")):
        folder.save(name, {})
        os.utime(file_of(folder, name), (1e9 - age, 1e9 - age))
    removed = []
    monkeypatch.setattr(
        module.Path, "unlink", lambda path, missing_ok: removed.append(path.stem)
    )
    folder.clear()
    assert removed == ["neuraleig-entry", "neuraleig-third", "neuraleig-second"]
