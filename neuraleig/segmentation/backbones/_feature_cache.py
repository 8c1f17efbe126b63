"""Features of windows on disk, so that a fit runs the backbone once per window."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuraleig._atomic import atomic_file
from neuraleig._warnings import warn_user

Features = NDArray[np.float16]

# Part of every address: files of another layout are never found.
FORMAT = "neuraleig-features-1"
SUFFIX = ".features"
# After the array: fingerprint of the address, and checksum of the values.
ADDRESS_BYTES = 16
CHECKSUM_BYTES = 4
# Before the array: the header of numpy.
HEADER_BYTES = 128
LARGEST = float(np.finfo(np.float16).max)
# All exponent bits of a float16: infinite or not a number.
NOT_FINITE = 0x7C00


class FeatureCacheWarning(UserWarning):
    """Stored features cannot be used or written; they are computed instead."""


def cache_key(*parts: object) -> str:
    """Fingerprint, 32 hexadecimal digits, of what all entries of a cache share.

    Parts are compared by ``repr``: the identity of the backbone, the type of its
    products, the size of the windows.
    """
    return _fingerprint(repr(parts).encode()).hex()


def image_identity(image: str | Path | NDArray[Any]) -> str:
    """Text that differs between images, and after a change of one.

    A file is known by its path, size and time of change, without reading it; an array
    by its shape, type and values.
    """
    if isinstance(image, np.ndarray):
        head = f"{image.dtype}{image.shape}".encode()
        return f"array:{_fingerprint(head, np.ascontiguousarray(image).data).hex()}"
    path = Path(image).resolve()
    found = path.stat()
    return f"file:{path}:{found.st_size}:{found.st_mtime_ns}"


def stored_bytes(n_tokens: int, n_channels: int) -> int:
    """Bytes of the file of a window."""
    return HEADER_BYTES + 2 * n_tokens * n_channels + ADDRESS_BYTES + CHECKSUM_BYTES


def half_precision(features: Tensor | NDArray[Any]) -> Features:
    """Features of a window as they are stored: float16, cut to its range, read-only.

    Raises ValueError if they have other than three axes, or are empty or not finite.
    """
    # A copy of arrays: torch takes none that are read-only, as stored ones are.
    found = torch.as_tensor(
        features if isinstance(features, Tensor) else np.array(features)
    ).detach()
    if found.ndim != 3 or found.numel() == 0:
        raise ValueError(
            f"features have shape {tuple(found.shape)}; those of a window have three "
            "axes, none of them empty: rows, columns and channels."
        )
    if not bool(torch.isfinite(found).all()):
        raise ValueError(
            "features are not finite: the backbone fails on this window, or its "
            "weights are damaged."
        )
    # Rounded where they are: half as much to copy from a GPU.
    rounded = found.clamp(-LARGEST, LARGEST).to(torch.float16).contiguous()
    values: Features = rounded.cpu().numpy()
    values.flags.writeable = False
    return values


class NoCache:
    """Stores nothing: every request runs the backbone.

    Values are rounded as a :class:`FeatureCache` rounds them, so that a fit does not
    depend on which of the two it uses.
    """

    def get(self, item: str) -> Features | None:
        """Stored features of an item, ``None`` where there are none."""
        return None

    def put(self, item: str, features: Tensor | NDArray[Any]) -> Features:
        """Store the features of an item where possible, and return them rounded."""
        return half_precision(features)

    def close(self) -> None:
        """Release what the cache holds."""

    def __enter__(self) -> NoCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FeatureCache(NoCache):
    """Features in files, one per window, mapped into memory when read.

    A window of ``h`` x ``w`` tokens with ``C`` features takes ``2 h w C`` bytes and
    about 150 more. Several processes may share a folder: files appear complete or not
    at all. A file that is damaged, cut off or not from here is computed anew, with a
    warning. Where writing fails, there is one warning and nothing more is written.

    Parameters
    ----------
    folder : path or None
        Where the files are kept, for later fits as well. ``None``: a temporary folder,
        removed by :meth:`close`, or when the cache or the process ends.
    key : str
        From :func:`cache_key`. Caches of several keys may share a folder.
    """

    def __init__(self, folder: str | Path | None, key: str) -> None:
        self.key = key
        self.writes = True
        self._finalizer: weakref.finalize[Any, Any] | None = None
        if folder is None:
            temporary = tempfile.mkdtemp(prefix="neuraleig-features-")
            self._finalizer = weakref.finalize(self, _remove, temporary, os.getpid())
            folder = temporary
        # Entries of one key together, so that stale ones are easy to remove.
        self.folder = Path(folder) / cache_key(FORMAT, key)[:16]
        self.folder.mkdir(parents=True, exist_ok=True)

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
            return np.asarray(features)
        warn_user(
            f"the cached features in {path} are damaged or not from here ({problem}); "
            "they are computed again.",
            FeatureCacheWarning,
        )
        return None

    def put(self, item: str, features: Tensor | NDArray[Any]) -> Features:
        """Store the features of an item, and return them as they are stored."""
        values = half_precision(features)
        if self.writes:
            try:
                self._write(item, values)
            except OSError as error:
                self.writes = False
                warn_user(
                    f"features cannot be written to {self.folder} ({error}); the fit "
                    "goes on and computes what is not stored in every pass, which is "
                    "slower. Make room there, or choose another folder.",
                    FeatureCacheWarning,
                )
        return values

    def holds(self, item: str) -> bool:
        """Whether there is a file of an item; it is not read."""
        return self._place(item)[0].exists()

    @property
    def free_bytes(self) -> int:
        """Room on the disk of the folder, as far as the user may have it."""
        return shutil.disk_usage(self.folder).free

    def close(self) -> None:
        """Remove a temporary folder; others stay."""
        if self._finalizer is not None:
            self._finalizer()
            self.writes = False

    def __getstate__(self) -> dict[str, Any]:
        # A copy in another process must not remove the folder.
        return {**self.__dict__, "_finalizer": None}

    def _place(self, item: str) -> tuple[Path, bytes]:
        address = _fingerprint(f"{FORMAT}\0{self.key}\0{item}".encode())
        return self.folder / f"{address.hex()}{SUFFIX}", address

    def _write(self, item: str, values: Features) -> None:
        path, address = self._place(item)
        # A file that a power cut tears is found by its checksum.
        with atomic_file(path, durable=False) as file:
            np.save(file, values, allow_pickle=False)
            file.write(address + _checksum(values))


def _problem(features: np.memmap[Any, Any], path: Path, address: bytes) -> str | None:
    """Why a file cannot be trusted, ``None`` if it can."""
    if features.dtype != np.float16 or features.ndim != 3:
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


def _remove(folder: str, owner: int) -> None:
    """Remove a folder, unless this is a fork of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
