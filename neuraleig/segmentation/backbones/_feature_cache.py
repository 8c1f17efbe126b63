"""Features of windows on disk, so that the backbone runs once per window."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
import weakref
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuraleig._atomic import atomic_file
from neuraleig._warnings import warn_user

Features = NDArray[np.float16]

# Part of every address: files of another layout are never found.
FORMAT = "neuraleig-features-2"
SUFFIX = ".features"
TEMPORARY_PREFIX = "neuraleig-features-"
# After the array: fingerprint of the address, and checksum of the values.
ADDRESS_BYTES = 16
CHECKSUM_BYTES = 4
# Beside the values of a file: the header of numpy comes before them.
FRAME_BYTES = 128 + ADDRESS_BYTES + CHECKSUM_BYTES
# Bound of a folder where the user named none, and room that is made at once.
MOST_BYTES = 8 * 10**9
MARGIN_BYTES = MOST_BYTES // 100
LARGEST = float(np.finfo(np.float16).max)
# Stores by a name: a temporary folder, and one that all fits of the user share.
TEMPORARY, SHARED = "auto", "shared"
# All exponent bits of a float16: infinite or not a number.
NOT_FINITE = 0x7C00


class FeatureCacheWarning(UserWarning):
    """Stored features cannot be used or written; they are computed instead."""


def cache_key(*parts: object) -> str:
    """Fingerprint, 32 hexadecimal digits, of what all entries of a cache share.

    Parts are compared by ``repr``: the identity of the backbone, its device and the
    type of its products.
    """
    return _fingerprint(repr(parts).encode()).hex()


def pixels_identity(windows: Tensor) -> str:
    """Fingerprint of the shape and the values of some windows, 32 hexadecimal digits.

    Values on a CPU are not copied; a second for a gigabyte.
    """
    values = windows.detach().cpu().contiguous().numpy()
    return _fingerprint(str(values.shape).encode(), values.data).hex()


def half_precision(features: Tensor) -> Tensor:
    """Features of windows as they are stored: float16, cut to its range.

    Raises ValueError if they have other than four axes, or are empty or not finite.
    """
    found = features.detach()
    if found.ndim != 4 or found.numel() == 0:
        raise ValueError(
            f"features have shape {tuple(found.shape)}; those of windows have four "
            "axes, none of them empty: windows, rows, columns and channels."
        )
    if not bool(torch.isfinite(found).all()):
        raise ValueError(
            "features are not finite: the backbone fails on this image, or its "
            "weights are damaged."
        )
    return found.clamp(-LARGEST, LARGEST).to(torch.float16).contiguous()


class NoCache:
    """Stores nothing: every request runs the backbone."""

    def get(self, item: str) -> Features | None:
        """Stored features of an item, ``None`` where there are none."""
        return None

    def put(self, item: str, features: Features) -> None:
        """Store the features of an item where possible."""

    def close(self) -> None:
        """Release what the cache holds."""


class FeatureCache(NoCache):
    """Features in files, mapped into memory when read.

    ``n`` windows of ``h`` x ``w`` tokens with ``C`` channels take ``2 n h w C`` bytes
    and about 150 more. Several processes may share a folder: files appear complete or
    not at all. A file that is damaged, cut off or not from here is computed anew, with
    a warning. Where writing fails, there is one warning and nothing more is written.

    Parameters
    ----------
    folder : path or None
        Where the files are kept, for later fits as well. ``None``: a temporary folder,
        removed by :meth:`close`, when the cache or the process ends, or by the next
        process where this one was killed.
    key : str
        From :func:`cache_key`. Caches of several keys may share a folder.
    max_bytes : int or None, default=None
        Bound of all files of the folder: files that this cache has not used make room,
        those that were not used for longest first, and where there are none, nothing
        more is written.
    """

    def __init__(
        self, folder: str | Path | None, key: str, max_bytes: int | None = None
    ) -> None:
        self.key = key
        self.max_bytes = max_bytes
        self.writes = True
        self._opened_ns = time.time_ns()
        self._n_uncounted = 0
        self._finalizer: weakref.finalize[Any, Any] | None = None
        if folder is None:
            _remove_stale()
            temporary = tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{os.getpid()}-")
            self._finalizer = weakref.finalize(self, _remove, temporary, os.getpid())
            folder = temporary
        self.root = Path(folder)
        # Entries of one key together, so that stale ones are easy to remove.
        self.folder = self.root / cache_key(FORMAT, key)[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._n_bytes = 0 if max_bytes is None else _total(_files(self.root))

    def get(self, item: str) -> Features | None:
        """Stored features of an item, ``None`` where there are none to be used."""
        path, address = self._place(item)
        try:
            features = np.lib.format.open_memmap(path, mode="r")
            problem = _problem(features, path, address)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, SyntaxError, TypeError) as error:
            problem = str(error)
        if problem is None:
            # The time of use, by which files make room for others.
            with suppress(OSError):
                os.utime(path)
            return np.asarray(features)
        warn_user(
            f"the cached features in {path} are damaged or not from here ({problem}); "
            "they are computed again.",
            FeatureCacheWarning,
        )
        return None

    def put(self, item: str, features: Features) -> None:
        """Store the features of an item, if there is room for them."""
        if not self.writes:
            return
        try:
            if self._has_room_for(features):
                self._write(item, features)
        except OSError as error:
            self.writes = False
            warn_user(
                f"features cannot be written to {self.folder} ({error}); what is not "
                "stored is computed whenever it is needed, which is slower. Make room "
                "there, or choose another folder.",
                FeatureCacheWarning,
            )

    def stored_bytes(self) -> int:
        """Bytes of the files with this key."""
        return _total(_files(self.folder))

    @property
    def free_bytes(self) -> int:
        """Room on the disk of the folder, as far as the user may have it."""
        places = (self.folder, *self.folder.parents)
        return shutil.disk_usage(next(path for path in places if path.exists())).free

    def close(self) -> None:
        """Remove a temporary folder; others stay."""
        if self._finalizer is not None:
            self._finalizer()
            self.writes = False

    def __reduce__(self) -> Any:  # noqa: ANN401
        # A copy of the owner of a temporary folder cannot know how long it stays.
        if self._finalizer is not None:
            return NoCache, ()
        return FeatureCache, (self.root, self.key, self.max_bytes)

    def _place(self, item: str) -> tuple[Path, bytes]:
        address = _fingerprint(f"{FORMAT}\0{self.key}\0{item}".encode())
        return self.folder / f"{address.hex()}{SUFFIX}", address

    def _has_room_for(self, features: Features) -> bool:
        """Whether features stay within the bound, for which old files are removed."""
        if self.max_bytes is None:
            return True
        n_bytes = features.nbytes + FRAME_BYTES
        self._n_uncounted += n_bytes
        # Other processes write and remove as well.
        if (
            self._n_bytes + n_bytes > self.max_bytes
            or self._n_uncounted > self.max_bytes // 100
        ):
            self._n_bytes, self._n_uncounted = _total(_files(self.root)), 0
        excess = self._n_bytes + n_bytes - self.max_bytes
        if excess > 0:
            freed = _remove_oldest(self.root, excess, self._opened_ns)
            self._n_bytes -= freed
            if freed < excess:
                return False
        self._n_bytes += n_bytes
        return True

    def _write(self, item: str, values: Features) -> None:
        path, address = self._place(item)
        # Cleaners of caches and of temporary files may have been here.
        self.folder.mkdir(parents=True, exist_ok=True)
        # A file that a power cut tears is found by its checksum.
        with atomic_file(path, durable=False) as file:
            np.save(file, values, allow_pickle=False)
            file.write(address + _checksum(values))


@dataclass(frozen=True)
class KeptStore:
    """Store of features, with the parameter and the key that it was opened for."""

    asked: str | os.PathLike[str] | None
    key: str
    store: NoCache

    @classmethod
    def of(cls, asked: str | os.PathLike[str] | None, key: str) -> Self:
        """Open what ``feature_cache`` asks for."""
        if asked is None:
            return cls(asked, key, NoCache())
        if asked == TEMPORARY:
            return cls(asked, key, FeatureCache(None, key, MOST_BYTES))
        if asked == SHARED:
            return cls(asked, key, _shared_store(key))
        return cls(asked, key, FeatureCache(Path(asked), key))

    def __reduce__(self) -> Any:  # noqa: ANN401
        # A copy of a temporary store has none, and opens one of its own in a fit.
        temporary = isinstance(self.store, FeatureCache) and self.asked == TEMPORARY
        if temporary:
            return KeptStore, (TEMPORARY, "", NoCache())
        return KeptStore, (self.asked, self.key, self.store)


NOTHING = KeptStore(TEMPORARY, "", NoCache())


def _shared_store(key: str) -> NoCache:
    """Store of all fits of the user; none, with a warning, where it cannot be."""
    try:
        folder = shared_folder()
        # Features are thumbnails of a kind, and nobody else's.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FeatureCache(folder, key, MOST_BYTES)
    except (OSError, RuntimeError) as error:
        warn_user(
            f"features are not stored: {error}. Pass a folder as feature_cache, or "
            "None to store none.",
            FeatureCacheWarning,
        )
        return NoCache()


def shared_folder() -> Path:
    """Folder of features among the caches of the user, by the system's custom."""
    home = Path.home()
    usual = {"darwin": home / "Library" / "Caches", "win32": home / "AppData" / "Local"}
    given = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    root = Path(given) if given else usual.get(sys.platform, home / ".cache")
    return root / "neuraleig" / "features"


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Files of features in a folder, and what the disk knows of them."""
    for path in folder.rglob(f"*{SUFFIX}"):
        # Another process may have removed it.
        with suppress(OSError):
            yield path, path.stat()


def _total(files: Iterable[tuple[Path, os.stat_result]]) -> int:
    return sum(found.st_size for _, found in files)


def _remove_oldest(folder: Path, n_bytes: int, before_ns: int) -> int:
    """Remove files that were used before a time; returns their bytes.

    Somewhat more than asked for, so that the folder is not searched for every file.
    """
    old = sorted(
        (f for f in _files(folder) if f[1].st_mtime_ns < before_ns),
        key=lambda f: f[1].st_mtime_ns,
    )
    freed = 0
    for path, found in old:
        if freed >= n_bytes + MARGIN_BYTES:
            break
        with suppress(OSError):
            path.unlink()
            freed += found.st_size
    return freed


def _problem(features: np.memmap[Any, Any], path: Path, address: bytes) -> str | None:
    """Why a file cannot be trusted, ``None`` if it can."""
    if features.dtype != np.float16 or features.ndim != 4:
        return f"an array of type {features.dtype} and shape {features.shape}"
    if not features.flags.c_contiguous:
        return "an array in another order"
    end = features.offset + features.nbytes
    if path.stat().st_size != end + ADDRESS_BYTES + CHECKSUM_BYTES:
        return "wrong size"
    with path.open("rb") as file:
        file.seek(end)
        footer = file.read()
    if footer[:ADDRESS_BYTES] != address:
        return "features of something else"
    if footer[ADDRESS_BYTES:] != _checksum(features):
        return "wrong checksum"
    # By the exponents: ten times as fast as np.isfinite, which has no half precision.
    exponents = features.view(np.uint16) & np.uint16(NOT_FINITE)
    return "values that are not finite" if (exponents == NOT_FINITE).any() else None


def _checksum(values: Features) -> bytes:
    return zlib.crc32(values.data).to_bytes(CHECKSUM_BYTES)


def _fingerprint(*parts: Any) -> bytes:  # noqa: ANN401 - bytes or buffers
    total = hashlib.blake2b(digest_size=ADDRESS_BYTES)
    for part in parts:
        total.update(part)
    return total.digest()


def _remove_stale() -> None:
    """Remove temporary folders of processes that were stopped."""
    if os.name == "nt":
        # There a signal to a process ends it, whichever it is.
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"):
        owner = folder.name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
        if not owner.isdecimal():
            continue
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (PermissionError, OverflowError):
            continue


def _remove(folder: str, owner: int) -> None:
    """Remove a folder, unless this is a fork of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
