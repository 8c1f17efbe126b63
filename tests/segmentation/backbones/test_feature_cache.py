import copy
import errno
import multiprocessing
import os
import pickle
import shutil
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from neuraleig.segmentation.backbones._feature_cache import (
    MARGIN_BYTES,
    FeatureCache,
    FeatureCacheWarning,
    KeptStore,
    NoCache,
    cache_key,
    half_precision,
    pixels_identity,
    shared_folder,
)

KEY = cache_key("backbone", "float32", 48)


@pytest.fixture
def features():
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    return values.astype(np.float16)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path, KEY)


def only_file(cache):
    (path,) = cache.folder.iterdir()
    return path


def test_what_is_put_is_got(cache, features):
    assert cache.get("a") is None
    cache.put("a", features)
    got = cache.get("a")
    np.testing.assert_array_equal(got, features)
    assert got.dtype == np.float16
    assert not got.flags.writeable
    assert isinstance(got.base, np.memmap)
    # And again, from what the cache gave.
    cache.put("b", got)
    np.testing.assert_array_equal(cache.get("b"), features)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_what_the_umask_lets_them(cache, features):
    before = os.umask(0o022)
    try:
        cache.put("a", features)
    finally:
        os.umask(before)
    assert only_file(cache).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 7, 2, 3), (1, 2, 7, 3)])
def test_every_batch_has_its_own_shape(cache, shape):
    features = np.random.default_rng(1).normal(size=shape).astype(np.float16)
    cache.put("a", features)
    np.testing.assert_array_equal(cache.get("a"), features)


def test_disk_space_is_what_the_notes_say(cache):
    cache.put("a", np.ones((2, 30, 45, 384), np.float16))
    size = only_file(cache).stat().st_size
    assert 0 <= size - 2 * 2 * 30 * 45 * 384 < 160
    assert cache.stored_bytes() == size


def test_entries_are_told_apart(tmp_path, features):
    first, other = (FeatureCache(tmp_path, cache_key("b", w)) for w in (48, 64))
    first.put("a", features)
    assert first.get("b") is None
    assert other.get("a") is None
    again = FeatureCache(tmp_path, first.key)
    np.testing.assert_array_equal(again.get("a"), first.get("a"))


def test_nothing_is_stored_without_a_cache(features):
    plain = NoCache()
    plain.put("a", features)
    assert plain.get("a") is None


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[150] ^= 1
    path.write_bytes(content)


def array_file(values):
    def write(path):
        with path.open("wb") as file:
            np.save(file, values)

    return write


def archive(path):
    with path.open("wb") as file:
        np.savez(file, np.ones(3))


def store_infinity(path):
    # With the right checksum: as if an earlier version had let it through.
    values = np.full((2, 3, 4, 5), np.inf, dtype=np.float16)
    address = path.read_bytes()[-20:-4]
    with path.open("wb") as file:
        np.save(file, values)
        file.write(address + zlib.crc32(values.data).to_bytes(4))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p: p.write_bytes(b""), ""),
        (lambda p: p.write_bytes(b"not an array"), ""),
        (lambda p: p.write_bytes(p.read_bytes()[:100]), ""),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "wrong size"),
        (lambda p: p.write_bytes(p.read_bytes() + b"x"), "wrong size"),
        (lambda p: p.write_bytes(p.read_bytes()[:-20] + b"x" * 20), "something else"),
        (flip_a_bit, "wrong checksum"),
        (store_infinity, "not finite"),
        (array_file(np.ones((2, 3, 4, 5))), "type float64"),
        (array_file(np.ones((3, 4, 5), np.float16)), r"\(3, 4, 5\)"),
        (
            array_file(np.ones((2, 3, 4, 5), np.float16, order="F")),
            "another order",
        ),
        (array_file(np.array([{}], dtype=object)), ""),
        (archive, ""),
        (lambda p: p.write_bytes(pickle.dumps(np.ones(3))), ""),
    ],
)
def test_damaged_files_are_computed_again(cache, features, damage, reason):
    cache.put("a", features)
    path = only_file(cache)
    damage(path)
    with pytest.warns(FeatureCacheWarning, match=f"not from here .*{reason}"):
        assert cache.get("a") is None
    cache.put("a", features)
    np.testing.assert_array_equal(cache.get("a"), features)


def test_a_file_of_another_item_is_not_taken(cache, features):
    cache.put("a", features)
    path = only_file(cache)
    cache.put("b", features * 2)
    (other,) = set(cache.folder.iterdir()) - {path}
    path.write_bytes(other.read_bytes())
    with pytest.warns(FeatureCacheWarning, match="something else"):
        assert cache.get("a") is None


def test_a_full_disk_is_one_warning(cache, features, monkeypatch):
    cache.put("kept", features)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    with pytest.warns(FeatureCacheWarning, match="No space left") as caught:
        for item in ("a", "b"):
            cache.put(item, features)
    assert len(caught) == 1
    assert cache.get("a") is None
    assert cache.get("kept") is not None
    assert len(list(cache.folder.iterdir())) == 1


def test_an_interrupted_write_leaves_nothing(cache, features, monkeypatch):
    def interrupted(file, values, **kwargs):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.put("a", features)
    assert list(cache.folder.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        FeatureCache(tmp_path / "file", KEY)


def test_a_temporary_folder_goes_with_the_cache(features):
    cache = FeatureCache(None, KEY)
    folder = cache.folder.parent
    cache.put("a", features)
    assert folder.exists()
    del cache
    assert not folder.exists()


def test_a_closed_cache_is_empty_and_silent(features):
    cache = FeatureCache(None, KEY)
    cache.put("a", features)
    assert cache.get("a") is not None
    cache.close()
    assert not cache.root.exists()
    assert cache.get("a") is None
    cache.put("a", features)
    assert cache.get("a") is None
    cache.close()


def test_a_folder_of_the_user_stays(cache, features):
    cache.put("a", features)
    cache.close()
    assert cache.get("a") is not None


@pytest.mark.parametrize(
    "twin_of", [lambda c: pickle.loads(pickle.dumps(c)), copy.copy, copy.deepcopy]
)
def test_a_copy_of_a_temporary_cache_stores_nothing(features, twin_of):
    """The folder may be gone before the copy is."""
    cache = FeatureCache(None, KEY)
    cache.put("a", features)
    twin = twin_of(cache)
    assert type(twin) is NoCache
    del twin
    assert cache.get("a") is not None


def test_a_copy_has_the_folder_of_the_user(cache, features):
    cache.put("a", features)
    twin = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(twin.get("a"), features)


def drop(cache):
    cache.close()


def test_a_fork_does_not_remove_the_folder(features):
    cache = FeatureCache(None, KEY)
    cache.put("a", features)
    child = multiprocessing.get_context("fork").Process(target=drop, args=(cache,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert cache.get("a") is not None


class TestBound:
    @pytest.fixture
    def size(self, cache, features):
        cache.put("a", features)
        size = cache.stored_bytes()
        only_file(cache).unlink()
        return size

    @staticmethod
    def age(cache, hours):
        """Files as if last used some hours ago."""
        then = time.time() - 3600 * hours
        for path in cache.folder.iterdir():
            os.utime(path, (then, then))

    def test_the_rest_is_not_stored(self, tmp_path, features, size):
        cache = FeatureCache(tmp_path, KEY, max_bytes=2 * size)
        for item in "abcd":
            cache.put(item, features)
        assert [cache.get(item) is not None for item in "abcd"] == [1, 1, 0, 0]
        assert cache.stored_bytes() <= cache.max_bytes
        # Until others make room.
        next(iter(cache.folder.iterdir())).unlink()
        cache.put("e", features)
        assert cache.get("e") is not None

    def test_several_stores_keep_one_bound(self, tmp_path, features, size):
        stores = [FeatureCache(tmp_path, KEY, max_bytes=3 * size) for _ in range(5)]
        for number, store in enumerate(stores):
            store.put(f"item {number}", features)
        assert stores[0].stored_bytes() <= 3 * size

    def test_files_of_other_runs_make_room_oldest_first(
        self, tmp_path, features, size, monkeypatch
    ):
        monkeypatch.setattr(
            "neuraleig.segmentation.backbones._feature_cache.MARGIN_BYTES", 0
        )
        first = FeatureCache(tmp_path, "other key")
        first.put("a", features)
        self.age(first, 3)
        second = FeatureCache(tmp_path, KEY)
        second.put("b", features)
        self.age(second, 2)
        third = FeatureCache(tmp_path, KEY, max_bytes=2 * size)
        third.put("c", features)
        assert first.get("a") is None
        assert second.get("b") is not None
        # Used now, and so it stays; there is nothing else.
        third.put("d", features)
        assert third.get("d") is None
        assert {third.get(item) is not None for item in "bc"} == {True}

    def test_room_is_made_for_more_than_one(self, tmp_path, features, size):
        """Folders are not searched for every file."""
        former = FeatureCache(tmp_path, KEY)
        for item in "abc":
            former.put(item, features)
        self.age(former, 1)
        assert 3 * size < MARGIN_BYTES
        cache = FeatureCache(tmp_path, KEY, max_bytes=3 * size)
        cache.put("d", features)
        assert [cache.get(item) is not None for item in "abcd"] == [0, 0, 0, 1]


def test_a_folder_that_was_removed_is_made_again(cache, features):
    shutil.rmtree(cache.root)
    assert cache.free_bytes > 0
    assert cache.get("a") is None
    cache.put("a", features)
    assert cache.get("a") is not None


@pytest.mark.skipif(os.name == "nt", reason="signals end processes there")
def test_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()
    stale = tmp_path / f"neuraleig-features-{process.pid}-x"
    other = tmp_path / f"neuraleig-features-{os.getppid()}-x"
    for folder in (stale, other):
        folder.mkdir()
    store = FeatureCache(None, KEY)
    assert not stale.exists()
    assert other.exists()
    assert store.root.exists()


def test_a_shared_store_that_cannot_be_made_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with pytest.warns(FeatureCacheWarning, match="features are not stored"):
        kept = KeptStore.of("shared", KEY)
    assert type(kept.store) is NoCache


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_nobody_else_reads_the_shared_store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    KeptStore.of("shared", KEY)
    assert shared_folder().stat().st_mode & 0o777 == 0o700


def test_a_copy_opens_a_store_of_its_own():
    kept = KeptStore.of("auto", KEY)
    twin = pickle.loads(pickle.dumps(kept))
    assert (twin.asked, twin.key) != (kept.asked, kept.key)


def test_the_shared_folder_is_where_systems_keep_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
    assert shared_folder().is_relative_to(Path.home())
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    monkeypatch.setenv(variable, str(tmp_path))
    assert shared_folder() == tmp_path / "neuraleig" / "features"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_must_be_finite(value):
    features = torch.ones(1, 2, 2, 3)
    features[0, 1, 1, 2] = value
    with pytest.raises(ValueError, match="not finite"):
        half_precision(features)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (0, 3, 4, 5)])
def test_features_have_four_axes(shape):
    with pytest.raises(ValueError, match="four axes"):
        half_precision(torch.ones(shape))


def test_large_features_are_cut_rather_than_lost():
    values = half_precision(torch.tensor([[[[1e6, -1e6, 65504.0, 1e-9]]]]))
    assert values.dtype == torch.float16
    assert values.flatten().tolist() == [65504.0, -65504.0, 65504.0, 0.0]


def test_keys_compare_all_parts():
    parts = [(), ("a",), ("a", "b"), ("ab",), ("a", 1), ("a", "1"), ("a", (1,))]
    assert len({cache_key(*p) for p in parts}) == len(parts)
    assert cache_key("a", (1,)) == cache_key("a", (1,))


def test_windows_are_known_by_their_pixels():
    windows = torch.arange(96.0).reshape(2, 3, 4, 4)
    others = [
        windows + 1,
        windows.reshape(2, 3, 2, 8),
        windows[:1],
        windows.flip(3),
        windows.double(),
    ]
    assert len({pixels_identity(i) for i in [windows, *others]}) == 6
    assert pixels_identity(windows.flip(3).flip(3)) == pixels_identity(windows)
    view = torch.zeros(2, 3, 8, 4)
    view[:, :, ::2] = windows
    assert pixels_identity(view[:, :, ::2]) == pixels_identity(windows)
