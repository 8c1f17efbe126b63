import copy
import errno
import multiprocessing
import os
import pickle
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from neuraleig.segmentation.backbones._feature_cache import (
    FeatureCache,
    FeatureCacheWarning,
    NoCache,
    cache_key,
    half_precision,
    image_identity,
    stored_bytes,
)

KEY = cache_key("backbone", "float32", 48)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path, KEY)


def only_file(cache):
    (path,) = cache.folder.iterdir()
    return path


def test_what_is_put_is_got(cache, features):
    assert cache.get("a") is None
    put = cache.put("a", features)
    got = cache.get("a")
    np.testing.assert_array_equal(got, put)
    np.testing.assert_allclose(got, features, rtol=1e-3)
    assert got.dtype == np.float16
    assert not got.flags.writeable
    assert isinstance(got.base, np.memmap)
    # And again, from what the cache gave.
    np.testing.assert_array_equal(cache.put("b", got), put)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_what_the_umask_lets_them(cache, features):
    before = os.umask(0o022)
    try:
        cache.put("a", features)
    finally:
        os.umask(before)
    assert only_file(cache).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("shape", [(1, 1, 1), (30, 45, 384)])
def test_the_size_of_a_file_is_known_before(cache, shape):
    assert not cache.holds("a")
    cache.put("a", np.ones(shape))
    assert cache.holds("a")
    size = stored_bytes(shape[0] * shape[1], shape[2])
    assert only_file(cache).stat().st_size == size


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 2, 3), (2, 7, 3)])
def test_every_window_has_its_own_shape(cache, shape):
    features = torch.rand(shape).mT.contiguous().mT  # not contiguous
    cache.put("a", features)
    np.testing.assert_allclose(cache.get("a"), features.numpy(), atol=1e-3)


def test_disk_space_is_what_the_notes_say(cache):
    cache.put("a", np.ones((30, 45, 384)))
    assert 0 <= only_file(cache).stat().st_size - 2 * 30 * 45 * 384 < 160


def test_entries_are_told_apart(tmp_path, features):
    first, other = (FeatureCache(tmp_path, cache_key("b", w)) for w in (48, 64))
    first.put("a", features)
    assert first.get("b") is None
    assert other.get("a") is None
    again = FeatureCache(tmp_path, first.key)
    np.testing.assert_array_equal(again.get("a"), first.get("a"))


def test_a_fit_without_a_cache_sees_the_same_numbers(cache, features):
    plain = NoCache()
    expected = plain.put("a", features)
    assert expected.dtype == np.float16
    assert not expected.flags.writeable
    np.testing.assert_array_equal(cache.put("a", features), expected)
    np.testing.assert_array_equal(cache.get("a"), expected)
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
    values = np.full((3, 4, 5), np.inf, dtype=np.float16)
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
        (array_file(np.ones((3, 4, 5))), "type float64"),
        (array_file(np.ones((3, 4), np.float16)), r"\(3, 4\)"),
        (array_file(np.ones((3, 4, 5), np.float16, order="F")), "another order"),
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
    np.testing.assert_allclose(cache.get("a"), features, rtol=1e-3)


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
            found = cache.put(item, features)
            np.testing.assert_array_equal(found, half_precision(features))
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
    with FeatureCache(None, KEY) as cache:
        cache.put("a", features)
        assert cache.get("a") is not None
    assert not cache.folder.parent.exists()
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
def test_a_copy_does_not_own_the_folder(features, twin_of):
    with FeatureCache(None, KEY) as cache:
        cache.put("a", features)
        twin = twin_of(cache)
        assert twin.get("a") is not None
        twin.close()
        del twin
        assert cache.get("a") is not None


def drop(cache):
    cache.close()


def test_a_fork_does_not_remove_the_folder(features):
    with FeatureCache(None, KEY) as cache:
        cache.put("a", features)
        child = multiprocessing.get_context("fork").Process(target=drop, args=(cache,))
        child.start()
        child.join()
        assert child.exitcode == 0
        assert cache.get("a") is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("store", [NoCache, lambda: FeatureCache(None, KEY)])
def test_features_must_be_finite(features, store, value):
    features[1, 2, 3] = value
    with store() as opened, pytest.raises(ValueError, match="not finite"):
        opened.put("a", features)


@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4, 5), (0, 4, 5)])
def test_features_have_three_axes(shape):
    with pytest.raises(ValueError, match="three axes"):
        half_precision(np.ones(shape))


def test_large_features_are_cut_rather_than_lost():
    values = half_precision(torch.tensor([[[1e6, -1e6, 65504.0, 1e-9]]]))
    assert values.flatten().tolist() == [65504.0, -65504.0, 65504.0, 0.0]


def test_keys_compare_all_parts():
    parts = [(), ("a",), ("a", "b"), ("ab",), ("a", 1), ("a", "1"), ("a", (1,))]
    assert len({cache_key(*p) for p in parts}) == len(parts)
    assert cache_key("a", (1,)) == cache_key("a", (1,))


def test_images_are_known_by_what_changes(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    first = image_identity(path)
    assert image_identity(str(path)) == first
    path.write_bytes(b"abcd")
    longer = image_identity(path)
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1_000_000_000))
    assert len({first, longer, image_identity(path)}) == 3
    with pytest.raises(FileNotFoundError):
        image_identity(Path(tmp_path / "none.png"))


def test_arrays_are_known_by_their_values():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    others = [
        image + np.uint8(1),
        image.reshape(4, 2, 3),
        image.astype(np.int16),
        image[::-1],
    ]
    assert len({image_identity(i) for i in [image, *others]}) == 5
    assert image_identity(image[::-1][::-1]) == image_identity(image.copy())
