"""Files are there whole or not at all, and others may read them as they may any."""

import os

import pytest

from neuraleig._atomic import atomic_file, remove_temporaries, write_json


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


def test_json_of_any_name(tmp_path):
    write_json(tmp_path / "a", {"name": "\udcff"})
    assert (tmp_path / "a").read_bytes() == b'{\n "name": "\\udcff"\n}\n'


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / "below").mkdir()
    left = tmp_path / "below" / ".neuraleig-0123.part"
    kept = tmp_path / "below" / "other.part"
    left.touch()
    kept.touch()
    remove_temporaries(tmp_path)
    assert list(kept.parent.iterdir()) == [kept]
