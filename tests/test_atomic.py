"""Files are there whole or not at all, and others may read them as they may any."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from neuraleig._atomic import atomic_file, remove_temporaries, write_json
from neuraleig._tables import write_npy

on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has none of these")


def write(path, content=b"new"):
    with atomic_file(path) as file:
        file.write(content)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write():
        with atomic_file(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_cannot_be_removed_hides_no_error(tmp_path, monkeypatch, error):
    def refuse(*args, **kwargs):
        raise PermissionError("not yours")

    monkeypatch.setattr(type(tmp_path), "unlink", refuse)
    with pytest.raises(error, match="first"), atomic_file(tmp_path / "a"):
        raise error("first")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
@pytest.mark.parametrize("durable", [True, False])
def test_permissions_are_those_of_the_umask(tmp_path, mask, mode, durable):
    path = tmp_path / "a"
    before = os.umask(mask)
    try:
        with atomic_file(path, durable=durable) as file:
            file.write(b"whole")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"whole"
    assert path.stat().st_mode & 0o777 == mode


@on_posix
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    write(path)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", mode)


@on_posix
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_leads_to_what_is_written(tmp_path, is_there):
    (tmp_path / "data").mkdir()
    (tmp_path / "links").mkdir()
    target, link = tmp_path / "data" / "a", tmp_path / "links" / "b"
    if is_there:
        target.write_bytes(b"old")
    link.symlink_to("../data/a")
    write(link)
    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_bytes() == b"new"
    assert len(list(tmp_path.rglob("*"))) == 4


@on_posix
def test_a_pipe_is_written_into(tmp_path):
    path = tmp_path / "a"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write(path)
    reader.join()
    assert read == [b"new"]
    assert path.is_fifo()
    # Arrays of numpy have their number of rows at the begin.
    reader = threading.Thread(target=path.read_bytes)
    reader.start()
    with pytest.raises(OSError, match="needs a file") as caught:
        write_npy(path, iter([np.zeros(3)]))
    reader.join()
    assert caught.value.filename == str(path)


@on_posix
def test_a_device_is_not_replaced(tmp_path):
    link = tmp_path / "a"
    link.symlink_to(os.devnull)
    write(link)
    assert link.is_char_device()


def test_errors_name_what_the_caller_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder") as caught:
        write(Path("no/a"))
    assert caught.value.filename == str(Path("no/a"))
    with pytest.raises(IsADirectoryError) as caught:
        write(Path("..") / tmp_path.name)
    assert caught.value.filename == str(Path("..") / tmp_path.name)

    def refuse(self, other):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(tmp_path), "replace", refuse)
    with pytest.raises(PermissionError) as caught:
        write(Path("a"))
    assert caught.value.filename == "a"
    with pytest.raises(FileNotFoundError) as caught, atomic_file(Path("a")):
        Path("other").read_bytes()
    assert caught.value.filename == "other"
    assert list(tmp_path.iterdir()) == []


def test_json_of_any_name(tmp_path):
    write_json(tmp_path / "a", {"name": "\udcff"})
    assert (tmp_path / "a").read_bytes() == b'{\n "name": "\\udcff"\n}\n'


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / "below").mkdir()
    left = tmp_path / ".neuraleig-0123.part"
    kept = tmp_path / "other.part", tmp_path / "below" / ".neuraleig-4567.part"
    for path in (left, *kept):
        path.touch()
    remove_temporaries([tmp_path, tmp_path / "none"])
    assert not left.exists()
    assert all(path.exists() for path in kept)
